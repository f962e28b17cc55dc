"""PyTorch's `.pth` and `.pt`: the zip of today, and the stream of before 1.6.

PyTorch is not needed: its pickle is read by `pickle_subset`, and may name nothing but
tensors, their storages, and the types that describe them. A checkpoint with a
`state_dict` (or `model_state_dict`, `model`) gives that; other nested dictionaries give
names joined by dots. What is no tensor, such as an epoch's number, is left out.
"""

import io
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, check_declared, fill, open_zip
from vidzoo.weights.read import pickle_subset

# The pickled number 0x1950A86A20F9469CFC6C with which the stream begins.
_MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")
_STREAM_VERSION = 1001
_PICKLE_LIMIT = 16 * 2**20
_BFLOAT16 = "bfloat16"
_STORAGES = {
    "Double": "f8",
    "Float": "f4",
    "Half": "f2",
    "BFloat16": _BFLOAT16,
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "?",
}
_TYPES = ("float64", "float32", "float16", "bfloat16", "bool", "uint8")
_TYPES += ("int64", "int32", "int16", "int8")
_CONTENT = ("state_dict", "model_state_dict", "model")
_MAX_DEPTH = 32
_MAX_VALUES = 1_000_000


@dataclass(frozen=True)
class _Storage:
    key: str
    kind: str
    count: int
    offset: int = 0


@dataclass(frozen=True)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def nbytes(self):
        return math.prod(self.shape) * np.dtype(_bits(self.storage.kind)).itemsize


def recognises(head: bytes) -> bool:
    """Whether a file begins as a binary pickle; the zip is told by its members."""
    return head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5")


def read(path: Path) -> dict[str, np.ndarray]:
    """Reads all tensors as arrays.

    Raises:
        UnreadableError: the file is damaged, or asks for anything but tensors.
    """
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        return _read_zip(file) if is_zip else _read_stream(file)


def _read_zip(file):
    with open_zip(file) as archive:
        pickles = [n for n in archive.namelist() if n.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise UnreadableError("it has several data.pkl")
        root = pickles[0].removesuffix("data.pkl")
        if archive.getinfo(pickles[0]).file_size > _PICKLE_LIMIT:
            raise UnreadableError("its data.pkl is no list of tensors: too long")
        content = io.BytesIO(archive.read(pickles[0]))
        order = "<"
        if f"{root}byteorder" in archive.namelist():
            order = _order(archive.read(f"{root}byteorder") == b"little")

        def read_storage(storage, dtype):
            info = archive.getinfo(f"{root}data/{storage.key}")
            if info.file_size != storage.count * dtype.itemsize:
                raise UnreadableError(
                    f"its storage {storage.key} declares {storage.count} numbers, and "
                    f"holds {info.file_size} bytes"
                )
            with archive.open(info) as member:
                array = fill(member, storage.count, dtype)
                member.read(1)  # at its end, its checksum is compared
            return array

        tensors = _tensors(pickle_subset.load(content, _stand_ins(), _persistent))
        return _arrays(tensors, file.seek(0, 2), read_storage, order)


def _read_stream(file):
    """A number, a version, a description, the pickle, keys, then the storages."""
    size = file.seek(0, 2)
    seen = {}

    def persistent(*identifier):
        storage = _persistent(*identifier)
        return seen.setdefault(storage.key, storage) and storage

    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        first = pickle_subset.load(view, _stand_ins(), persistent)
        if first != _MAGIC:
            raise UnreadableError(
                "a pickle, but not one that PyTorch's torch.save made"
            )
        version, system, content, keys = (
            pickle_subset.load(view, _stand_ins(), persistent) for _ in range(4)
        )
        start = view.tell()
    if version != _STREAM_VERSION or not isinstance(system, dict):
        raise UnreadableError("PyTorch's stream of an unknown version")
    if not isinstance(keys, list) or set(keys) != set(seen):
        raise UnreadableError("its list of storages is not that of its tensors")
    order = _order(system.get("little_endian") is not False)
    starts = {}
    for key in keys:
        file.seek(start)
        (count,) = struct.unpack(f"{order}q", file.read(8))
        if count != seen[key].count:
            raise UnreadableError(
                f"its storage {key} declares {seen[key].count} numbers, and holds "
                f"{count}"
            )
        starts[key] = start + 8
        start += 8 + count * np.dtype(_bits(seen[key].kind)).itemsize
        if start > size:
            raise UnreadableError(f"it ends {start - size} bytes early")

    def read_storage(storage, dtype):
        file.seek(starts[storage.key])
        return fill(file, storage.count, dtype)

    return _arrays(_tensors(content), size, read_storage, order)


def _stand_ins():
    return {
        "collections.OrderedDict": _ordered_dict,
        "torch._utils._rebuild_tensor": _rebuild_tensor,
        "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
        "torch._utils._rebuild_parameter": _rebuild_parameter,
        "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
        "torch.Size": lambda shape: tuple(shape),
        "torch.device": lambda *place: None,
        **{f"torch.{name}Storage": kind for name, kind in _STORAGES.items()},
        **{f"torch.{name}": name for name in _TYPES},
    }


def _ordered_dict(pairs=()):
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise UnreadableError("a damaged pickle: a dictionary without pairs")
    if not all(isinstance(key, str) for key, _ in pairs):
        raise UnreadableError("refused: a dictionary's key is no name")
    return dict(pairs)


def _rebuild_tensor(storage, offset, shape, strides, *_):
    """What follows (whether it needs a gradient, hooks) concerns training alone."""
    if not isinstance(storage, _Storage):
        raise UnreadableError("a damaged pickle: a tensor without a storage")
    return _Tensor(
        storage, _natural(offset) + storage.offset, _naturals(shape), _naturals(strides)
    )


def _rebuild_parameter(tensor, *_):
    return tensor


def _persistent(*identifier):
    word, kind, key, _, count, *view = identifier
    if word != "storage" or kind not in _STORAGES.values() or not isinstance(key, str):
        raise UnreadableError("a damaged pickle: an unknown kind of storage")
    offset = view[0][1] if view and view[0] is not None else 0
    return _Storage(key, kind, _natural(count), _natural(offset))


def _natural(value):
    if not isinstance(value, int) or not 0 <= value < 2**48:
        raise UnreadableError(f"a damaged pickle: {value!r:.40} for a size")
    return value


def _naturals(values):
    if not isinstance(values, list | tuple):
        raise UnreadableError("a damaged pickle: a tensor without a shape")
    return tuple(_natural(value) for value in values)


def _tensors(content):
    """The tensors of nested dictionaries, by names joined with dots."""
    for key in _CONTENT:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    found, visits = {}, 0

    def visit(value, name, depth):
        nonlocal visits
        visits += 1
        if depth > _MAX_DEPTH or visits > _MAX_VALUES:
            raise UnreadableError("refused: its dictionaries are nested without end")
        if isinstance(value, _Tensor):
            if name in found:
                raise UnreadableError(f"two of its tensors have the name {name}")
            found[name] = value
        elif isinstance(value, dict | list | tuple):
            pairs = value.items() if isinstance(value, dict) else enumerate(value)
            for key, part in pairs:
                visit(part, f"{name}.{key}" if name else str(key), depth + 1)

    visit(content, "", 0)
    if not found:
        raise UnreadableError("there is no tensor in it")
    return found


def _arrays(tensors, file_size, read_storage, order):
    check_declared((tensor.nbytes() for tensor in tensors.values()), file_size)
    arrays = dict.fromkeys(tensors)
    by_storage = {}
    for name, tensor in tensors.items():
        by_storage.setdefault((tensor.storage.key, tensor.storage.kind), []).append(
            name
        )
    for (_, kind), names in by_storage.items():
        dtype = np.dtype(_bits(kind)).newbyteorder(order)
        storage = read_storage(tensors[names[0]].storage, dtype)
        for name in names:
            arrays[name] = _number(_view(storage, tensors[name], name), kind)
    return arrays


def _view(storage, tensor, name):
    """A tensor's numbers in its storage; a copy, unless they are all of it in order."""
    if len(tensor.shape) != len(tensor.strides):
        raise UnreadableError(f"{name} has {len(tensor.strides)} strides")
    pairs = zip(tensor.shape, tensor.strides, strict=True)
    reach = tensor.offset + sum((size - 1) * stride for size, stride in pairs)
    if 0 in tensor.shape:
        return np.empty(tensor.shape, storage.dtype)
    if reach >= len(storage):
        raise UnreadableError(
            f"{name} reaches number {reach} of a storage of {len(storage)}"
        )
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :],
        tensor.shape,
        [stride * storage.itemsize for stride in tensor.strides],
        writeable=False,
    )
    whole = view.flags.c_contiguous and view.size == len(storage)
    return storage.reshape(tensor.shape) if whole else view.copy(order="C")


def _number(array, kind):
    if kind == _BFLOAT16:  # the upper half of a float32
        return (array.astype(np.uint32) << 16).view(np.float32)
    if kind == "?":
        return array != 0
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _bits(kind):
    return {_BFLOAT16: "u2", "?": "u1"}.get(kind, kind)


def _order(is_little):
    return "<" if is_little else ">"
