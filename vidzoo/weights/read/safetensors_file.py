"""safetensors: arrays under their own names.

The library of that name checks the file; its numbers are read here, for it would map
all of them into memory.
"""

import contextlib
import json
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, blocks
from vidzoo.weights.lazy import Listing, Stored
from vidzoo.weights.read.bfloat16 import from_bfloat16

_LENGTH = struct.Struct("<Q")
_HEADER_LIMIT = 16 * 2**20
_BFLOAT16 = "BF16"
_KINDS = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", _BFLOAT16: "<u2", "BOOL": "?"},
    **{f"I{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}


def recognises(head: bytes, size: int) -> bool:
    """Whether a file begins as safetensors: the header's length, then its JSON."""
    if len(head) <= _LENGTH.size or head[_LENGTH.size :][:1] != b"{":
        return False
    return _LENGTH.unpack_from(head)[0] <= size - _LENGTH.size


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a file and lists its arrays, after the library's check of the places.

    Raises:
        UnreadableError: an array is of a kind that NumPy has no numbers for.
    """
    from safetensors import safe_open

    with path.open("rb") as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        if length > _HEADER_LIMIT:
            raise UnreadableError(f"its header declares {length} bytes")
        header = json.loads(file.read(length))
        with safe_open(path, framework="np") as checked:
            names = checked.offset_keys()
        start = _LENGTH.size + length
        yield Listing(
            (name, _stored(file, start, name, header[name])) for name in names
        )


def _stored(file, start, name, entry):
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if kind not in _KINDS:
        raise UnreadableError(f"{name} is of the unknown kind {kind}")
    dtype = np.dtype(_KINDS[kind])
    begin, end = entry["data_offsets"]
    if math.prod(shape) * dtype.itemsize != end - begin:
        raise UnreadableError(f"{name} declares the shape {shape}, for {end - begin}")

    def numbers():
        file.seek(start + begin)
        return blocks(file, math.prod(shape), dtype)

    if kind == _BFLOAT16:
        as_float32 = np.dtype(np.float32)
        return Stored(shape, as_float32, lambda: map(from_bfloat16, numbers()))
    return Stored(shape, dtype, numbers)
