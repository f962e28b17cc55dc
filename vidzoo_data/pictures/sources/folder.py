"""A folder of pictures and videos, in whatever folders below it; no queries."""

import os
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.pictures.listing import PICTURE_EXTENSIONS, Picture, PictureSet, find
from vidzoo_data.sources.files import VIDEO_EXTENSIONS, check_folder, count
from vidzoo_data.sources.source import check_names


def read(path: str | os.PathLike) -> PictureSet:
    """Lists a folder; an id is the path relative to it, with extension.

    Raises:
        SourceError: the folder is missing, holds neither a picture nor a video, or a
            name that is not UTF-8.
    """
    root = Path(path)
    check_folder(root, "a folder of pictures or videos")
    pictures, videos, ignored = find(root)
    files = {file.relative_to(root).as_posix(): file for file in (*pictures, *videos)}
    if not files:
        found = count(ignored.total(), "other file") if ignored else "no file"
        known = ", ".join((*PICTURE_EXTENSIONS, *VIDEO_EXTENSIONS))
        raise SourceError(
            f"{root}: found {found}, but no picture and no video; expected files that "
            f"end in one of {known}."
        )
    check_names(list(files), root)
    notes = ()
    if ignored:
        kinds = ", ".join(f"{ignored[kind]} {kind}" for kind in sorted(ignored))
        number = count(ignored.total(), "file")
        notes = (f"{number} under {root} ignored, no pictures or videos: {kinds}",)
    return PictureSet(
        name="folder",
        pictures=tuple(Picture(i, files[i]) for i in sorted(files)),
        notes=notes,
    )
