"""Caffe's `.caffemodel`: blobs as `<layer>/weights`, `<layer>/biases`, `<layer>/blob2`.

The file is one protobuf message. Its wire format is read here directly, a field at a
time: protobuf's own reader would hold the file, the message and the arrays at once.
Layers are those of V1 (field 2) and V2 (field 100); shapes are given as `BlobShape`, as
four numbers, or, by C3D's Caffe, as five.
"""

import contextlib
import math
import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, blocks, check_declared
from vidzoo.weights.lazy import Listing, Stored
from vidzoo.weights.read import varint

# NetParameter.layers (V1) and .layer (V2): where a layer has its name, type and blobs.
_LAYERS = {2: (4, 5, 6), 100: (1, 2, 7)}
_NET_FIELDS = {*range(1, 9), 100}
_BLOBS = ("weights", "biases")
_CONVOLUTIONS = (4, 30, 39, b"Convolution", b"Deconvolution", b"Convolution3D")
_INNER_PRODUCTS = (14, b"InnerProduct")
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_FIELDS = 1_000_000
_MAX_BLOBS = 20_000
_TAGS_AT_ONCE = 2**20


def recognises(head: bytes) -> bool:
    """Whether a file may begin with a network's name or one of its layers."""
    return head[:1] in (b"\x0a", b"\x12") or head[:2] == b"\xa2\x06"


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a file and lists all blobs; `layers` has those without blobs too.

    Raises:
        UnreadableError: the file is damaged, or holds no layer.
    """
    with path.open("rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            blobs, layers = _blobs(data)
            size = len(data)
        check_declared((blob.nbytes() for blob in blobs.values()), size)
        listing = Listing((name, blob.stored(file)) for name, blob in blobs.items())
        listing.layers = layers
        yield listing


class _Blob:
    """Where a blob's numbers are: runs of (start, count, stride, dtype)."""

    def __init__(self, shape, runs):
        self.shape = shape
        self.runs = runs

    def nbytes(self):
        return sum(count * dtype.itemsize for _, count, _, dtype in self.runs)

    def stored(self, file):
        dtype = self.runs[0][3].newbyteorder("=")
        return Stored(self.shape, dtype, lambda: self._blocks(file))

    def _blocks(self, file):
        for start, count, stride, dtype in self.runs:
            file.seek(start)
            if stride == dtype.itemsize:
                yield from blocks(file, count, dtype)
            else:  # each number behind its own tag
                record = np.dtype([("tag", "u1"), ("number", dtype)])
                for block in blocks(file, count, record):
                    yield block["number"]


def _blobs(data):
    blobs, layers = {}, []
    for number, wire, start, end in _fields(data, 0, len(data)):
        if number not in _NET_FIELDS:
            raise UnreadableError(f"not a Caffe network: its field {number} is unknown")
        if number not in _LAYERS or wire != _BYTES:
            continue
        name, kind, found = "", None, []
        for field, form, here, behind in _fields(data, start, end):
            if field == _LAYERS[number][0] and form == _BYTES:
                name = data[here:behind].decode()
            elif field == _LAYERS[number][1]:
                kind = here if form == _VARINT else data[here : min(behind, here + 64)]
            elif field == _LAYERS[number][2] and form == _BYTES:
                found.append((here, behind))
        layers.append(name)
        for i, (here, behind) in enumerate(found):
            blob_name = f"{name}/{_BLOBS[i] if i < len(_BLOBS) else f'blob{i}'}"
            if blob_name in blobs:
                raise UnreadableError(f"two of its layers have the name {name}")
            if len(blobs) == _MAX_BLOBS:
                raise UnreadableError(f"it has more than {_MAX_BLOBS} blobs")
            blobs[blob_name] = _blob(data, here, behind, blob_name, kind, i)
    if not layers:
        raise UnreadableError("not a Caffe network: it has no layer")
    return blobs, tuple(layers)


def _blob(data, start, end, name, kind, index):
    sizes, shape, runs = {}, None, {}
    while start < end:
        field, wire, here, behind = next(_fields(data, start, end))
        if wire == _VARINT and field <= 5:
            sizes[field] = here
        elif field == 7 and wire == _BYTES and not _is_c3d(sizes):
            shape = _shape(data, here, behind)
        elif wire == _BYTES:
            runs.setdefault(field, []).append((here, behind - here, 0))
        elif wire in _SIZES:  # numbers one by one, each behind a tag of one byte
            stride = _SIZES[wire] + 1
            length = _run_length(data, here - 1, end - stride + 1, stride)
            behind = here - 1 + length
            runs.setdefault(field, []).append((here - 1, length, stride))
        start = behind
    # C3D's blobs have a length, which moves the data from field 5 to 6.
    floats, doubles = (6, None) if _is_c3d(sizes) else (5, 8)
    found = runs.get(floats) or runs.get(doubles) or []
    dtype = np.dtype("<f4" if runs.get(floats) or not found else "<f8")
    total = 0
    pieces = []
    for here, num_bytes, stride in found:
        step = dtype.itemsize if stride == 0 else stride
        if num_bytes % step or (stride and stride - 1 != dtype.itemsize):
            raise UnreadableError(f"{name} holds {num_bytes} bytes, no whole numbers")
        pieces.append((here, num_bytes // step, step, dtype))
        total += num_bytes // step
    if shape is None:
        shape = _old_shape(sizes, kind, index) if sizes else (total,)
    if math.prod(shape) != total:
        raise UnreadableError(f"{name} declares the shape {shape}, and holds {total}")
    return _Blob(shape, pieces or [(start, 0, dtype.itemsize, dtype)])


def _run_length(data, start, end, stride):
    """Bytes of a run of equal tags, `stride` bytes apart; without keeping its pages."""
    step = stride * _TAGS_AT_ONCE
    for here in range(start, end, step):
        tags = data[here : min(here + step, end) : stride]
        rest = tags.lstrip(data[start : start + 1])
        data.madvise(mmap.MADV_DONTNEED)
        if rest or here + step >= end:
            return here - start + stride * (len(tags) - len(rest))
    return 0


def _is_c3d(sizes):
    return 5 in sizes


def _shape(data, start, end):
    dims = []
    for field, wire, here, behind in _fields(data, start, end):
        if field == 1 and wire == _VARINT:
            dims.append(here)
        elif field == 1 and wire == _BYTES:
            while here < behind:
                value, here = varint.read(data, here, behind)
                dims.append(value)
    if len(dims) > 32:
        raise UnreadableError(f"a blob declares {len(dims)} dimensions")
    return tuple(dims)


def _old_shape(sizes, kind, index):
    """Four numbers (C3D: five), of which small blobs lead with ones."""
    shape = tuple(sizes.get(i, 1) for i in range(1, 6 if _is_c3d(sizes) else 5))
    if index == 0 and kind in _CONVOLUTIONS:
        return shape
    leading_ones = next((i for i, n in enumerate(shape) if n != 1), len(shape) - 1)
    if index == 0 and kind in _INNER_PRODUCTS:
        return shape[-2:] if leading_ones >= len(shape) - 2 else shape
    return shape[-1:] if leading_ones >= len(shape) - 1 else shape


def _fields(data, start, end):
    """Yields (number, wire type, start, end); of a varint, its value as start."""
    for _ in range(_MAX_FIELDS):
        if start >= end:
            return
        tag, start = varint.read(data, start, end)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, start = varint.read(data, start, end)
            yield number, wire, value, start
            continue
        if wire == _BYTES:
            length, start = varint.read(data, start, end)
        elif wire in _SIZES:
            length = _SIZES[wire]
        else:
            raise UnreadableError(
                f"damaged at byte {start}: no such wire type as {wire}"
            )
        if number == 0 or length > end - start:
            raise UnreadableError(
                f"damaged at byte {start}: a field of {length} bytes, where "
                f"{end - start} are left"
            )
        yield number, wire, start, start + length
        start += length
    raise UnreadableError(f"a message has more than {_MAX_FIELDS} fields")
