"""NumPy's `.npz`: arrays under the names that `numpy.savez` was given."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from vidzoo import arrays
from vidzoo.weights.lazy import Listing, Stored


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a file and lists its arrays; pickled objects are refused.

    Raises:
        UnreadableError: the file is damaged.
    """
    with path.open("rb") as file:
        if file.read(6) == np.lib.format.MAGIC_PREFIX:
            raise arrays.UnreadableError("a single array, not a .npz of named ones")
        with arrays.open_zip(file) as archive:
            yield Listing(
                (info.filename.removesuffix(".npy"), _stored(archive, info))
                for info in archive.infolist()
            )


def _stored(archive, info):
    with archive.open(info) as member:
        shape, fortran_order, dtype = arrays.npy_header(member, info)
        start = member.tell()

    def blocks():
        with archive.open(info) as member:
            member.read(start)
            yield from arrays.blocks(member, math.prod(shape), dtype)
            member.read(1)  # at its end, its checksum is compared

    def arrange(numbers):
        return numbers.reshape(shape[::-1]).T

    return Stored(shape, dtype, blocks, arrange if fortran_order else None)
