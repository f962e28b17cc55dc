"""An index: one file of vectors, what they are of, and the encoder that made them.

Every change writes a new file and renames it, so that whatever interrupts it leaves the
old index or the new one. Entries are in the order of path, time and id: an index of
equal vectors is the same to the byte however it came about.
"""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from vidzoo.atomic import remove_leftovers, replacing
from vidzoo.errors import IndexFileError
from vidzoo.locking import locked_file
from vidzoo.retrieval import index_format
from vidzoo.retrieval.index_format import Entry, Rows, Stored

_NAMED = 5  # ids in a message


class Encoder(Protocol):
    """What makes the vectors, as far as an index has to know it."""

    def arrays(self) -> Mapping[str, np.ndarray]:
        """All that was fitted: vocabulary, PCA."""

    def description(self) -> Mapping:
        """All that decides the vectors besides, as JSON has it.

        Network, digest of its weights, layer, scales, preprocessing.
        """


@dataclass(frozen=True)
class IndexFile:
    """An index on disk that was found whole.

    Its arrays are mapped into memory and read-only. They stay as they are when another
    process adds to the file, which is then another one.

    Attributes:
        path: the file.
        vectors: float32 `(N, D)`.
        entries: what they are of; N of them, in the order of path, time and id.
        description: of the encoder.
        arrays: of the encoder.
        fingerprint: SHA-256 of both.
        notes: what else was noted when it was built, such as where its weights lie;
            no part of the fingerprint.
    """

    path: Path
    vectors: np.ndarray
    entries: Sequence[Entry]
    description: dict
    arrays: dict[str, np.ndarray]
    fingerprint: str
    notes: dict

    @classmethod
    def load(
        cls, path: str | os.PathLike, encoder: Encoder | None = None
    ) -> "IndexFile":
        """Opens an index, reading it once to its end to compare its checksum.

        Args:
            path: the file.
            encoder: what its vectors must have been made with; None for any.

        Raises:
            IndexFileError: there is no such file, it is no index, is damaged or cut
                short, or was made with another encoder; the message says what differs.
        """
        return cls.of(index_format.read(Path(path), index_format.INDEX), encoder)

    @classmethod
    def of(cls, stored: Stored, encoder: Encoder | None = None) -> "IndexFile":
        """As `load`, of a file that was read."""
        index = cls(
            path=stored.path,
            vectors=stored.vectors,
            entries=stored.entries,
            description=json.loads(stored.metadata["description"]),
            arrays=stored.arrays,
            fingerprint=stored.metadata["fingerprint"],
            notes=json.loads(stored.metadata.get("notes", "{}")),
        )
        if encoder is not None:
            index.check_encoder(encoder)
        return index

    def check_encoder(self, encoder: Encoder) -> None:
        """Checks that the vectors were made with this encoder.

        Raises:
            IndexFileError: they were not; the message says what differs.
        """
        if fingerprint(encoder) != self.fingerprint:
            differing = differences(self.description, self.arrays, encoder)
            raise IndexFileError(
                f"{self.path}: was made with another encoder: {differing}. Search it "
                "with its own, or build another index."
            )


def fingerprint(encoder: Encoder) -> str:
    """SHA-256 of an encoder's description and arrays, names and kinds included."""
    digest = hashlib.sha256(canonical(encoder.description()).encode())
    arrays = encoder.arrays()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()


def canonical(description: Mapping) -> str:
    """A description as JSON that is the same for equal ones."""
    return json.dumps(description, sort_keys=True, allow_nan=False)


def differences(
    description: Mapping, arrays: Mapping[str, np.ndarray] | None, encoder: Encoder
) -> str:
    """How an encoder, whose arrays may be unknown, differs from another, in words."""
    found = differing(description, encoder.description())
    if arrays is None:
        return "; ".join(found) or "what was fitted, such as its vocabulary, differs"
    others = encoder.arrays()
    for name in sorted({*arrays, *others}):
        one, other = (np.asarray(a.get(name, [])) for a in (arrays, others))
        if one.shape != other.shape or one.dtype != other.dtype:
            found.append(f"{name} is {_form(one)}, now {_form(other)}")
        elif one.tobytes() != other.tobytes():
            found.append(f"{name} has other values")
    return "; ".join(found)


def differing(before: Mapping, now: Mapping) -> list[str]:
    """In which values two JSON-ready, nested dictionaries differ, in words."""
    before, now = (dict(_flat(json.loads(canonical(each)))) for each in (before, now))
    return [
        f"{name} is {before.get(name)}, now {now.get(name)}"
        for name in sorted(before | now)
        if before.get(name) != now.get(name)
    ]


def _form(array):
    return f"{array.dtype} {array.shape}" if array.size else "missing"


def _flat(value, name=""):
    """`(a.b, value)` of every value in nested dictionaries."""
    if not isinstance(value, dict):
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{name}.{key}" if name else str(key))


def save(
    path: str | os.PathLike,
    encoder: Encoder,
    vectors: np.ndarray,
    entries: Sequence[Entry],
) -> None:
    """Writes a new index, whole or not at all.

    Args:
        path: the file, which must not be there.
        encoder: what the vectors were made with.
        vectors: `(N, D)`, kept in float32.
        entries: what they are of.

    Raises:
        ValueError: the shapes do not fit, or two entries share an id.
        IndexFileError: there is something at `path`, it cannot be written, there is no
            vector, or one holds NaN or infinity.
        VidzooError: another process works on the file.
    """
    path = Path(path)
    vectors = checked(path, vectors, entries)
    with working_on(path):
        check_absent(path)
        write_index(path, encoder, [vectors], [entries], vectors.shape[1], {})


def add(
    path: str | os.PathLike,
    encoder: Encoder,
    vectors: np.ndarray,
    entries: Sequence[Entry],
) -> None:
    """Adds to an index. Args and errors as of `save`, but that the index must be there.

    Raises:
        IndexFileError: besides, its encoder, or the size of its vectors, is another
            one, or it has an entry of the same id.
    """
    path = Path(path)
    vectors = checked(path, vectors, entries)
    index_format.check_there(path)
    with working_on(path):
        stored = index_format.read(path, index_format.INDEX)
        index = IndexFile.of(stored, encoder)
        dim = index.vectors.shape[1]
        if vectors.shape[1] != dim:
            raise IndexFileError(
                f"{path}: its vectors have {dim} dimensions; those to be added have "
                f"{vectors.shape[1]}."
            )
        listed = [list(index.entries), entries]
        known = {entry.entry_id for entry in listed[0]}
        twice = [entry.entry_id for entry in entries if entry.entry_id in known]
        if twice:
            raise IndexFileError(
                f"{path}: holds {_first(twice)} already; remove what is to be replaced "
                "first."
            )
        parts = [Rows(stored), vectors]
        write_index(path, encoder, parts, listed, dim, index.notes)


def remove(path: str | os.PathLike, entry_ids: Iterable[str]) -> None:
    """Removes entries from an index.

    Args:
        path: the file.
        entry_ids: of the entries.

    Raises:
        IndexFileError: as `IndexFile.load`, an id is unknown, or none would be left.
        VidzooError: another process works on the file.
    """
    path, entry_ids = Path(path), set(entry_ids)
    index_format.check_there(path)
    with working_on(path):
        stored = index_format.read(path, index_format.INDEX)
        index = IndexFile.of(stored)
        entries = list(index.entries)
        unknown = entry_ids - {entry.entry_id for entry in entries}
        if unknown:
            raise IndexFileError(
                f"{path}: holds no {_first(unknown)}; expected ids of its "
                f"{len(entries)} entries, such as {entries[0].entry_id}."
            )
        if len(entry_ids) == len(entries):
            raise IndexFileError(
                f"{path}: none of its {len(entry_ids)} entries would be left; delete "
                "the file instead."
            )
        kept = [None if e.entry_id in entry_ids else e for e in entries]
        dim = index.vectors.shape[1]
        write_index(path, _Fitted(index), [Rows(stored)], [kept], dim, index.notes)


@dataclass(frozen=True)
class _Fitted:
    """The encoder of an index, as far as an index has it."""

    index: IndexFile

    def arrays(self):
        return self.index.arrays

    def description(self):
        return self.index.description


def _first(entry_ids):
    more = len(entry_ids) - _NAMED
    return ", ".join(sorted(entry_ids)[:_NAMED]) + (
        f" and {more} more" if more > 0 else ""
    )


# What `vidzoo.retrieval.index_builder` shares


@contextlib.contextmanager
def working_on(path: Path) -> Iterator[None]:
    """Holds an index's lock, and clears what killed processes left beside it."""
    if not path.parent.is_dir():
        raise IndexFileError(f"{path.parent}: there is no such folder; make it first.")
    with index_format.naming_errors(path), locked_file(path):
        remove_leftovers(path)
        yield


def check_absent(path: Path) -> None:
    """Refuses to replace a file."""
    if path.exists():
        raise IndexFileError(
            f"{path}: is there already; add to it, or choose another name."
        )


def checked(path: Path, vectors, entries: Sequence[Entry]) -> np.ndarray:
    """Vectors as float32 `(N, D)`, one for each of the entries."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or len(vectors) != len(entries) or not vectors.shape[1]:
        raise ValueError(
            f"`vectors` must be (N, D), one for each of the {len(entries)} `entries`. "
            f"Received: {vectors.shape}."
        )
    if not len(entries):
        raise IndexFileError(
            f"{path}: there is nothing to put into it, and an index without entries "
            "cannot be searched. Give pictures or videos."
        )
    times = Counter(entry.entry_id for entry in entries)
    twice = [entry_id for entry_id, number in times.items() if number > 1]
    if twice:
        raise ValueError(
            f"`entries` must have different ids. Received twice: {_first(twice)}."
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        first = entries[int(np.flatnonzero(~finite)[0])]
        raise IndexFileError(
            f"{path}: the vector of {first.entry_id} holds NaN or infinity; the "
            "network's weights are damaged perhaps."
        )
    return vectors


def write_index(
    path: Path,
    encoder: Encoder,
    parts: list,
    listed: Sequence[Sequence[Entry | None]],
    dim: int,
    notes: Mapping,
) -> None:
    """Writes the index of several parts, in order, in a fixed amount of memory.

    Args:
        path: the file, which is replaced.
        encoder: what the vectors were made with.
        parts: of vectors, as `index_format.gathered` takes them.
        listed: the entries of each part; what is None is left out.
        dim: D.
        notes: JSON-ready.
    """
    every = [entry for entries in listed for entry in entries]
    part_of = np.repeat(np.arange(len(listed)), [len(entries) for entries in listed])
    row_of = np.concatenate([np.arange(len(entries)) for entries in listed])
    order = [i for i, entry in enumerate(every) if entry is not None]
    order.sort(key=lambda i: _place(every[i]))
    places = zip(part_of[order], row_of[order], strict=True)
    metadata = {
        "fingerprint": fingerprint(encoder),
        "description": canonical(encoder.description()),
        "notes": canonical(notes),
    }
    with replacing(path) as file:
        index_format.write(
            file,
            index_format.INDEX,
            metadata,
            index_format.gathered(parts, places, dim),
            dim,
            [every[i] for i in order],
            encoder.arrays(),
        )


def _place(entry):
    return entry.path, -1.0 if entry.seconds is None else entry.seconds, entry.entry_id
