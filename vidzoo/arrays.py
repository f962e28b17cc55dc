"""Named arrays in `.npz` files, read without running anything that is in them."""

import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

# What reading a damaged file raises; RuntimeError, where a flipped bit says that an
# array is encrypted, or compressed in a way that nobody knows.
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
# Weights hardly compress. What unfolds to more than this was made to fill the memory.
_EXPANSION = 16
_EXPANSION_FLOOR = 64 * 2**20
_BLOCK = 2**20
_LENGTHS = struct.Struct("<HH")  # of a zip member's name, and of what is behind it
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


class UnreadableError(Exception):
    """The file is not of its format, or is damaged; the message says how."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of a `.npz`; pickled objects are refused.

    Raises:
        UnreadableError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(6) == np.lib.format.MAGIC_PREFIX:
                raise UnreadableError("a single array, not a .npz of named ones")
            with open_zip(file) as archive:
                return {
                    info.filename.removesuffix(".npy"): _npy(archive, info)
                    for info in archive.infolist()
                }
    except _DAMAGE as error:
        raise UnreadableError(str(error)) from error


def open_zip(file) -> zipfile.ZipFile:
    """Opens a zip whose members, as it declares them, fit in the file.

    Args:
        file: a binary file.

    Raises:
        UnreadableError: the members unfold to far more than the file's size, overlap,
            or share a name.
    """
    archive = zipfile.ZipFile(file)
    members = archive.infolist()
    size = file.seek(0, 2)
    check_declared((info.file_size for info in members), size)
    if sum(info.compress_size for info in members) > size:
        raise UnreadableError(f"its members overlap, or pass its end at {size} bytes")
    if len({info.filename for info in members}) < len(members):
        raise UnreadableError("two of its members share a name")
    return archive


def member_start(file, info: zipfile.ZipInfo) -> int:
    """Where the bytes of a zip's member begin that is not compressed.

    Args:
        file: the zip, open.
        info: the member.
    """
    file.seek(info.header_offset + 26)
    lengths = _LENGTHS.unpack(file.read(_LENGTHS.size))
    return file.tell() + sum(lengths)


def check_declared(sizes: Iterable[int], file_size: int) -> None:
    """Refuses what declares far more bytes than its file can hold.

    Args:
        sizes: bytes, one number per array or member.
        file_size: of the whole file, bytes.

    Raises:
        UnreadableError: before anything of that size is allocated.
    """
    declared = sum(sizes)
    if declared > max(_EXPANSION * file_size, _EXPANSION_FLOOR):
        raise UnreadableError(
            f"it declares {declared} bytes of arrays, in a file of {file_size}"
        )


def blocks(stream, count: int, dtype) -> Iterator[np.ndarray]:
    """The next `count` numbers of a binary stream, a megabyte at a time.

    Raises:
        UnreadableError: the stream ends before.
    """
    dtype = np.dtype(dtype)
    step = max(1, _BLOCK // max(1, dtype.itemsize))
    for start in range(0, count, step):
        wanted = min(step, count - start) * dtype.itemsize
        data = stream.read(wanted)
        if len(data) < wanted:
            missing = (count - start) * dtype.itemsize - len(data)
            raise UnreadableError(f"it ends {missing} bytes early")
        yield np.frombuffer(data, dtype) if data else np.empty(wanted, dtype)


def joined(parts: Iterable[np.ndarray], count: int, dtype) -> np.ndarray:
    """`count` numbers that come in parts, in one array of another precision or not."""
    array = np.empty(count, dtype)
    fill(array, parts)
    return array


def fill(array: np.ndarray, parts: Iterable[np.ndarray]) -> None:
    """Sets a one-dimensional array from the parts that it consists of."""
    done = 0
    for part in parts:
        array[done : done + len(part)] = part
        done += len(part)


def npy_header(member, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Reads what a `.npy` in a zip declares: shape, whether in Fortran's order, kind.

    Args:
        member: it, open; its numbers are what is left to read.
        info: what the zip says of it.

    Raises:
        UnreadableError: it holds objects, or another number of bytes than it declares.
    """
    version = np.lib.format.read_magic(member)
    if version not in _HEADERS:
        raise UnreadableError(f"{info.filename} has the unknown version {version}")
    with warnings.catch_warnings():  # a damaged header may look like an old one
        warnings.simplefilter("ignore")
        shape, fortran_order, dtype = _HEADERS[version](member)
    if dtype.hasobject:
        raise UnreadableError(f"{info.filename} holds pickled objects, not numbers")
    declared, found = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
    if min(shape, default=0) < 0 or declared != found:
        raise UnreadableError(
            f"{info.filename} declares {declared} bytes, and holds {found}"
        )
    return shape, fortran_order, dtype


def _npy(archive, info):
    with archive.open(info) as member:
        shape, fortran_order, dtype = npy_header(member, info)
        count = math.prod(shape)
        array = joined(blocks(member, count, dtype), count, dtype)
        member.read(1)  # at its end, its checksum is compared
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
