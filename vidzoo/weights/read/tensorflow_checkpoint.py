"""TensorFlow checkpoints of TF 1 and 2: an `.index` beside its `.data-…` shards.

TensorFlow itself is not needed: it ends the process on some damaged indices, and takes
a large variable's memory twice. Names are the variables', less
`/.ATTRIBUTES/VARIABLE_VALUE`; the bookkeeping of TF 2's object graph, optimizer slots
included, is left out.
"""

import contextlib
import glob
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, blocks
from vidzoo.weights.lazy import Listing, Stored
from vidzoo.weights.read import crc32c, varint
from vidzoo.weights.read.bfloat16 import from_bfloat16

# The last bytes of LevelDB's tables, of which the index is one.
FOOTER = struct.pack("<Q", 0xDB4775248B80FB57)
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_LEFT_OUT = ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter")
_SLOT = "/.OPTIMIZER_SLOT/"
_INDEX_LIMIT = 4 * 2**20
_FOOTER_SIZE = 48
_TRAILER_SIZE = 5
# tensorflow.DataType: number -> kind
_BFLOAT16 = 14
_KINDS = {1: "<f4", 2: "<f8", 3: "<i4", 4: "u1", 5: "<i2", 6: "i1", 9: "<i8", 10: "?"}
_KINDS |= {_BFLOAT16: "<u2", 17: "<u2", 19: "<f2", 22: "<u4", 23: "<u8"}
_STRING = 7
# Protobuf's wire types of a fixed length, such as a checksum's
_FIXED = {1: struct.Struct("<Q"), 5: struct.Struct("<I")}


def files(path: Path) -> list[Path]:
    """The index and the shards beside it."""
    return [path, *sorted(path.parent.glob(f"{glob.escape(path.stem)}.data-*"))]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a checkpoint and lists all variables.

    Args:
        path: the `.index` file, beside which its shards lie, or the prefix of both.

    Raises:
        UnreadableError: the checkpoint is damaged or lacks a shard.
    """
    if not path.is_file():
        path = Path(f"{path}.index")
    if path.suffix != ".index":
        raise UnreadableError(
            "a TensorFlow table, but not a checkpoint's .index file (one-file "
            "checkpoints, of before 2017, are not read)"
        )
    yield _listing(path)


def _listing(path):
    """The variables, after their places in the shards are checked."""
    if path.stat().st_size > _INDEX_LIMIT:
        raise UnreadableError("its index is too long to be one")
    entries = _entries(path.read_bytes())
    header = _message(entries.pop(b"", b""))
    num_shards = header.get(1, 1)
    shards = {}
    for i in range(min(num_shards, 10_000)):
        shard = Path(f"{path.with_suffix('')}.data-{i:05}-of-{num_shards:05}")
        if not shard.is_file():
            raise UnreadableError(f"{shard.name} is missing; put it beside the index")
        shards[i] = shard
    if header.get(2, 0):
        raise UnreadableError("it was written big-endian")
    listing = Listing()
    for key, value in entries.items():
        name = key.decode()
        entry = _message(value)
        if name in _LEFT_OUT or _SLOT in name or name.startswith("save_counter/"):
            continue
        kind, start, length = entry.get(1, 0), entry.get(4, 0), entry.get(5, 0)
        if kind == _STRING and name.endswith(("/OBJECT_CONFIG_JSON", "_GRAPH")):
            continue
        if kind not in _KINDS:
            raise UnreadableError(f"{name} is of TensorFlow's type {kind}, not numbers")
        if 7 in entry:
            raise UnreadableError(f"{name} is cut into slices, which are not read")
        shard = shards.get(entry.get(3, 0))
        shard_size = shard.stat().st_size if shard else 0
        shape = tuple(_shape(entry.get(2, b"")))
        declared = math.prod(shape) * np.dtype(_KINDS[kind]).itemsize
        if declared != length or start + length > shard_size:
            raise UnreadableError(
                f"{name} declares {declared} bytes, at {start} of a shard of "
                f"{shard_size}"
            )
        ours = name.removesuffix(_VALUE)
        if ours in listing:
            raise UnreadableError("two of its variables share a name")
        listing[ours] = _stored(name, shape, kind, shard, start, entry.get(6, 0))
    return listing


def _stored(name, shape, kind, shard, start, checksum):
    dtype = np.dtype(_KINDS[kind])

    def numbers():
        crc = crc32c.START
        with shard.open("rb") as file:
            file.seek(start)
            for block in blocks(file, math.prod(shape), dtype):
                crc = crc32c.update(crc, block.view(np.uint8))
                yield block
        if crc32c.masked(crc) != checksum:
            raise UnreadableError(f"{name} is damaged: its checksum differs")

    if kind == _BFLOAT16:
        as_float32 = np.dtype(np.float32)
        return Stored(shape, as_float32, lambda: map(from_bfloat16, numbers()))
    return Stored(shape, dtype, numbers)


def _shape(message):
    dims = []
    for number, value in _pairs(message):
        if number == 2:
            dims.append(_message(value).get(1, 0))
        elif number == 3 and value:
            raise UnreadableError("a variable has no known shape")
    if len(dims) > 32 or any(dim >= 2**40 for dim in dims):
        raise UnreadableError("a variable has an impossible shape")
    return dims


def _entries(data):
    """All keys and values of a LevelDB table, in its order."""
    footer = data[-_FOOTER_SIZE:]
    if len(footer) < _FOOTER_SIZE:
        raise UnreadableError("its index is cut short")
    position = 0
    for _ in range(2):  # the meta index's place, which is not needed
        _, position = varint.read(footer, position)
    offset, position = varint.read(footer, position)
    size, _ = varint.read(footer, position)
    entries = {}
    for handle in _block(data, offset, size).values():
        offset, position = varint.read(handle, 0)
        size, _ = varint.read(handle, position)
        entries |= _block(data, offset, size)
        if len(entries) > len(data):
            raise UnreadableError("its index is damaged")
    return entries


def _block(data, offset, size):
    end = offset + size
    if end + _TRAILER_SIZE > len(data):
        raise UnreadableError("its index is cut short")
    (checksum,) = struct.unpack_from("<I", data, end + 1)
    crc = crc32c.update(crc32c.START, data[offset : end + 1])
    if crc32c.masked(crc) != checksum:
        raise UnreadableError("its index is damaged: a checksum differs")
    if data[end]:
        raise UnreadableError("its index is compressed, which TensorFlow does not do")
    block = data[offset:end]
    (num_restarts,) = struct.unpack_from("<I", block, len(block) - 4)
    end = len(block) - 4 * (num_restarts + 1)
    entries, key, position = {}, b"", 0
    while position < end:
        shared, position = varint.read(block, position)
        unshared, position = varint.read(block, position)
        length, position = varint.read(block, position)
        if shared > len(key) or position + unshared + length > end:
            raise UnreadableError("its index is damaged")
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        entries[key] = block[position : position + length]
        position += length
    return entries


def _message(data):
    return dict(_pairs(data))


def _pairs(data):
    """A protobuf message's fields."""
    position = 0
    while position < len(data):
        tag, position = varint.read(data, position)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, position = varint.read(data, position)
            yield number, value
        elif wire == 2:
            length, position = varint.read(data, position)
            if position + length > len(data):
                raise UnreadableError("its index is damaged")
            yield number, data[position : position + length]
            position += length
        elif wire in _FIXED:
            kind = _FIXED[wire]
            yield number, kind.unpack_from(data, position)[0]
            position += kind.size
        else:
            raise UnreadableError("its index is damaged")
