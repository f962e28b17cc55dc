"""What the official split files of UCF101 and HMDB51 have in common."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import check_folder, count, list_files
from vidzoo_data.sources.source import Source, Video


def read_lines(file: Path) -> list[tuple[int, str]]:
    """Reads the lines that are not blank, with their numbers, stripped.

    Raises:
        SourceError: the file is missing or is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        found = "is no text" if file.is_file() else "there is no such file"
        raise SourceError(
            f"{file}: {found}; expected a file of the official splits."
        ) from None
    return [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]


def build_source(
    name: str,
    root: Path,
    *,
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    paths: Mapping[str, Path],
    archive: str,
    allow_missing: bool,
) -> Source:
    """Joins the listed videos with the files that are there.

    Args:
        name: layout.
        root: folder of the videos.
        classes: all official classes, in their order.
        splits: name to video ids, `<class>/<file>`.
        paths: video id to the place where its file should be.
        archive: file whose unpacking gives the videos.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: videos are missing, all of them or without `allow_missing`.
    """
    check_folder(root, f"the videos of {name}")
    listed = sorted({video_id for ids in splits.values() for video_id in ids})
    missing = [video_id for video_id in listed if not paths[video_id].is_file()]
    if missing and (not allow_missing or len(missing) == len(listed)):
        otherwise = (
            ""
            if len(missing) == len(listed)
            else ", or go on without them (`--allow_missing`)"
        )
        raise SourceError(
            f"{name}: {len(missing)} of {len(listed)} videos are missing under {root}; "
            f"first: {missing[0]}. Unpack {archive} there{otherwise}."
        )
    present = sorted(set(listed).difference(missing))
    notes = []
    unlisted = set(list_files(root).videos).difference(paths.values())
    if unlisted:
        notes.append(
            f"{count(len(unlisted), 'video')} under {root} in no official split, so "
            f"left out; first: {min(unlisted).relative_to(root).as_posix()}"
        )
    if missing:
        notes.append(f"{len(missing)} of {len(listed)} listed videos are missing")
    return Source(
        name=name,
        classes=tuple(classes),
        videos=tuple(Video(i, paths[i], (i.split("/")[0],)) for i in present),
        splits={
            split: tuple(sorted(set(ids).intersection(present)))
            for split, ids in splits.items()
        },
        missing=tuple((i, "listed, but there is no such file") for i in missing),
        notes=tuple(notes),
    )
