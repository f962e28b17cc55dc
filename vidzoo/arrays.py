"""Named arrays in `.npz` files, read without running anything that is in them."""

import math
import warnings
import zipfile
import zlib
from collections.abc import Iterable
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


def fill(stream, count: int, dtype) -> np.ndarray:
    """Reads `count` numbers from a binary stream, a block at a time.

    Raises:
        UnreadableError: the stream ends before.
    """
    array = np.empty(count, dtype)
    room = memoryview(array.view(np.uint8)) if array.nbytes else memoryview(b"")
    done = 0
    while done < len(room):
        block = stream.read(min(_BLOCK, len(room) - done))
        if not block:
            raise UnreadableError(f"it ends {len(room) - done} bytes early")
        room[done : done + len(block)] = block
        done += len(block)
    return array


def _npy(archive, info):
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in _HEADERS:
            raise UnreadableError(f"{info.filename} has the unknown version {version}")
        with warnings.catch_warnings():  # a damaged header may look like an old one
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = _HEADERS[version](member)
        if dtype.hasobject:
            raise UnreadableError(f"{info.filename} holds pickled objects, not numbers")
        count = math.prod(shape)
        declared, found = count * dtype.itemsize, info.file_size - member.tell()
        if min(shape, default=0) < 0 or declared != found:
            raise UnreadableError(
                f"{info.filename} declares {declared} bytes, and holds {found}"
            )
        array = fill(member, count, dtype)
        member.read(1)  # at its end, its checksum is compared
    return array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
