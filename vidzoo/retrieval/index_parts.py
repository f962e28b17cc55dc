"""The parts of an index that is being built: small files, each whole or not at all.

A part holds whole files, or a piece of one file and nothing else. The pieces of a file
follow each other, and count once the last one is there, which says how many vectors
there are in all.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from vidzoo.atomic import remove_leftovers, replacing
from vidzoo.errors import IndexFileError
from vidzoo.retrieval import index_format
from vidzoo.retrieval.index_format import PART, Entry, Stored

NAMES = "part-*.safetensors"
_PATH, _NUM_ENTRIES = "path", "num_entries"  # of a piece, and of all of them together


class Parts:
    """The parts in a folder.

    Args:
        folder: which may hold other files too.
        fingerprint: of the encoder.

    Attributes:
        files: the parts, in order.
    """

    def __init__(self, folder: Path, fingerprint: str):
        self._folder, self._fingerprint = folder, fingerprint
        self.files = []

    def take_up(self, is_usable: Callable[[Sequence[Entry]], bool]) -> Iterator[Stored]:
        """Yields what a run before left that is whole and usable; removes the rest.

        Args:
            is_usable: tells by the entries of a part, or of a file's pieces together.
        """
        remove_leftovers(self._folder / NAMES)
        files = sorted(self._folder.glob(NAMES))
        read = ((file, _read(file)) for file in files)
        for _, group in itertools.groupby(read, _belongs_to):
            parts = list(group)
            stored = [each for _, each in parts]
            if _is_whole(stored) and is_usable([e for s in stored for e in s.entries]):
                self.files += [file for file, _ in parts]
                yield from stored
            else:
                self.remove([file for file, _ in parts])

    def write(self, pieces: Sequence[tuple[np.ndarray, Sequence[Entry]]]) -> None:
        """Writes a part of whole files.

        Args:
            pieces: `(n, D)` vectors with n entries.
        """
        self._write(pieces, {})

    def write_piece(
        self,
        pieces: Sequence[tuple[np.ndarray, Sequence[Entry]]],
        path: str,
        num_entries: int | None,
    ) -> Path:
        """Writes a piece of a file.

        Args:
            pieces: as of `write`.
            path: the file's.
            num_entries: of all its pieces, if this is the last.

        Returns:
            The part, which `remove` takes.
        """
        last = {} if num_entries is None else {_NUM_ENTRIES: str(num_entries)}
        return self._write(pieces, {_PATH: path, **last})

    def remove(self, files: Sequence[Path]) -> None:
        """Removes some parts."""
        self.files = [file for file in self.files if file not in files]
        with index_format.naming_errors(self._folder):
            for file in files:
                file.unlink()

    def _write(self, pieces, metadata: Mapping[str, str]):
        number = 1 + int(self.files[-1].stem.split("-")[1]) if self.files else 0
        file = self._folder / f"part-{number:06d}.safetensors"
        with index_format.naming_errors(file), replacing(file) as opened:
            index_format.write(
                opened,
                PART,
                {"fingerprint": self._fingerprint, **metadata},
                [vectors for vectors, _ in pieces],
                pieces[0][0].shape[1],
                [entry for _, entries in pieces for entry in entries],
                {},
            )
        self.files.append(file)
        return file


def _read(file):
    try:
        return index_format.read(file, PART)
    except IndexFileError:
        return None  # what was in it is made again


def _belongs_to(part):
    """The path that it is a piece of, or the part itself."""
    file, stored = part
    return file if stored is None else stored.metadata.get(_PATH, file)


def _is_whole(stored):
    """Whether parts that belong together are undamaged, and all there."""
    if None in stored:
        return False
    last = stored[-1].metadata
    num_entries = sum(len(each.entries) for each in stored)
    return _PATH not in last or last.get(_NUM_ENTRIES) == str(num_entries)
