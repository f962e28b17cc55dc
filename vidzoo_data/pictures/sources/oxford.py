"""Oxford and Paris Buildings: pictures, and files that say what each query is to find.

Sources: Philbin et al., "Object Retrieval with Large Vocabularies and Fast Spatial
Matching" (CVPR 2007), 5,062 pictures; "Lost in Quantization" (CVPR 2008), 6,412
pictures. 55 queries each, of four files: `<query>_query.txt` has the picture's name and
a rectangle, which is ignored (dissertation, section 2.4); `_good.txt`, `_ok.txt` and
`_junk.txt` have a name a line. Good and ok are to be found.
"""

import math
import os
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.pictures.listing import (
    Picture,
    PictureSet,
    Query,
    find_by_stem,
    first_of,
    published_note,
)
from vidzoo_data.sources.files import check_folder, count, walk
from vidzoo_data.sources.official import read_lines

NUM_QUERIES = 55
NUM_PICTURES = {"oxford": 5062, "paris": 6412}
CORRUPT = frozenset(
    {
        *("paris_louvre_000136", "paris_louvre_000146", "paris_moulinrouge_000422"),
        *("paris_museedorsay_001059", "paris_notredame_000188"),
        *("paris_pantheon_000284", "paris_pantheon_000960", "paris_pantheon_000974"),
        *("paris_pompidou_000195", "paris_pompidou_000196", "paris_pompidou_000201"),
        *("paris_pompidou_000467", "paris_pompidou_000640"),
        *("paris_sacrecoeur_000299", "paris_sacrecoeur_000330"),
        *("paris_sacrecoeur_000353", "paris_triomphe_000662"),
        *("paris_triomphe_000833", "paris_triomphe_000863", "paris_triomphe_000867"),
    }
)
"""Files of Paris that are no pictures, as its authors list them (`corrupt.txt`)."""

_QUERY = "_query.txt"
_PREFIX = "oxc1_"  # of the pictures' names in Oxford's query files, and nowhere else
_ARCHIVE = {"oxford": "gt_files_170407.tgz", "paris": "paris_120310.tgz"}


def read_oxford(
    path: str | os.PathLike, *, ground_truth: str | os.PathLike | None = None
) -> PictureSet:
    """Lists Oxford Buildings; an id is a picture's name, `all_souls_000013`.

    Args:
        path: a folder that the pictures lie in or below.
        ground_truth: a folder that the files of the queries lie in or below; `path` if
            None.

    Raises:
        SourceError: a folder is missing or empty, a picture is there twice, one that a
            file names is missing, or a query's files are missing or damaged.
    """
    return _read("oxford", path, ground_truth)


def read_paris(
    path: str | os.PathLike, *, ground_truth: str | os.PathLike | None = None
) -> PictureSet:
    """Lists Paris Buildings, without the files in `CORRUPT`, there or not.

    Where a query is to find one of those, it counts as never found, as in the official
    program. Args and errors: as of `read_oxford`.
    """
    return _read("paris", path, ground_truth)


def _read(name, path, ground_truth):
    root = Path(path)
    truth = root if ground_truth is None else Path(ground_truth)
    expected = f"the pictures of {name.capitalize()} Buildings"
    check_folder(root, expected)
    check_folder(truth, f"the files of {_ARCHIVE[name]}")
    paths = find_by_stem(root, expected)
    corrupt = CORRUPT if name == "paris" else frozenset()
    pictures = {i: path for i, path in paths.items() if i not in corrupt}
    queries = [_query(file, name) for file in _query_files(truth, name)]
    _check_there(queries, pictures.keys() | corrupt, root)

    notes = []
    if corrupt & paths.keys():
        names = ", ".join(sorted(corrupt & paths.keys()))
        notes.append(f"left out, as corrupt by the authors of Paris: {names}")
    lost = corrupt.intersection(i for query in queries for i in query.positives)
    if lost:
        notes.append(f"corrupt, and so never found by a query: {first_of(lost)}")
    if (len(paths), len(queries)) != (NUM_PICTURES[name], NUM_QUERIES):
        noun = "query" if len(queries) == 1 else "queries"
        found = f"{count(len(paths), 'picture')} and {len(queries)} {noun}"
        published = f"{NUM_PICTURES[name]} and {NUM_QUERIES}"
        notes.append(published_note(root, found, published))
    return PictureSet(
        name=name,
        pictures=tuple(Picture(i, pictures[i]) for i in sorted(pictures)),
        queries=tuple(sorted(queries, key=lambda query: query.query_id)),
        notes=tuple(notes),
    )


def _query_files(truth, name):
    files = [file for file in walk(truth) if file.name.endswith(_QUERY)]
    if not files:
        raise SourceError(
            f"{truth}: found no file <query>{_QUERY}; expected those of "
            f"{_ARCHIVE[name]}. Unpack it there, or name its folder "
            f"(`--ground_truth`)."
        )
    return files


def _query(file, name):
    query_id = file.name.removesuffix(_QUERY)
    lines = _lines(file)
    words = lines[0].split() if lines else []
    if len(lines) != 1 or len(words) != 5 or not all(map(_is_number, words[1:])):
        raise SourceError(
            f"{file}: found {' / '.join(lines) or 'nothing'}; expected one line, a "
            f"picture's name and four numbers. Take the official file."
        )
    picture = words[0].removeprefix(_PREFIX) if name == "oxford" else words[0]
    good, ok, junk = (
        frozenset(_lines(file.with_name(f"{query_id}_{kind}.txt")))
        for kind in ("good", "ok", "junk")
    )
    if both := junk & (good | ok):
        raise SourceError(
            f"{file.with_name(query_id + '_junk.txt')}: names {first_of(both)}, which "
            f"the good or the ok file names as well. Take the official files."
        )
    if not good | ok:
        raise SourceError(
            f"{file.with_name(query_id + '_good.txt')}: is empty, and so is the ok "
            f"file; expected pictures to be found. Take the official files."
        )
    return Query(query_id, picture, good | ok, junk)


def _lines(file):
    return [text for _, text in read_lines(file)]


def _is_number(word):
    try:
        return math.isfinite(float(word))
    except ValueError:
        return False


def _check_there(queries, known, root):
    """Every picture that the files name is there, corrupt ones aside."""
    named = {}
    for query in queries:
        if query.picture_id in CORRUPT and query.picture_id in known:
            raise SourceError(
                f"{query.query_id}{_QUERY}: its picture, {query.picture_id}, is one "
                f"that the authors list as corrupt. Take the official file."
            )
        for picture in {query.picture_id} | query.positives | query.junk:
            named.setdefault(picture, query.query_id)
    if missing := sorted(named.keys() - known):
        raise SourceError(
            f"{root}: {len(missing)} of {len(named)} pictures that the queries name "
            f"are missing; first: {missing[0]}, of the query {named[missing[0]]}. "
            f"Unpack all of the pictures there."
        )
