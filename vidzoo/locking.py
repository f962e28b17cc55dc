"""A folder, or a file, that one process at a time works on."""

import contextlib
import errno
import fcntl
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from vidzoo.errors import VidzooError

LOCK = ".lock"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
_log = logging.getLogger("vidzoo")


@contextlib.contextmanager
def locked(folder: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Holds a folder's lock, `.lock` in it, which ends with the process at the latest.

    On file systems without locks nothing is held, said aloud.

    Args:
        folder: it must exist.
        on_wait: called if another process holds the lock, which is then waited for.

    Raises:
        VidzooError: another process holds it, and there is no `on_wait`.
    """
    refusal = (
        f"{folder}: another process is at work there. Wait until it is done, or choose "
        "another folder."
    )
    with _held(folder / LOCK, folder, refusal, on_wait):
        yield


@contextlib.contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Holds a file's lock, `.<name>.lock` beside it, as `locked` holds a folder's.

    Args:
        path: the file, there or not; its folder must exist.

    Raises:
        VidzooError: another process holds it.
    """
    refusal = (
        f"{path}: another process is at work on it. Wait until it is done, or choose "
        "another name."
    )
    with _held(path.with_name(f".{path.name}{LOCK}"), path, refusal, None):
        yield


@contextlib.contextmanager
def _held(lock, what, refusal, on_wait):
    with lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if on_wait is None:
                raise VidzooError(refusal) from None
            on_wait()
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            _log.warning(
                "warning: %s: its file system has no locks (%s); let no other process "
                "work there.",
                what,
                error.strerror,
            )
        yield
