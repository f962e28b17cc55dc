"""Files that are whole or not there: temporary name, fsync, rename."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

_NO_LINKS = (errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.EMLINK)


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


def create(written: Path, path: Path) -> None:
    """As `move`, but never onto a file that is there.

    Where the file system has no hard links, whether one is there is asked just before.

    Raises:
        FileExistsError: another process was first; `written` stays as it is.
    """
    with written.open("rb") as file:
        os.fsync(file.fileno())
    try:
        os.link(written, path)
        written.unlink()
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if path.exists():
            raise FileExistsError(errno.EEXIST, "is there already", path) from error
        os.replace(written, path)
    _sync_folder(path.parent)


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
    _sync_folder(path.parent)


def _sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
