"""Arrays that stay in their file until they are read, a block at a time.

So memory holds what a model wants of a file, one array at a time and in the model's
precision, whatever else the file has. A file is opened when something of it is read,
and closed behind it; inside `with opened(arrays)` it stays open.
"""

import contextlib
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, fill, joined
from vidzoo.errors import WeightsError


@dataclass(frozen=True)
class Stored:
    """An array in a file that is open.

    Attributes:
        shape: of the array.
        dtype: in which `blocks` gives it.
        blocks: gives its numbers, in parts of one dimension.
        arrange: from all these numbers to the array; None if they are in its order.
        num_stored: how many they are; None if as many as the array has.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Callable[[], Iterator[np.ndarray]]
    arrange: Callable[[np.ndarray], np.ndarray] | None = None
    num_stored: int | None = None


class Listing(dict):
    """What is in an open file, by name; `layers` names a Caffe network's, in order."""

    layers: tuple[str, ...] = ()


class Source:
    """A weights file, open inside `with`, which then gives its `Listing`.

    Nested, it is opened once; of several threads, one has it at a time.

    Args:
        path: for messages.
        files: all that belong to it. If one of them changes, what was found out about
            the arrays is void, and they are not read any more.
        reader: has `opened(path)`, a context of the listing.
        kind: of file, for messages.
    """

    def __init__(self, path: Path, files: Iterable[Path], reader, kind: str):
        self.path = path
        self._reader = reader
        self._kind = kind
        self._states = {file: _state(file) for file in files}
        self._lock = threading.RLock()
        self._depth = 0
        self._exit = contextlib.ExitStack()
        self._listing = Listing()

    def __enter__(self) -> Listing:
        self._lock.acquire()
        try:
            if not self._depth:
                self._check_unchanged()
                with self.explained():
                    context = self._reader.opened(self.path)
                    self._listing = self._exit.enter_context(context)
            self._depth += 1
        except BaseException:
            self._lock.release()
            raise
        return self._listing

    def __exit__(self, kind, error, trace):
        try:
            self._depth -= 1
            if not self._depth:
                self._listing = Listing()
                with self.explained():
                    self._exit.close()
            if error is None:
                self._check_unchanged()
        finally:
            self._lock.release()

    def arrays(self) -> Listing:
        """Its arrays, by name, to be read later."""
        with self as listing:
            found = Listing(
                (name, LazyArray(stored, self._reread(name, stored), self))
                for name, stored in listing.items()
            )
            found.layers = listing.layers
            return found

    @contextlib.contextmanager
    def explained(self):
        """Turns what a damaged file makes libraries raise, nearly anything, to one."""
        try:
            yield
        except WeightsError:
            raise
        except Exception as error:
            raise unreadable(self.path, self._kind, error) from error

    def _reread(self, name, stored):
        expected = stored.shape, stored.dtype, stored.num_stored

        def blocks():
            with self as listing, self.explained():
                now = listing.get(name)
                if now is None or (now.shape, now.dtype, now.num_stored) != expected:
                    raise _changed(self.path)
                yield from now.blocks()

        return blocks

    def _check_unchanged(self):
        for file, state in self._states.items():
            if state is None or _state(file) != state:
                raise _changed(file)


class LazyArray:
    """An array in a file: its shape and kind are known, its numbers are not read yet.

    `np.asarray` reads it. Its axes may be moved, merged, split and cut before, which
    gives other lazy arrays.

    Args:
        stored: what is known of it.
        blocks: gives its numbers, in the order in which they are stored.
        source: the file, if that is a weights file.
    """

    def __init__(self, stored: Stored, blocks: Callable, source: Source | None = None):
        self.shape = tuple(stored.shape)
        self.dtype = np.dtype(stored.dtype)
        self.source = source
        self._stored = stored
        self._blocks = blocks

    ndim = property(lambda self: len(self.shape))
    size = property(lambda self: math.prod(self.shape))
    nbytes = property(lambda self: self.size * self.dtype.itemsize)
    T = property(lambda self: self.transpose())

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        return f"LazyArray({self.shape}, {self.dtype})"

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("a lazy array is read, which makes a copy")
        return self.read(dtype)

    def __getitem__(self, key):
        return self._arranged(lambda array: array[key])

    def reshape(self, *shape) -> "LazyArray":
        """As `numpy.ndarray.reshape`."""
        return self._arranged(lambda array: array.reshape(*shape))

    def transpose(self, *axes) -> "LazyArray":
        """As `numpy.ndarray.transpose`."""
        return self._arranged(lambda array: array.transpose(*axes))

    def read(self, dtype=None) -> np.ndarray:
        """Reads it, in its own precision or another.

        Raises:
            WeightsError: the file has changed, is gone, or is damaged.
        """
        count, arrange = self._stored.num_stored, self._stored.arrange
        count = self.size if count is None else count
        numbers = joined(self._blocks(), count, dtype or self.dtype)
        return arrange(numbers) if arrange else numbers.reshape(self.shape)

    def read_into(self, array: np.ndarray) -> None:
        """Reads it into another array of its shape, in C's order, in that precision."""
        if self._stored.arrange:
            array[...] = self.read(array.dtype)
        else:
            fill(array.reshape(-1), self._blocks())

    def count(self, test: Callable[[np.ndarray], np.ndarray]) -> int:
        """How many of its numbers pass a test, which takes and gives arrays."""
        found = sum(np.count_nonzero(test(block)) for block in self._blocks())
        if not found or not self._stored.arrange:
            return int(found)
        # Of what is stored, not all is in every array: a storage may be cut.
        return sum(np.count_nonzero(test(row)) for row in np.atleast_1d(self.read()))

    def _arranged(self, change):
        """The same numbers in another order; `change` makes views where it can."""
        own = self._stored.arrange or (lambda numbers: numbers.reshape(self.shape))
        shape = change(np.broadcast_to(np.empty((), self.dtype), self.shape)).shape
        count = self._stored.num_stored
        stored = Stored(
            shape,
            self.dtype,
            self._blocks,
            lambda numbers: change(own(numbers)),
            self.size if count is None else count,
        )
        return LazyArray(stored, self._blocks, self.source)


def computed(array, shape: tuple[int, ...], compute: Callable):
    """What a function makes of an array, when it is read.

    Args:
        array: lazy, or NumPy's, of which it is made at once.
        shape: of what the function makes, in the array's own precision.
        compute: the function.
    """
    if not isinstance(array, LazyArray):
        return compute(array)

    def blocks():
        yield compute(array.read()).reshape(-1)

    return LazyArray(Stored(shape, array.dtype, blocks), blocks, array.source)


@contextlib.contextmanager
def opened(arrays: Iterable) -> Iterator[None]:
    """Keeps the files open that lazy arrays are in; other arrays are as they are."""
    found = {a.source for a in arrays if isinstance(a, LazyArray)} - {None}
    with contextlib.ExitStack() as stack:
        for source in sorted(found, key=id):  # in one order: no thread waits for ever
            stack.enter_context(source)
        yield


def unreadable(path: Path, kind: str, error: Exception) -> WeightsError:
    """The error to raise for one that was met in reading."""
    reason = str(error) if isinstance(error, UnreadableError) else repr(error)
    return WeightsError(
        f"{path}: not a readable {kind} file ({reason}). Give a file of named "
        "arrays, as numpy.savez, Keras, PyTorch, safetensors, Caffe or TensorFlow "
        "writes it."
    )


def _changed(file):
    what = "has changed" if file.exists() else "is gone"
    return WeightsError(
        f"{file}: {what} since it was opened, before all of it was read. Leave it in "
        "its place, unchanged, until its weights are in a model, and load it anew."
    )


def _state(file):
    """What differs if the file is another one; None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
