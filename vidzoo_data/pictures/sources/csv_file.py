"""A CSV file with a row per picture: `path`, and the `group` of what shows the same.

Every picture of a group of two or more is a query, which is to find the others.
"""

import os
from pathlib import Path, PurePosixPath

from vidzoo.errors import SourceError
from vidzoo_data.pictures.listing import (
    PICTURE_EXTENSIONS,
    Picture,
    PictureSet,
    Query,
)
from vidzoo_data.sources.csv_file import read_cells
from vidzoo_data.sources.files import check_folder, count


def read(
    path: str | os.PathLike,
    *,
    root: str | os.PathLike | None = None,
    group_column: str = "group",
) -> PictureSet:
    """Lists a CSV file in UTF-8; an id is a path relative to `root`, with extension.

    Args:
        path: the file; its columns may come in any order, others are ignored.
        root: folder that the paths in it are relative to; by default its own.
        group_column: the name of the column `group`.

    Raises:
        SourceError: the file is missing or damaged, lacks a column, names a picture
            twice or one that is missing, or no group has two pictures.
    """
    file = Path(path)
    root = file.parent if root is None else Path(root)
    check_folder(root, "the folder that the paths in the CSV file are relative to")
    groups, lines = {}, {}
    for line, name, group in _rows(file, group_column):
        picture_id = _picture_id(name, root, f"{file}, line {line}")
        first = lines.setdefault(picture_id, line)
        if first != line:
            raise SourceError(
                f"{file}, lines {first} and {line}: {picture_id} is there twice; "
                f"remove one."
            )
        groups.setdefault(group, set()).add(picture_id)
    _check_there(file, root, lines)
    queries = [
        Query(picture_id, picture_id, frozenset(group - {picture_id}))
        for group in groups.values()
        for picture_id in group
        if len(group) > 1
    ]
    if not queries:
        raise SourceError(
            f"{file}: each of its {count(len(groups), 'group')} has one picture; "
            f"expected two or more that share a value of {group_column}."
        )
    alone = len(lines) - len(queries)
    notes = (f"{count(alone, 'picture')} alone in a group, and no query",)
    return PictureSet(
        name="csv",
        pictures=tuple(Picture(i, root / i) for i in sorted(lines)),
        queries=tuple(sorted(queries, key=lambda query: query.query_id)),
        notes=notes if alone else (),
    )


def _rows(file, group_column):
    """`(line, path, group)` of each row that is not blank."""
    columns = ("path", group_column)
    expected = f"a header naming {' and '.join(columns)}"
    header, rows = read_cells(
        file,
        expected,
        "picture",
        lambda header: _checked_header(file, header, columns, expected),
    )
    found = []
    for line, cells in rows:
        values = dict(zip(header, cells, strict=False))
        for name in columns:
            if not values.get(name):
                raise SourceError(
                    f"{file}, line {line}: the {name} is empty; fill it in."
                )
        found.append((line, *(values[name] for name in columns)))
    return found


def _checked_header(file, header, columns, expected):
    for name in columns:
        if header.count(name) != 1:
            found = "more than one" if name in header else "no"
            raise SourceError(
                f"{file}: found {found} column {name} among {', '.join(header)}; "
                f"expected {expected}."
            )
    return header


def _picture_id(name, root, where):
    relative = name
    if os.path.isabs(name):
        relative = os.path.relpath(name, os.path.abspath(root))
    picture_id = PurePosixPath(os.path.normpath(relative)).as_posix()
    if picture_id.startswith("../"):
        raise SourceError(
            f"{where}: {name} is outside {root}; name a folder that all pictures are "
            f"below (`--root`)."
        )
    if PurePosixPath(picture_id).suffix.lower() not in PICTURE_EXTENSIONS:
        raise SourceError(
            f"{where}: {name} is no picture by its name; expected one that ends in "
            f"{', '.join(PICTURE_EXTENSIONS)}."
        )
    return picture_id


def _check_there(file, root, lines):
    missing = [picture_id for picture_id in lines if not (root / picture_id).is_file()]
    if missing:
        raise SourceError(
            f"{file}: {len(missing)} of {count(len(lines), 'picture')} missing under "
            f"{root}; first: {missing[0]} (line {lines[missing[0]]}). Put them there, "
            f"or name the folder they are in (`--root`)."
        )
