"""Names of an index's entries: paths as seen from the index's folder.

So an index and its pictures may be moved together, and no name in it depends on where
it was built. A frame of a video is `<path>#<number>`.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from vidzoo.errors import IndexFileError
from vidzoo.retrieval import Entry, IndexFile


def stored(index: Path, path: str | os.PathLike) -> str:
    """A file's path as an index has it."""
    beside = os.path.abspath(index.parent)
    return Path(os.path.relpath(os.path.abspath(path), beside)).as_posix()


def shown(index: Path, path: str) -> str:
    """A path that an index has as it leads there from the working folder."""
    return os.path.normpath(os.path.join(index.parent, path))


def entry(path: str, frame: int | None, seconds: float | None) -> Entry:
    """The entry of a picture, or of a video's frame.

    Args:
        path: as `stored` has it.
        frame: the frame's number; None of a picture.
        seconds: when the frame begins.
    """
    return Entry(path if frame is None else f"{path}#{frame}", path, seconds)


def frame_of(entry: Entry) -> int | None:
    """The number of an entry's frame; None of a picture."""
    number = entry.entry_id.removeprefix(f"{entry.path}#")
    return int(number) if number.isdecimal() and number != entry.entry_id else None


def find(index: IndexFile, names: Sequence[str]) -> list[int]:
    """The places of entries, in the order of their names.

    Args:
        index: holds them.
        names: each an entry's id, or the path, as the index has it or as it leads there
            from the working folder, of a picture or of all frames of a video.

    Raises:
        IndexFileError: there is no such entry.
    """
    if not names:
        return []  # entries are many
    by_id, by_path = {}, {}
    for place, each in enumerate(index.entries):
        by_id[each.entry_id] = [place]
        by_path.setdefault(each.path, []).append(place)
    places = []
    for name in names:
        path, _, frame = name.rpartition("#")
        here = stored(index.path, path or name) + (f"#{frame}" if path else "")
        found = next(
            (
                known[n]
                for n in (name, here)
                for known in (by_id, by_path)
                if n in known
            ),
            None,
        )
        if found is None:
            raise IndexFileError(
                f"{index.path}: holds no {name}; expected the ids or paths of its "
                f"{len(index.entries)} entries, such as {index.entries[0].entry_id}."
            )
        places += found
    return places
