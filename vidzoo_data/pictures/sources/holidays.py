"""INRIA Holidays: groups of pictures of one place, named by their numbers.

Source: Jegou, Douze, Schmid, "Hamming Embedding and Weak Geometric Consistency for
Large Scale Image Search" (ECCV 2008). 1,491 pictures in 500 groups, `100000.jpg` to
`149902.jpg`: the last two digits count within a group, of which 00 is the query.
"""

import os
import re
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.pictures.listing import (
    Picture,
    PictureSet,
    Query,
    find_by_stem,
    published_note,
)
from vidzoo_data.sources.files import check_folder, count

NUM_PICTURES, NUM_GROUPS = 1491, 500
_EXPECTED = "pictures of INRIA Holidays, with six digits for names: 100000.jpg …"


def read(path: str | os.PathLike) -> PictureSet:
    """Lists Holidays; an id is the number in a picture's name, `100000`.

    Args:
        path: a folder that the pictures lie in or below.

    Raises:
        SourceError: the folder is missing or empty, a name is not of six digits or
            there twice, or a group lacks its query or anything to be found.
    """
    root = Path(path)
    check_folder(root, _EXPECTED)
    paths = find_by_stem(root, _EXPECTED)
    groups = {}
    for number in sorted(paths):
        if not re.fullmatch("[0-9]{6}", number):
            raise SourceError(
                f"{paths[number]}: the name is not a number of six digits; expected "
                f"{_EXPECTED}. Move it away."
            )
        groups.setdefault(number[:4], []).append(number)
    queries = [_query(root, group, numbers) for group, numbers in groups.items()]
    notes = ()
    if (len(paths), len(groups)) != (NUM_PICTURES, NUM_GROUPS):
        found = f"{count(len(paths), 'picture')} in {count(len(groups), 'group')}"
        published = f"{NUM_PICTURES} in {NUM_GROUPS}"
        notes = (published_note(root, found, published),)
    return PictureSet(
        name="holidays",
        pictures=tuple(Picture(number, paths[number]) for number in sorted(paths)),
        queries=tuple(queries),
        notes=notes,
    )


def _query(root, group, numbers):
    query, *others = numbers
    if query != f"{group}00":
        raise SourceError(
            f"{root}: the group {group} has no {group}00, its query; found "
            f"{', '.join(numbers)}. Unpack jpg1.tar.gz and jpg2.tar.gz there."
        )
    if not others:
        raise SourceError(
            f"{root}: the group {group} holds its query alone, {query}; expected one "
            f"picture or more to be found. Unpack jpg1.tar.gz and jpg2.tar.gz there."
        )
    return Query(query, query, frozenset(others))
