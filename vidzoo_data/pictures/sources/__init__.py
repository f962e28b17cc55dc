"""Retrieval data sets on disk: one reader per layout, each to pictures and queries."""

import os
from collections.abc import Callable

from vidzoo.errors import UsageError
from vidzoo_data.pictures.listing import PictureSet
from vidzoo_data.pictures.sources import csv_file, folder, holidays, oxford

LAYOUTS: dict[str, Callable[..., PictureSet]] = {
    "folder": folder.read,
    "csv": csv_file.read,
    "holidays": holidays.read,
    "oxford": oxford.read_oxford,
    "paris": oxford.read_paris,
}
"""All but `"folder"`, which has no queries, have a protocol of the same name."""

_OPTIONS = {
    "csv": ("root", "group_column"),
    "oxford": ("ground_truth",),
    "paris": ("ground_truth",),
}


def list_pictures(
    layout: str, path: str | os.PathLike, **options: str | os.PathLike | None
) -> PictureSet:
    """Lists the pictures and the queries of the data set at `path`.

    Args:
        layout: a key of `LAYOUTS`: `"folder"` of pictures and videos, `"csv"` file, or
            `"holidays"`, `"oxford"` or `"paris"`.
        path: the folder; for `"csv"` the file.
        **options: `root` and `group_column` of `"csv"`, `ground_truth` of `"oxford"`
            and `"paris"`; what is None is as if left out.

    Raises:
        UsageError: the layout is unknown, or an option is not its own.
        SourceError: the data set is not laid out as its reader expects.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"unknown layout {layout}; known: {', '.join(LAYOUTS)}.")
    options = {name: value for name, value in options.items() if value is not None}
    for name in options:
        if name not in _OPTIONS.get(layout, ()):
            raise UsageError(f"`--{name}` is not an option of the layout {layout}.")
    return LAYOUTS[layout](path, **options)
