"""safetensors, through the library of that name: arrays under their own names."""

import struct
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError

_LENGTH = struct.Struct("<Q")
_HEADER_LIMIT = 16 * 2**20
_NUMBERS = ("F", "BF", "I", "U", "BOOL")


def recognises(head: bytes, size: int) -> bool:
    """Whether a file begins as safetensors: the header's length, then its JSON."""
    if len(head) <= _LENGTH.size or head[_LENGTH.size :][:1] != b"{":
        return False
    return _LENGTH.unpack_from(head)[0] <= size - _LENGTH.size


def read(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays; the library checks that they fill the file exactly.

    Raises:
        UnreadableError: an array is of a kind that NumPy has no numbers for.
    """
    from safetensors import safe_open

    with path.open("rb") as file:
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
    if length > _HEADER_LIMIT:
        raise UnreadableError(f"its header declares {length} bytes")
    arrays = {}
    with safe_open(path, framework="np") as file:
        for name in file.offset_keys():
            kind = file.get_slice(name).get_dtype()
            if kind.rstrip("0123456789") not in _NUMBERS:
                raise UnreadableError(f"{name} is of the unknown kind {kind}")
            array = file.get_tensor(name)
            bfloat16 = array.dtype.name == "bfloat16"
            arrays[name] = array.astype(np.float32) if bfloat16 else array
    return arrays
