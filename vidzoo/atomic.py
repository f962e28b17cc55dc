"""Files that are whole or not there: temporary name, fsync, rename."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator:
    """Opens a binary file that becomes `path` once it is written to the end.

    The folder must exist. After an error `path` is as it was before.

    Raises:
        OSError: the disk is full or cannot be written; it names the file.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _rename(temporary, path)
    except OSError as error:
        error.filename = error.filename or str(path)  # a full disk names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


def move(written: Path, path: Path) -> None:
    """Gives a file that was written to the end, in the same folder, its final name."""
    with written.open("rb") as file:
        os.fsync(file.fileno())
    _rename(written, path)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file, atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def remove_leftovers(path: Path) -> None:
    """Removes what killed processes left of `path`, or of the names it matches."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        leftover.unlink()


def _rename(temporary, path):
    os.replace(temporary, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
