"""Files that are whole or not there: temporary name, fsync, rename."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

TEMPORARY_FILES = ".*.tmp"
"""Glob of the temporary names, by which a killed run's leftovers are found."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator:
    """Opens a binary file that becomes `path` once it is written to the end.

    The folder must exist. After an error `path` is as it was before.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a UTF-8 text file, atomically."""
    with replacing(path) as file:
        file.write(text.encode())


def remove_leftovers(folder: Path) -> None:
    """Removes the temporary files that a killed process left in `folder`."""
    for leftover in folder.glob(TEMPORARY_FILES):
        leftover.unlink()


def _fsync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
