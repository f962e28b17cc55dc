"""Data sets on disk: one reader per layout, each to videos, labels and splits."""

import os
from collections.abc import Callable

from vidzoo.errors import UsageError
from vidzoo_data.sources import (
    act,
    csv_file,
    fcvid,
    folder,
    hmdb51,
    sports1m,
    ucf101,
)
from vidzoo_data.sources.source import Source, Video

__all__ = ["LAYOUTS", "Source", "Video", "read"]

LAYOUTS: dict[str, Callable[..., Source]] = {
    "folder": folder.read,
    "csv": csv_file.read,
    "ucf101": ucf101.read,
    "hmdb51": hmdb51.read,
    "act": act.read,
    "fcvid": fcvid.read,
    "sports1m": sports1m.read,
}
_OFFICIAL = ("ucf101", "hmdb51", "act", "fcvid", "sports1m")


def read(
    layout: str,
    path: str | os.PathLike,
    *,
    root: str | os.PathLike | None = None,
    splits_dir: str | os.PathLike | None = None,
    classes: str | os.PathLike | None = None,
    test_fraction: float | None = None,
    seed: int | None = None,
    allow_missing: bool = False,
) -> Source:
    """Reads the data set at `path`.

    Args:
        layout: a key of `LAYOUTS`: `"folder"` of class folders, `"csv"` file, or the
            official `"ucf101"`, `"hmdb51"`, `"act"`, `"fcvid"` or `"sports1m"`.
        path: the folder of videos; for `"csv"` the file.
        root: `"csv"` only: folder that its paths are relative to, by default its own.
        splits_dir: of the official ones: folder of the split files.
        classes: `"csv"` and `"fcvid"` only: text file with one class name per line.
        test_fraction: `"folder"` without splits only: share of the test split that
            is drawn; 0.2 unless told.
        seed: `"folder"` without splits only: of that draw; 0 unless told.
        allow_missing: not `"folder"`: list missing videos in `Source.missing` instead
            of raising.

    Raises:
        UsageError: the layout is unknown, or an option is missing, not its own, or
            out of its range.
        SourceError: the data set is not laid out as its reader expects.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout}; known: {', '.join(LAYOUTS)}.")
    drawn = {"test_fraction": test_fraction, "seed": seed}
    if layout in _OFFICIAL:
        _refuse(layout, root=root, **drawn)
        if splits_dir is None:
            raise UsageError(
                f"{layout} needs its official split files; name their folder with "
                f"`--splits_dir`."
            )
        options = {"splits_dir": splits_dir, "allow_missing": allow_missing}
        if layout == "fcvid":
            options["classes"] = classes
        else:
            _refuse(layout, classes=classes)
    elif layout == "csv":
        _refuse(layout, splits_dir=splits_dir, **drawn)
        options = {"root": root, "classes": classes, "allow_missing": allow_missing}
    else:
        missing = True if allow_missing else None
        _refuse(
            layout,
            root=root,
            splits_dir=splits_dir,
            classes=classes,
            allow_missing=missing,
        )
        options = drawn
    return LAYOUTS[layout](path, **options)


def _refuse(layout, **options):
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"`--{name}` is not an option of the layout {layout}.")
