"""FCVID, the Fudan-Columbia Video Dataset, with its official split and label matrix.

Source: Jiang et al., "Exploiting Feature and Class Relationships in Video
Categorization with Regularized Deep Neural Networks", TPAMI 2018. 91,223 web videos of
239 categories, several to a video, about half of them for training.

The release is given out on request, and we have not seen it. What is known of it:

- `materials/FCVID_VideoName_TrainTestSplit.txt`: lines `<video> <train or test>`, the
  video's path with its extension;
- `materials/FCVID_Label.txt`: a row for each of those lines, in their order, with a 0
  or 1 for each category, between blanks or tabs.

Both as the public code of ObjectGraphs and ViGAT reads them (`bmezaris/ObjectGraphs:
fcvid.py`, `bmezaris/ViGAT: datasets.py`). Other public code shows videos in a folder of
their category, and those of several in folders `multiple/<category>_<category>`.

Which file names the categories, if one does, we could not establish. So a column of the
matrix is named by the folder that the videos of this category alone lie in; a file of
names, one a line in the order of the columns, may be given in its place.
"""

import functools
import os
from collections import defaultdict
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.csv_file import read_classes
from vidzoo_data.sources.files import check_folder, count
from vidzoo_data.sources.official import (
    build_source,
    check_listed_once,
    compare_counts,
    read_lines,
)
from vidzoo_data.sources.source import Source

SPLIT_FILE = "FCVID_VideoName_TrainTestSplit.txt"
LABEL_FILE = "FCVID_Label.txt"
SIZE = (256, 256)
"""Height and width in pixels that the dissertation stores frames at (5.4.1)."""
FPS = 1 / 3
"""Frames per second that it keeps: one every three seconds."""

_COUNTS = {"classes": 239, "videos": 91_223}
_SPLITS = ("train", "test")


def read(
    path: str | os.PathLike,
    *,
    splits_dir: str | os.PathLike,
    classes: str | os.PathLike | None = None,
    allow_missing: bool = False,
) -> Source:
    """Reads FCVID: splits `train` and `test`, classes in the order of the matrix.

    The source suggests frames of 256x256 every three seconds, as in section 5.4.1.

    Args:
        path: folder of the videos, which the split file's paths are relative to.
        splits_dir: folder of the two official files, the release's `materials`.
        classes: text file with one category per line; by default they are named by
            the folders of the videos.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: videos or official files are missing, a line is damaged, a video
            is listed twice, or the categories cannot be named.
    """
    root, splits_dir = Path(path), Path(splits_dir)
    check_folder(splits_dir, f"{SPLIT_FILE} and {LABEL_FILE}")
    listed = _read_splits(splits_dir / SPLIT_FILE)
    num_classes, columns = _read_labels(splits_dir / LABEL_FILE, len(listed))
    by_id = dict(zip((video_id for video_id, _ in listed), columns, strict=True))
    if classes is None:
        names = _names_by_folder(by_id, num_classes, splits_dir / LABEL_FILE)
    else:
        names = read_classes(classes)
        _check_names(names, num_classes, classes, splits_dir / LABEL_FILE)
    found = {"classes": num_classes, "videos": len(listed)}
    notes = compare_counts("fcvid", found, _COUNTS)
    unlabelled = [video_id for video_id in sorted(by_id) if not by_id[video_id]]
    if unlabelled:
        notes.append(
            f"{count(len(unlabelled), 'video')} of no category in {LABEL_FILE}; first: "
            f"{unlabelled[0]}"
        )
    return build_source(
        "fcvid",
        root,
        classes=names,
        splits={
            name: tuple(video_id for video_id, split in listed if split == name)
            for name in _SPLITS
        },
        paths={video_id: root / video_id for video_id in by_id},
        labels={i: tuple(names[c] for c in columns) for i, columns in by_id.items()},
        remedy="Unpack FCVID's videos there",
        allow_missing=allow_missing,
        notes=notes,
        size=SIZE,
        fps=FPS,
    )


def _read_splits(file):
    """`(video_id, split)` of each line."""
    listed, seen = [], []
    for line, text in read_lines(file):
        where = f"{file}, line {line}"
        video_id, *split = text.rsplit(maxsplit=1)
        if split not in ([name] for name in _SPLITS):
            raise SourceError(
                f"{where}: found {text}; expected <video> and train or test. Take the "
                f"official file."
            )
        listed.append((video_id, split[0]))
        seen.append((video_id, split[0], where))
    check_listed_once(seen)
    return listed


def _read_labels(file, num_videos):
    """The number of columns, and of each row the columns that hold a 1."""
    rows, num_columns = [], None
    for line, text in read_lines(file):
        cells = text.split()
        values = [_value(cell) for cell in cells]
        if None in values:
            raise SourceError(
                f"{file}, line {line}: found {cells[values.index(None)]}; expected a "
                f"row of 0 and 1, one for each category. Take the official file."
            )
        num_columns = len(cells) if num_columns is None else num_columns
        if len(cells) != num_columns:
            raise SourceError(
                f"{file}, line {line}: found {len(cells)} values, and {num_columns} in "
                f"the first row. Take the official file."
            )
        rows.append(tuple(c for c, value in enumerate(values) if value))
    if len(rows) != num_videos:
        raise SourceError(
            f"{file}: has {count(len(rows), 'row')}, and {SPLIT_FILE} "
            f"{count(num_videos, 'video')}; they belong together line by line. Take "
            f"both from one release."
        )
    return num_columns, rows


@functools.cache
def _value(cell):
    """Whether a cell, an integer or a float, is 1; None if it is neither 0 nor 1."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return bool(number) if number in (0, 1) else None


def _names_by_folder(columns_by_id, num_classes, file):
    """Names each category by the one folder of the videos that have it alone."""
    folders = defaultdict(set)
    for video_id, columns in columns_by_id.items():
        folder = video_id.rpartition("/")[0].rpartition("/")[2]
        if len(columns) == 1 and folder:
            folders[columns[0]].add(folder)
    names = []
    for column in range(num_classes):
        found = sorted(folders[column])
        if len(found) != 1 or found[0] in names:
            what = ", ".join(found) or "no folder"
            raise SourceError(
                f"{file}: column {column + 1} cannot be named: the videos of this "
                f"category alone lie in {what}, where one folder of its own is "
                f"expected. Give a file with one category a line (`--classes`)."
            )
        names.append(found[0])
    return tuple(names)


def _check_names(names, num_classes, classes, file):
    if len(names) != num_classes:
        raise SourceError(
            f"{classes}: names {len(names)} categories, and {file} has "
            f"{num_classes} columns. Give one name for each, in their order."
        )
