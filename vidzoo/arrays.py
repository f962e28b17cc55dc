"""Named arrays in `.npz` files, read without running anything that is in them."""

import zipfile
import zlib
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


class UnreadableError(Exception):
    """The file is no `.npz`, or is damaged; the message says how."""


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays of a `.npz`; pickled objects are refused.

    Raises:
        UnreadableError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = np.load(file, allow_pickle=False)
            if not isinstance(data, np.lib.npyio.NpzFile):
                raise UnreadableError("a single array, not a .npz of named ones")
            with data:
                return {name: data[name] for name in data.files}
    except _DAMAGE as error:
        raise UnreadableError(str(error)) from error
