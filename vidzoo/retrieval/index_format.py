"""The layout of an index on disk: a safetensors file with a checksum.

The header's `__metadata__` says what the file is and holds the encoder's description
and the SHA-256 of the whole file, with zeros in place of these digits. The arrays are
`vectors`, float32 `(N, D)`; `encoder/<name>` for each array of the encoder; and
`entries`, N lines of JSON, `[id, path, seconds]`. So any reader of safetensors reads
it, and the vectors can be mapped into memory: every array begins at a multiple of its
numbers' size.
"""

import contextlib
import hashlib
import json
import math
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from vidzoo.errors import IndexFileError

INDEX, PART = "vidzoo index 1", "vidzoo part of an index 1"
ENCODER = "vidzoo encoder of an index 1"
"""What a file says that it is; the number is the version of this layout."""

_LENGTH = struct.Struct("<Q")
_ALIGNMENT = 64
_HEADER_LIMIT = 100_000_000  # bytes, as the safetensors library has it
_NO_DIGEST = "0" * 64
_PREFIX = "encoder/"
_BLOCK = 2**22  # bytes
_DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BOOL": "|b1"},
    **{f"I{8 * size}": np.dtype(f"<i{size}").str for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"<u{size}").str for size in (1, 2, 4, 8)},
}
_REMEDY = "Copy it again from where it is whole, or build it anew with `vidzoo index`."
_TO_JSON = json.JSONEncoder(allow_nan=False)
_KINDS = {dtype: kind for kind, dtype in _DTYPES.items()}


class Entry(NamedTuple):
    """What a vector is of.

    Attributes:
        entry_id: unique in its index.
        path: of the picture or the video, as the user finds it.
        seconds: where in the video; None of a picture.
    """

    entry_id: str
    path: str
    seconds: float | None = None


class Entries(Sequence[Entry]):
    """The entries of a file, each read when it is asked for: few of them mostly are."""

    def __init__(self, text: np.ndarray):
        """Takes the lines, as uint8."""
        self._text = text.view(np.ndarray)  # whose slices come sooner than a map's
        self._ends = np.flatnonzero(text == ord("\n")) + 1

    def __len__(self):
        return len(self._ends)

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        place = range(len(self))[place]
        start = self._ends[place - 1] if place else 0
        line = self._text[start : self._ends[place]].tobytes()
        entry_id, path, seconds = json.loads(line.decode())
        return Entry(entry_id, entry_id if path == entry_id else path, seconds)


@dataclass(frozen=True)
class Stored:
    """A file that was found whole.

    Attributes:
        path: the file.
        metadata: its header's, all of it text.
        vectors: float32 `(N, D)`, mapped into memory, read-only.
        vectors_at: where in the file they begin, bytes.
        arrays: the encoder's, likewise mapped.
        entries: N of them.
    """

    path: Path
    metadata: dict[str, str]
    vectors: np.ndarray
    vectors_at: int
    arrays: dict[str, np.ndarray]
    entries: Entries


@contextlib.contextmanager
def naming_errors(path: Path) -> Iterator[None]:
    """Turns an error of the file system into one that names the index and says why."""
    try:
        yield
    except OSError as error:
        where, why = error.filename or path, error.strerror or error
        raise IndexFileError(
            f"{where}: cannot be read or written: {why}. Make room, or choose a folder "
            f"that can be written."
        ) from error


def write(
    file: BinaryIO,
    kind: str,
    metadata: Mapping[str, str],
    vectors: Iterable[np.ndarray],
    dim: int,
    entries: Iterable[Entry],
    arrays: Mapping[str, np.ndarray],
) -> None:
    """Writes a file, block by block.

    Args:
        file: open for writing, and seeking, at its start.
        kind: `INDEX`, `PART` or `ENCODER`.
        metadata: further text.
        vectors: float32 `(n, D)`, blocks in the order of the entries.
        dim: D.
        entries: N of them; gone through twice.
        arrays: the encoder's.
    """
    num_entries, num_bytes = 0, 0
    for entry in entries:
        num_entries, num_bytes = num_entries + 1, num_bytes + len(_line(entry))
    arrays = {_PREFIX + name: _little_endian(name, a) for name, a in arrays.items()}
    shapes = {"vectors": (np.dtype("<f4"), (num_entries, dim))}
    shapes |= {name: (array.dtype, array.shape) for name, array in arrays.items()}
    # Larger numbers first, so that each array begins at a multiple of its own.
    order = sorted(shapes, key=lambda name: (-shapes[name][0].itemsize, name))
    shapes["entries"] = (np.dtype("|u1"), (num_bytes,))
    header = _header(
        kind, metadata, {name: shapes[name] for name in (*order, "entries")}
    )
    digest = hashlib.sha256()

    def put(data):
        digest.update(data)
        file.write(data)

    put(header)
    for name in order:
        for block in vectors if name == "vectors" else [arrays[name]]:
            put(np.ascontiguousarray(block, shapes[name][0]).data.cast("B"))
    for entry in entries:
        put(_line(entry))
    file.seek(header.index(_NO_DIGEST.encode()))
    file.write(digest.hexdigest().encode())


def _line(entry):
    return _TO_JSON.encode(entry).encode() + b"\n"


def _little_endian(name, array):
    array = np.asarray(array)
    dtype = array.dtype.newbyteorder("<")
    if dtype.str not in _KINDS:
        raise TypeError(
            f"the encoder's array {name} must hold numbers. Received: {array.dtype}."
        )
    return array.astype(dtype, copy=False)


def _header(kind, metadata, shapes):
    header = {"__metadata__": {"sha256": _NO_DIGEST, "kind": kind, **metadata}}
    end = 0
    for name, (dtype, shape) in shapes.items():
        start, end = end, end + math.prod(shape) * dtype.itemsize
        header[name] = {
            "dtype": _KINDS[dtype.str],
            "shape": shape,
            "data_offsets": [start, end],
        }
    text = json.dumps(header).encode()
    length = _LENGTH.size + len(text)
    text += b" " * (-length % _ALIGNMENT)
    return _LENGTH.pack(len(text)) + text


def read(path: Path, kind: str) -> Stored:
    """Reads a file to its end, compares its checksum, and maps its arrays.

    Args:
        path: the file.
        kind: `INDEX`, `PART` or `ENCODER`, what it must be.

    Raises:
        IndexFileError: there is no such file, or it is something else or damaged.
    """
    check_there(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise IndexFileError(f"{path}: cannot be read: {error.strerror}.") from None
    with file, naming_errors(path):
        head, header = _read_header(file, path)
        metadata = header.pop("__metadata__")
        _check_kind(path, metadata.get("kind"), kind)
        start, size = len(head), file.seek(0, 2)
        places = _places(path, header)
        end = start + max(stop for _, _, _, stop in places.values())
        if size != end:
            raise IndexFileError(
                f"{path}: the file is {'cut short' if size < end else 'damaged'}: its "
                f"header says that it has {end} bytes, and it has {size}. "
                f"{_REMEDY}"
            )
        _check_digest(file, path, head, metadata)
        mapped = np.memmap(file, np.uint8, "r")
    found = {
        name: mapped[start + begin : start + stop].view(dtype).reshape(shape)
        for name, (dtype, shape, begin, stop) in places.items()
    }
    entries = Entries(found.pop("entries"))
    vectors = found.pop("vectors").view(np.ndarray)
    return Stored(
        path=path,
        metadata=metadata,
        vectors=vectors,
        vectors_at=start + places["vectors"][2],
        arrays={
            name.removeprefix(_PREFIX): array.view(np.ndarray)
            for name, array in found.items()
        },
        entries=entries,
    )


def check_there(path: Path) -> None:
    """Checks that there is a file, whatever is in it."""
    if not path.exists():
        raise IndexFileError(
            f"{path}: there is no such index. `vidzoo index` makes one."
        )


def _read_header(file, path):
    """The header's bytes, with those of its length, and what they say."""
    head = file.read(_LENGTH.size)
    length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
    if 2 <= length <= _HEADER_LIMIT:
        head += file.read(length)
    try:
        header = json.loads(head[_LENGTH.size :])
        if isinstance(header["__metadata__"], dict):
            return head, header
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise IndexFileError(
        f"{path}: not an index, or one whose beginning is damaged: expected the header "
        f"of a safetensors file. {_REMEDY}"
    )


def _check_kind(path, found, kind):
    if found != kind:
        raise IndexFileError(
            f"{path}: found a file that says it is {found}; expected {kind}. Name "
            f"another file, or use the version of vidzoo that wrote it."
        )


def _places(path, header):
    """Name to dtype, shape, and the first byte and the one behind the last."""
    places, at = {}, 0
    try:
        for name, entry in header.items():
            begin, stop = entry["data_offsets"]
            dtype, shape = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"])
            if begin != at or stop - begin != math.prod(shape) * dtype.itemsize:
                raise ValueError
            places[name], at = (dtype, shape, begin, stop), stop
        if len(places["vectors"][1]) != 2 or "entries" not in places:
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise IndexFileError(
            f"{path}: the header is damaged: its arrays do not follow each other. "
            f"{_REMEDY}"
        ) from None
    return places


def _check_digest(file, path, head, metadata):
    expected = str(metadata.get("sha256"))
    digest = hashlib.sha256(head.replace(expected.encode(), _NO_DIGEST.encode(), 1))
    file.seek(len(head))
    while block := file.read(_BLOCK):
        digest.update(block)
    if digest.hexdigest() != expected:
        raise IndexFileError(
            f"{path}: the file is damaged: its SHA-256 is {digest.hexdigest()}, and it "
            f"says {expected}. {_REMEDY}"
        )


class Rows:
    """The vectors of a file, read a few at a time so that they take no memory."""

    def __init__(self, stored: Stored):
        self._path, self._at = stored.path, stored.vectors_at
        self._dim, self._file = stored.vectors.shape[1], None

    def __getitem__(self, rows: slice) -> np.ndarray:
        if self._file is None:
            self._file = self._path.open("rb")
        count = rows.stop - rows.start
        self._file.seek(self._at + 4 * self._dim * rows.start)
        data = self._file.read(4 * self._dim * count)
        return np.frombuffer(data, "<f4").reshape(count, self._dim)

    def close(self) -> None:
        """Closes the file, which the next read opens again."""
        if self._file:
            self._file.close()
            self._file = None


def gathered(
    parts: list["Rows | np.ndarray"], order: Iterable[tuple[int, int]], dim: int
) -> Iterator[np.ndarray]:
    """Vectors out of several parts, in runs of neighbours of at most 4 MiB.

    Args:
        parts: what slices give vectors of.
        order: `(part, row)` of each vector.
        dim: D.
    """
    most = max(1, _BLOCK // (4 * dim))
    run, start, stop = None, 0, 0
    try:
        for part, row in order:
            if part != run or row != stop or stop - start == most:
                if run is not None:
                    yield parts[run][start:stop]
                if part != run and run is not None:
                    _close(parts[run])  # there may be more parts than files may be open
                run, start = part, row
            stop = row + 1
        if run is not None:
            yield parts[run][start:stop]
    finally:
        if run is not None:
            _close(parts[run])


def _close(part):
    if isinstance(part, Rows):
        part.close()
