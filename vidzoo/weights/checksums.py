"""Whether a preset's file on disk is the one that its origin publishes.

What was found right is remembered beside the file, by its size and times, so that it is
read once and again when it has changed. Where the origin states no digest, the SHA-256
of the first download takes its place: `<file>.sha256`, as `sha256sum -c` reads it.
"""

import hashlib
import json
import logging
import re
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from vidzoo.atomic import write_text
from vidzoo.errors import WeightsError
from vidzoo.weights.preset import RemoteFile
from vidzoo.weights.transfer import is_page

# Seconds for which a file must have lain untouched: within one tick of the file
# system's clock a change would show in neither size nor times.
SETTLED = 2.0

_log = logging.getLogger("vidzoo")


def check(remote: RemoteFile, path: Path) -> None:
    """Checks a file in the cache, whether it was fetched or put there by the user.

    Raises:
        WeightsError: it is another file, or was altered.
        OSError: it cannot be read.
    """
    state = _state(path)
    digest = _expected(remote, path)
    if digest and _recall(path) == {**state, "digest": digest}:
        return
    if problem := find_problem(remote, path, digest):
        record = "" if remote.digest else f" (and {_record(path).name})"
        raise WeightsError(
            f"{path}: is not what {remote.url} was: {problem}. Remove it{record}, and "
            "it is fetched anew."
        )
    if not digest:
        digest = f"sha256:{_digest(path, 'sha256')}"
        _log.warning(
            "warning: %s: its origin states no digest to compare with; found %s",
            path,
            digest,
        )
        with suppress(OSError):  # a cache that others share may be read-only
            write_text(_record(path), f"{digest.partition(':')[2]}  {path.name}\n")
    if time.time() - state["ctime_ns"] / 1e9 >= SETTLED:
        with suppress(OSError):
            write_text(_memo(path), json.dumps({**state, "digest": digest}) + "\n")


def find_problem(remote: RemoteFile, path: Path, digest: str | None) -> str | None:
    """What is wrong with a file, as a clause; None if nothing is.

    Args:
        remote: what the file should be.
        path: the file, under any name.
        digest: what to compare with, like `remote.digest`.
    """
    with path.open("rb") as file:
        if is_page(file.read(512)):
            return "it is a web page, a server's message or a login perhaps"
    size = path.stat().st_size
    if size == 0:
        return "it is empty"
    if remote.size is not None and size != remote.size:
        return f"it has {size} bytes, {remote.size} were expected"
    if digest:
        algorithm, _, digits = digest.partition(":")
        found = _digest(path, algorithm)
        if not found.startswith(digits):
            return f"its {algorithm} is {found}, {digits} was expected"
    return None


def _expected(remote, path):
    """The origin's digest, or what was recorded in its place, or None."""
    if remote.digest or not _record(path).is_file():
        return remote.digest
    words = _record(path).read_bytes().decode("ascii", "replace").lower().split()
    if not words or not re.fullmatch("[0-9a-f]{64}", words[0]):
        raise WeightsError(
            f"{_record(path)}: damaged; it should hold the file's SHA-256. Remove it "
            f"and {path.name}, which is then fetched anew."
        )
    return f"sha256:{words[0]}"


def _digest(path, algorithm):
    with path.open("rb") as file:
        # Where the origin states MD5 alone, a system without it for security has it.
        new = partial(hashlib.new, algorithm, usedforsecurity=False)
        return hashlib.file_digest(file, new).hexdigest()


def _record(path):
    return path.with_name(f"{path.name}.sha256")


def _memo(path):
    return path.with_name(f".{path.name}.verified")


def _recall(path):
    try:
        return json.loads(_memo(path).read_bytes())
    except (OSError, ValueError):
        return None


def _state(path):
    """What changes with a file's content: size and times; the second cannot be set."""
    found = path.stat()
    return {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
    }
