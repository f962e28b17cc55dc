"""PyTorch's `.pth` and `.pt`: the zip of today, and the stream of before 1.6.

PyTorch is not needed: its pickle is read by `pickle_subset`, and may name nothing but
tensors, their storages, and the types that describe them. A checkpoint with a
`state_dict` (or `model_state_dict`, `model`) gives that; other nested dictionaries give
names joined by dots. What is no tensor, such as an epoch's number, is left out.
"""

import contextlib
import io
import math
import mmap
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from vidzoo.arrays import (
    UnreadableError,
    blocks,
    check_declared,
    member_start,
    open_zip,
)
from vidzoo.weights.lazy import Listing, Stored
from vidzoo.weights.read import pickle_subset
from vidzoo.weights.read.bfloat16 import from_bfloat16

# The pickled number 0x1950A86A20F9469CFC6C with which the stream begins.
_MAGIC = 0x1950A86A20F9469CFC6C
_MAGIC_BYTES = _MAGIC.to_bytes(10, "little")
_STREAM_VERSION = 1001
_PICKLE_LIMIT = 16 * 2**20
_PIECE = 2**20
_MAX_GAPS = 64 * 2**20  # bytes between a tensor's numbers that are read with them
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


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a file and lists all tensors, as arrays.

    Raises:
        UnreadableError: the file is damaged, or asks for anything but tensors.
    """
    with path.open("rb") as file:
        is_zip = file.read(2) == b"PK"
        file.seek(0)
        if not is_zip:
            yield _list_stream(file)
            return
        with open_zip(file) as archive:
            yield _list_zip(file, archive)


def _list_zip(file, archive):
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
    compared = set()  # storages of which parts are read, by the checksum of the whole

    def numbers(storage, start, count, dtype):
        info = archive.getinfo(f"{root}data/{storage.key}")
        if count == storage.count:
            with archive.open(info) as member:
                yield from blocks(member, count, dtype)
                member.read(1)  # at its end, its checksum is compared
            return
        if storage.key not in compared:
            _compare_checksum(archive, info)
            compared.add(storage.key)
        file.seek(member_start(file, info) + start * dtype.itemsize)
        yield from blocks(file, count, dtype)

    def check(storage, num_bytes, is_cut):
        info = archive.getinfo(f"{root}data/{storage.key}")
        if info.file_size != num_bytes:
            raise UnreadableError(
                f"its storage {storage.key} declares {storage.count} numbers, and "
                f"holds {info.file_size} bytes"
            )
        if is_cut and info.compress_type != zipfile.ZIP_STORED:
            raise UnreadableError(
                f"refused: its storage {storage.key} is compressed, and tensors are "
                "parts of it; write it anew by torch.save"
            )

    tensors = _tensors(pickle_subset.load(content, _stand_ins(), _persistent))
    return _listing(tensors, file.seek(0, 2), check, numbers, order)


def _compare_checksum(archive, info):
    with archive.open(info) as member:
        while member.read(_PIECE):
            pass


def _list_stream(file):
    """A number, a version, a description, the pickle, keys, then the storages."""
    size = file.seek(0, 2)
    seen = {}

    def persistent(*identifier):
        storage = _persistent(*identifier)
        return seen.setdefault(storage.key, storage) and storage

    length = min(size, _PICKLE_LIMIT)
    with mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ) as view:
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

    def numbers(storage, start, count, dtype):
        file.seek(starts[storage.key] + start * dtype.itemsize)
        return blocks(file, count, dtype)

    def check(storage, num_bytes, is_cut):
        """That it is all there was found out above."""

    return _listing(_tensors(content), size, check, numbers, order)


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


def _listing(tensors, file_size, check_storage, numbers, order):
    check_declared((tensor.nbytes() for tensor in tensors.values()), file_size)
    listing = Listing()
    stretches = []
    for name, tensor in tensors.items():
        storage, num_stored, arrange = tensor.storage, *_stretch(tensor, name)
        dtype = np.dtype(_bits(storage.kind)).newbyteorder(order)
        is_cut = num_stored < storage.count
        check_storage(storage, storage.count * dtype.itemsize, is_cut)
        stretches.append(num_stored * dtype.itemsize)
        read = partial(numbers, storage, tensor.offset, num_stored, dtype)
        listing[name] = Stored(
            tensor.shape, _dtype(storage.kind), _as(storage.kind, read), arrange
        )
        if arrange:
            listing[name] = replace(listing[name], num_stored=num_stored)
    check_declared(stretches, file_size)
    return listing


def _stretch(tensor, name):
    """How many numbers from its first to its last, and how they are the tensor."""
    shape, strides = tensor.shape, tensor.strides
    if len(shape) != len(strides):
        raise UnreadableError(f"{name} has {len(strides)} strides")
    if 0 in shape:
        return 0, None
    span = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if tensor.offset + span >= tensor.storage.count:
        raise UnreadableError(
            f"{name} reaches number {tensor.offset + span} of a storage of "
            f"{tensor.storage.count}"
        )
    in_order = [math.prod(shape[i + 1 :]) for i in range(len(shape))]
    triples = zip(shape, strides, in_order, strict=True)
    if all(n == 1 or stride == wanted for n, stride, wanted in triples):
        return span + 1, None
    itemsize = np.dtype(_bits(tensor.storage.kind)).itemsize
    if (span + 1) * itemsize > 2 * tensor.nbytes() + _MAX_GAPS:
        raise UnreadableError(
            f"refused: {name} is scattered over {span + 1} numbers; save a copy that "
            "is contiguous"
        )

    def arrange(numbers):
        steps = [stride * numbers.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(numbers, shape, steps, writeable=False)

    return span + 1, arrange


def _dtype(kind):
    return np.dtype(np.float32 if kind == _BFLOAT16 else kind)


def _as(kind, read):
    """The numbers that a storage's bits are."""
    if kind == _BFLOAT16:
        return lambda: (from_bfloat16(block.astype(np.uint16)) for block in read())
    if kind == "?":
        return lambda: (block != 0 for block in read())
    return read


def _bits(kind):
    return {_BFLOAT16: "u2", "?": "u1"}.get(kind, kind)


def _order(is_little):
    return "<" if is_little else ">"
