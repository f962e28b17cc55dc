"""TensorFlow checkpoints of TF 1 and 2: an `.index` beside its `.data-…` shards.

The index is read here first, checksums and all: TensorFlow itself ends the process on
some damaged ones. Names are the variables', less `/.ATTRIBUTES/VARIABLE_VALUE`; the
bookkeeping of TF 2's object graph, optimizer slots included, is left out.
"""

import contextlib
import glob
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError
from vidzoo.weights.lazy import Listing, Stored
from vidzoo.weights.read import varint

# The last bytes of LevelDB's tables, of which the index is one.
FOOTER = struct.pack("<Q", 0xDB4775248B80FB57)
_VALUE = "/.ATTRIBUTES/VARIABLE_VALUE"
_LEFT_OUT = ("_CHECKPOINTABLE_OBJECT_GRAPH", "save_counter")
_SLOT = "/.OPTIMIZER_SLOT/"
_INDEX_LIMIT = 4 * 2**20
_FOOTER_SIZE = 48
_TRAILER_SIZE = 5
# tensorflow.DataType: number -> bytes each (bfloat16 is 14, bool 10, half 19)
_SIZES = {1: 4, 2: 8, 3: 4, 4: 1, 5: 2, 6: 1, 9: 8, 10: 1, 14: 2, 17: 2, 19: 2}
_SIZES |= {22: 4, 23: 8}
_STRING = 7


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
    wanted = _wanted(path)
    try:
        import tensorflow as tf
    except ImportError as error:
        raise UnreadableError(
            "TensorFlow's checkpoints need tensorflow installed"
        ) from error
    reader = tf.train.load_checkpoint(str(path).removesuffix(".index"))
    yield Listing(
        (name, _stored(tf, reader, key, shape, kind))
        for key, (name, shape, kind) in wanted.items()
    )


def _stored(tf, reader, key, shape, kind):
    dtype = np.dtype(tf.dtypes.as_dtype(kind).as_numpy_dtype)
    bfloat16 = dtype.name == "bfloat16"

    def blocks():
        array = reader.get_tensor(key)  # TensorFlow knows no less
        yield np.asarray(array).reshape(-1)

    return Stored(shape, np.dtype(np.float32) if bfloat16 else dtype, blocks)


def _wanted(path):
    """Key -> name, shape and type of variables, after their places are checked."""
    if path.stat().st_size > _INDEX_LIMIT:
        raise UnreadableError("its index is too long to be one")
    entries = _entries(path.read_bytes())
    header = _message(entries.pop(b"", b""))
    num_shards = header.get(1, 1)
    sizes = {}
    for i in range(min(num_shards, 10_000)):
        shard = Path(f"{path.with_suffix('')}.data-{i:05}-of-{num_shards:05}")
        if not shard.is_file():
            raise UnreadableError(f"{shard.name} is missing; put it beside the index")
        sizes[i] = shard.stat().st_size
    if header.get(2, 0):
        raise UnreadableError("it was written big-endian")
    wanted = {}
    for key, value in entries.items():
        name = key.decode()
        entry = _message(value)
        if name in _LEFT_OUT or _SLOT in name or name.startswith("save_counter/"):
            continue
        kind, start, length = entry.get(1, 0), entry.get(4, 0), entry.get(5, 0)
        if kind == _STRING and name.endswith(("/OBJECT_CONFIG_JSON", "_GRAPH")):
            continue
        if kind not in _SIZES:
            raise UnreadableError(f"{name} is of TensorFlow's type {kind}, not numbers")
        if 7 in entry:
            raise UnreadableError(f"{name} is cut into slices, which are not read")
        shape = tuple(_shape(entry.get(2, b"")))
        declared = math.prod(shape) * _SIZES[kind]
        shard_size = sizes.get(entry.get(3, 0), 0)
        if declared != length or start + length > shard_size:
            raise UnreadableError(
                f"{name} declares {declared} bytes, at {start} of a shard of "
                f"{shard_size}"
            )
        wanted[name] = name.removesuffix(_VALUE), shape, kind
    if len(wanted) != len({name for name, *_ in wanted.values()}):
        raise UnreadableError("two of its variables share a name")
    return wanted


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
    if _masked_crc32c(data[offset : end + 1]) != checksum:
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
    """A protobuf message's fields; fixed ones, checksums, are passed over."""
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
        elif wire in (1, 5):
            position += 8 if wire == 1 else 4
        else:
            raise UnreadableError("its index is damaged")


def _crc32c_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _crc32c_table()


def _masked_crc32c(data):
    """CRC-32C as LevelDB keeps it: rotated, and a constant added."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
