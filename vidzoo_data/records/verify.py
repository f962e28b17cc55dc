"""Whether shards hold what `prepare` wrote, to the byte; each is read once for that.

What was found right is kept in a cache file outside the folder, by the shard's path,
size and times, so that a large folder is not read again until it changes.
"""

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from vidzoo.errors import RecordError
from vidzoo_data import atomic

_CHUNK = 1 << 20  # bytes read at once


def verify_shards(
    folder: Path,
    sha256: Mapping[str, str],
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Checks the SHA-256 of every shard.

    Args:
        folder: the records folder.
        sha256: file name to the digest that `dataset.json` has.
        on_progress: called with the bytes done and all bytes, by one thread at a time;
            shards that were verified before are done at once.

    Raises:
        RecordError: a shard has another digest, or cannot be read.
    """
    shards = {name: (folder / name).resolve() for name in sha256}
    sizes = {name: _state(path)["size"] for name, path in shards.items()}
    cache = _Cache(folder)
    todo = [n for n, path in shards.items() if not cache.knows(path, sha256[n])]
    total = sum(sizes.values())
    count = _Count(on_progress, total - sum(sizes[name] for name in todo), total)
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        jobs = {name: pool.submit(_digest, shards[name], count) for name in todo}
        for name, job in jobs.items():
            digest, state = job.result()
            if digest != sha256[name]:
                raise RecordError(
                    f"{folder / name}: damaged: its SHA-256 is {digest[:12]}…, "
                    f"dataset.json says {sha256[name][:12]}…. Copy the shard anew, or "
                    "remove the folder and run `vidzoo prepare` again."
                )
            cache.add(shards[name], digest, state)
    finally:
        count.stopped.set()
        pool.shutdown(cancel_futures=True)
        cache.save()


class _Count:
    """Adds up the bytes that threads have read, and tells the caller."""

    def __init__(self, on_progress, done, total):
        self.stopped = threading.Event()  # so that Ctrl-C need not wait for a shard
        self._on_progress = on_progress or (lambda done, total: None)
        self._done, self._total = done, total
        self._lock = threading.Lock()
        self._on_progress(done, total)

    def add(self, num_bytes):
        with self._lock:
            self._done += num_bytes
            self._on_progress(self._done, self._total)


def _digest(path, count):
    """SHA-256 of a file, and its state when the reading began."""
    digest, buffer = hashlib.sha256(), memoryview(bytearray(_CHUNK))
    try:
        with open(path, "rb", buffering=0) as file:
            state = _state(file.fileno())
            while num_bytes := file.readinto(buffer):
                digest.update(buffer[:num_bytes])  # other threads go on meanwhile
                count.add(num_bytes)
                if count.stopped.is_set():
                    break
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error.strerror}.") from error
    return digest.hexdigest(), state


def _state(file):
    """What changes with a file's content: size and times; the second cannot be set."""
    try:
        found = os.stat(file)
    except OSError as error:
        raise RecordError(f"{file}: cannot be read: {error.strerror}.") from error
    return {
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,
    }


class _Cache:
    """What was found right in one folder. No cache is no error: it saves time only."""

    def __init__(self, folder):
        self._file = _cache_file(folder)
        self._shards = _read(self._file) if self._file else {}
        self._changed = False

    def knows(self, shard, sha256):
        """Whether the file was found to have this digest, and is as it was then."""
        return self._shards.get(str(shard)) == {**_state(shard), "sha256": sha256}

    def add(self, shard, sha256, state):
        self._shards[str(shard)] = {**state, "sha256": sha256}
        self._changed = True

    def save(self):
        if not self._changed or not self._file:
            return
        text = json.dumps(self._shards, indent=1)
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            atomic.write_text(self._file, text + "\n")


def _cache_file(folder):
    """Where the cache of a records folder is; None for a user without a home."""
    caches, xdg = os.environ.get("VIDZOO_CACHE"), os.environ.get("XDG_CACHE_HOME", "")
    try:
        if not caches:
            xdg = Path(xdg) if os.path.isabs(xdg) else Path.home() / ".cache"
            caches = xdg / "vidzoo"
    except RuntimeError:
        return None
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()
    return Path(caches) / "records-verified" / f"{name}.json"


def _read(file):
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
