"""A CSV file with one row per video and split: `path`, `label`, `split` or `subset`.

With a column `labels` in place of `label`, a video may be of several classes.
"""

import csv
import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import check_folder
from vidzoo_data.sources.source import Source, Video

_EXPECTED = "a header naming path, label or labels, and split or subset"
_SEPARATOR = ";"  # of class names in a cell of `labels`


@dataclass(frozen=True)
class _Row:
    line: int
    video_id: str
    labels: tuple[str, ...]  # sorted
    split: str


def read(
    path: str | os.PathLike,
    *,
    root: str | os.PathLike | None = None,
    classes: str | os.PathLike | None = None,
    allow_missing: bool = False,
) -> Source:
    """Reads a CSV file in UTF-8; its columns may come in any order, others are ignored.

    A video may be in several splits, one row each. A cell of `labels` holds one or
    several class names, separated by `;`; their order says nothing.

    Args:
        path: the CSV file.
        root: folder that the paths in it are relative to; by default its own.
        classes: text file with one class name per line, which fixes their numbers;
            by default the labels that occur, sorted.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: a file is missing, or a row is wrong; the message has its line.
    """
    file = Path(path)
    root = file.parent if root is None else Path(root)
    check_folder(root, "the folder that the paths in the CSV file are relative to")
    rows = _read_rows(file, root)
    names = None if classes is None else read_classes(classes)
    labels = _labels_of(rows, file)
    _check_labels(rows, file, names)
    if names is None:
        names = tuple(
            sorted({label for several in labels.values() for label in several})
        )
    if len(names) == 1:
        raise SourceError(
            f"{file}: found one class only, {names[0]}; a classifier needs two or more."
        )

    missing = [i for i in labels if not (root / i).is_file()]
    if missing and not allow_missing:
        line = next(row.line for row in rows if row.video_id == missing[0])
        raise SourceError(
            f"{file}: {len(missing)} of {len(labels)} videos are missing under {root}; "
            f"first: {missing[0]} (line {line}). Put them there, name the folder they "
            f"are in (`--root`), or go on without them (`--allow_missing`)."
        )
    if len(missing) == len(labels):
        raise SourceError(
            f"{file}: all {len(labels)} videos are missing under {root}; name the "
            f"folder they are in (`--root`)."
        )
    present = sorted(set(labels) - set(missing))
    splits = {row.split: set() for row in rows}
    for row in rows:
        splits[row.split].add(row.video_id)
    return Source(
        name="csv",
        classes=names,
        videos=tuple(Video(i, root / i, labels[i]) for i in present),
        splits={
            name: tuple(sorted(ids.intersection(present)))
            for name, ids in sorted(splits.items())
        },
        missing=tuple(
            (i, "listed, but there is no such file") for i in sorted(missing)
        ),
    )


def read_classes(path: str | os.PathLike) -> tuple[str, ...]:
    """Reads class names, one per line.

    Raises:
        SourceError: the file is missing, is empty, or names a class twice.
    """
    lines = read_text(Path(path), "one class name per line").splitlines()
    names = tuple(line.strip() for line in lines if line.strip())
    if not names:
        raise SourceError(f"{path}: is empty; expected one class name per line.")
    for name in names:
        if names.count(name) > 1:
            raise SourceError(f"{path}: names the class {name} twice; keep one.")
    return names


def read_text(file: Path, expected: str) -> str:
    """Reads a UTF-8 file, with or without its mark.

    Args:
        file: it.
        expected: what should be in it, for the message.

    Raises:
        SourceError: it is missing, cannot be read, or is not UTF-8.
    """
    if not file.is_file():
        found = "is a folder" if file.is_dir() else "there is no such file"
        raise SourceError(f"{file}: {found}; expected a text file with {expected}.")
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"{file}: byte {error.start} is not UTF-8; save the file as UTF-8."
        ) from None
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror}.") from None


def read_cells(
    file: Path, expected: str, what: str, columns_of: Callable
) -> tuple[object, list[tuple[int, list[str]]]]:
    """The columns, and the rows below the header with their lines, without blank ones.

    Args:
        file: a CSV file in UTF-8.
        expected: its header, for messages.
        what: a row is of, likewise.
        columns_of: what checks the header; its answer is the columns.

    Raises:
        SourceError: as `read_text` and `columns_of`, or it is not CSV, or has no row.
    """
    text = read_text(file, expected)
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    rows = []
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise SourceError(
            f"{file}, line {reader.line_num}: is not CSV: {error}."
        ) from None
    columns = columns_of(rows.pop(0)[1]) if rows else None
    if not rows:
        raise SourceError(
            f"{file}: found no row; expected {expected}, then one row per {what}."
        )
    return columns, rows


def _read_rows(file, root):
    columns, rows = read_cells(
        file, _EXPECTED, "video", lambda header: _columns(header, file)
    )
    return [_row(cells, columns, line, file, root) for line, cells in rows]


def _columns(header, file):
    """The column numbers of the path, the label or labels, and the split, by name."""
    labels = _column_of(("label", "labels"), header, file)
    splits = _column_of(("split", "subset"), header, file)
    needed = ("path", labels, splits)
    missing = [name for name in needed if name not in header]
    if missing:
        raise SourceError(
            f"{file}: found no column {missing[0]} among {', '.join(header)}; expected "
            f"{_EXPECTED}."
        )
    return {name: header.index(name) for name in needed}


def _column_of(names, header, file):
    """Which of two names the header has; the first if it has none."""
    found = [name for name in names if name in header]
    if len(found) == 2:
        raise SourceError(
            f"{file}: found both columns, {' and '.join(found)}; expected {_EXPECTED}. "
            f"Rename the one that is not meant."
        )
    return (found or names)[0]


def _row(cells, columns, line, file, root):
    values = {name: cells[c] if c < len(cells) else "" for name, c in columns.items()}
    for name, value in values.items():
        if not value:
            name = {"subset": "split", "labels": "labels cell"}.get(name, name)
            raise SourceError(f"{file}, line {line}: the {name} is empty; fill it in.")
    path, label, split = values.values()
    labels = _several(label, line, file) if "labels" in columns else (label,)
    relative = path
    if os.path.isabs(path):
        relative = os.path.relpath(path, os.path.abspath(root))
    video_id = PurePosixPath(os.path.normpath(relative)).as_posix()
    if video_id.startswith("../"):
        raise SourceError(
            f"{file}, line {line}: {path} is outside {root}; name a folder that "
            f"all videos are below (`--root`)."
        )
    return _Row(line, video_id, labels, split)


def _several(cell, line, file):
    """The class names in a cell."""
    names = [name.strip() for name in cell.split(_SEPARATOR)]
    if "" in names:
        raise SourceError(
            f"{file}, line {line}: the labels {cell} hold an empty name; put one "
            f"`{_SEPARATOR}` between two class names, and none at the ends."
        )
    for name in names:
        if names.count(name) > 1:
            raise SourceError(
                f"{file}, line {line}: the labels {cell} name the class {name} twice; "
                f"keep one."
            )
    return tuple(sorted(names))


def _labels_of(rows, file):
    """Labels by video id; a row that repeats or contradicts another is an error."""
    first, seen = {}, {}
    for row in rows:
        earlier = first.setdefault(row.video_id, row)
        if earlier.labels != row.labels:
            one, other = (_SEPARATOR.join(r.labels) for r in (earlier, row))
            raise SourceError(
                f"{file}, lines {earlier.line} and {row.line}: {row.video_id} has two "
                f"labels, {one} and {other}; keep one."
            )
        earlier = seen.setdefault((row.video_id, row.split), row)
        if earlier is not row:
            raise SourceError(
                f"{file}, lines {earlier.line} and {row.line}: {row.video_id} is twice "
                f"in split {row.split}; remove one."
            )
    return {video_id: row.labels for video_id, row in first.items()}


def _check_labels(rows, file, names):
    trained = {label for row in rows if row.split == "train" for label in row.labels}
    for row in rows:
        for label in row.labels:
            if names is not None and label not in names:
                where = "not among the classes"
                raise SourceError(_unknown(label, row, file, where, names))
            if trained and label not in trained:
                where = f"in split {row.split}, but never in train"
                raise SourceError(_unknown(label, row, file, where, sorted(trained)))


def _unknown(label, row, file, where, known):
    near = difflib.get_close_matches(label, known, cutoff=0.4)
    hint = f"nearest known: {', '.join(near)}" if near else _shortened(known)
    return f"{file}, line {row.line}: unknown label {label}, {where}; {hint}."


def _shortened(known):
    listed = ", ".join(known[:10])
    return f"known: {listed}{', …' if len(known) > 10 else ''}"
