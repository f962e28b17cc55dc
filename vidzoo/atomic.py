"""Files that are whole or not there: temporary name, fsync, rename."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator:
    """Opens a binary file that becomes `path` once it is written to the end.

    The folder must exist. After an error `path` is as it was before.
    """
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file, atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
