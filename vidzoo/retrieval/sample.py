"""A uniform sample of a stream of rows, in a fixed amount of memory."""

import heapq

import numpy as np


class Sample:
    """Keeps `size` rows of all that are added, each equally likely; seeded.

    Every row draws a number, and those of the least numbers stay: the same rows
    whatever the batches that they come in.

    Args:
        size: rows to keep.
        seed: of the draws.
    """

    def __init__(self, size: int, seed: int = 0):
        if size < 1:
            raise ValueError(f"`size` must be >= 1. Received: {size}.")
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._rows = None
        self._largest = []  # a heap of (-number, place) of the rows kept
        self.num_seen = 0

    def add(self, rows: np.ndarray) -> None:
        """Adds `(n, D)` rows, of the same D at every call."""
        if self._rows is None:
            self._rows = np.empty((self._size, rows.shape[1]), np.float32)
        numbers = self._rng.random(len(rows))
        start = min(self._size - len(self._largest), len(rows))
        for i in range(start):
            self._rows[len(self._largest)] = rows[i]
            heapq.heappush(self._largest, (-numbers[i], len(self._largest)))
        self.num_seen += len(rows)
        if start == len(rows):
            return
        low = np.flatnonzero(numbers[start:] < -self._largest[0][0]) + start
        for i in low:
            if numbers[i] < -self._largest[0][0]:
                place = self._largest[0][1]
                heapq.heapreplace(self._largest, (-numbers[i], place))
                self._rows[place] = rows[i]

    def rows(self) -> np.ndarray:
        """Float32, `size` rows, or all if there were fewer.

        Raises:
            ValueError: nothing was added.
        """
        if not self._largest:
            raise ValueError("No row was added: there is nothing to learn from.")
        return self._rows[: len(self._largest)]
