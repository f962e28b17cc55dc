"""Data sets on disk: one reader per layout, each to videos, labels and splits."""

import os
from collections.abc import Callable

from vidzoo.errors import UsageError
from vidzoo_data.sources import csv_file, folder, hmdb51, ucf101
from vidzoo_data.sources.source import Source, Video

__all__ = ["LAYOUTS", "Source", "Video", "read"]

LAYOUTS: dict[str, Callable[..., Source]] = {
    "folder": folder.read,
    "csv": csv_file.read,
    "ucf101": ucf101.read,
    "hmdb51": hmdb51.read,
}


def read(
    layout: str,
    path: str | os.PathLike,
    *,
    root: str | os.PathLike | None = None,
    splits_dir: str | os.PathLike | None = None,
    classes: str | os.PathLike | None = None,
    test_fraction: float = 0.2,
    seed: int = 0,
    allow_missing: bool = False,
) -> Source:
    """Reads the data set at `path`.

    Args:
        layout: a key of `LAYOUTS`: `"folder"` of class folders, `"csv"` file, or the
            official `"ucf101"` or `"hmdb51"`.
        path: the folder of videos; for `"csv"` the file.
        root: `"csv"` only: folder that its paths are relative to, by default its own.
        splits_dir: `"ucf101"` and `"hmdb51"`: folder of the official split files.
        classes: `"csv"` only: text file with one class name per line.
        test_fraction: `"folder"` only: share of the test split, where it is drawn.
        seed: `"folder"` only: of that draw.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        UsageError: the layout is unknown, or an option is missing or not its own.
        ValueError: `test_fraction` is out of its range.
        SourceError: the data set is not laid out as its reader expects.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout}; known: {', '.join(LAYOUTS)}.")
    if layout in ("ucf101", "hmdb51"):
        _refuse(layout, root=root, classes=classes)
        if splits_dir is None:
            raise UsageError(
                f"{layout} needs its official split files; name their folder with "
                f"`--splits_dir`."
            )
        options = {"splits_dir": splits_dir, "allow_missing": allow_missing}
    elif layout == "csv":
        _refuse(layout, splits_dir=splits_dir)
        options = {"root": root, "classes": classes, "allow_missing": allow_missing}
    else:
        _refuse(layout, root=root, splits_dir=splits_dir, classes=classes)
        options = {"test_fraction": test_fraction, "seed": seed}
    return LAYOUTS[layout](path, **options)


def _refuse(layout, **options):
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"`--{name}` is not an option of the layout {layout}.")
