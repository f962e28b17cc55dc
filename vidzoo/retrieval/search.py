"""Exact search: the nearest vectors of a database by Euclidean distance.

Source: dissertation, section 2.3.4. Query expansion: Chum et al. 2007.
"""

from collections.abc import Sequence

import numpy as np

from vidzoo.retrieval import parallel
from vidzoo.retrieval.normalization import l2

_ROWS = 2048  # of the database at once, in a core's cache with their products
_QUERIES = 256  # at once
_VALUES = 2**22  # of vectors that are compared exactly at once
# By how much, of a product's size, rounding may mistake it in float32.
_MARGIN = 1e-5


def nearest(database, queries, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The `top` nearest vectors to each query, nearest first.

    By matrix products over a few rows at a time, in memory that does not grow with the
    database, which may be a memory-mapped array. What may be among the nearest is then
    compared by its exact distance; of equal ones the first in the database comes first.

    Args:
        database: `(N, D)`.
        queries: `(Q, D)`.
        top: how many; all are given where there are fewer.

    Returns:
        Places in the database, int64 `(Q, top)`, and distances, float32 `(Q, top)`.

    Raises:
        ValueError: a shape does not fit, `top` is below 1, the database is empty, or
            something holds NaN.
    """
    queries = np.asarray(queries, np.float32)
    _check(database, queries, top)
    top = min(top, len(database))
    found = [
        _nearest(database, queries[i : i + _QUERIES], top)
        for i in range(0, len(queries), _QUERIES)
    ]
    if not found:
        return np.empty((0, top), np.int64), np.empty((0, top), np.float32)
    places, distances = zip(*found, strict=True)
    return np.concatenate(places), np.concatenate(distances)


def expand_queries(database, queries, top: int = 5) -> np.ndarray:
    """Average query expansion: each query's mean with its `top` nearest, unit length.

    What is searched for again with them finds also what is near to the query's
    neighbours. A query that is in the database is its own first neighbour.

    Args:
        database: `(N, D)`.
        queries: `(Q, D)`.
        top: neighbours in the mean.

    Returns:
        float32 `(Q, D)`.
    """
    queries = np.asarray(queries, np.float32)
    places, _ = nearest(database, queries, top)
    neighbours = np.asarray(database[places.ravel()], np.float32)
    neighbours = neighbours.reshape(*places.shape, -1)
    total = queries + neighbours.sum(axis=1)
    return l2(total / (1 + places.shape[1]))


def concatenate(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Encodings of several scales, or layers, as one vector of unit length.

    Args:
        parts: `(N, D)` each, of unit length and so of equal weight.

    Returns:
        `(N, sum of D)`.
    """
    return l2(np.concatenate([np.asarray(part) for part in parts], axis=1))


def _check(database, queries, top):
    if top < 1:
        raise ValueError(f"`top` must be >= 1. Received: {top}.")
    shapes = tuple(database.shape), queries.shape
    if len(shapes[0]) != 2 or len(shapes[1]) != 2 or shapes[0][1] != shapes[1][1]:
        raise ValueError(
            "`database` and `queries` must be (N, D) and (Q, D), of one D. "
            f"Received shapes: {shapes[0]} and {shapes[1]}."
        )
    if not np.isfinite(queries).all():
        raise ValueError("`queries` hold NaN or infinity.")
    if not len(database):
        raise ValueError("`database` is empty: there is nothing to find.")


def _nearest(database, queries, top):
    """Every core searches one span of the database; then the spans' best meet."""
    step = -(-len(database) // parallel.num_workers())
    step = max(step, _ROWS)
    spans = [(i, min(i + step, len(database))) for i in range(0, len(database), step)]
    found = parallel.run(
        lambda span: _search_span(database, queries, top, *span), spans
    )
    best = _Best(queries, top)
    for part in found:
        best.merge(*part)
    return best.places, best.distances


def _search_span(database, queries, top, start, stop):
    """The candidates of one span: `(query, place, distance)` arrays."""
    best = _Best(queries, top)
    products = np.empty((len(queries), _ROWS), np.float32)
    for i in range(start, stop, _ROWS):
        rows = np.asarray(database[i : min(i + _ROWS, stop)], np.float32)
        best.look_at(rows, i, products[:, : len(rows)])
    return best.as_candidates()


class _Best:
    """The nearest so far to each of some queries."""

    def __init__(self, queries, top):
        self._queries, self._top = queries, top
        self._squares = np.einsum("qd,qd->q", queries, queries)
        self.places = np.full((len(queries), top), -1, np.int64)
        self.distances = np.full((len(queries), top), np.inf, np.float32)

    def look_at(self, rows, start, products):
        """Takes rows of the database into account, the first of which is `start`.

        |x - q|^2 / 2 = |q|^2 / 2 - (q.x - |x|^2 / 2): the larger what is in the last
        brackets, the nearer.
        """
        squares = np.einsum("nd,nd->n", rows, rows)
        if not np.isfinite(squares).all():
            place = start + int(np.flatnonzero(~np.isfinite(squares))[0])
            raise ValueError(f"`database` holds NaN or infinity, in row {place}.")
        np.matmul(self._queries, rows.T, out=products)
        products -= squares / 2
        bound = (self._squares - self.distances[:, -1] ** 2) / 2
        if len(rows) > self._top:  # no more than `top` of these can be of use
            bound = self._tighter(products, bound)
        largest = self._squares.max(initial=0) + squares.max(initial=0)
        query, row = np.nonzero(products >= (bound - _MARGIN * largest)[:, None])
        if len(query):
            self.merge(query, row + start, self._distances(query, rows, row))

    def _distances(self, query, rows, row):
        """Of some pairs, exactly; a few pairs at a time, as any number may be equal."""
        found = np.empty(len(query), np.float32)
        step = max(1, _VALUES // rows.shape[1])
        for i in range(0, len(query), step):
            part = slice(i, i + step)
            gaps = rows[row[part]].astype(np.float64) - self._queries[query[part]]
            found[part] = np.sqrt(np.einsum("cd,cd->c", gaps, gaps))
        return found

    def _tighter(self, products, bound):
        open_queries = np.flatnonzero(np.isneginf(bound))
        if len(open_queries):
            last = products.shape[1] - self._top
            part = np.partition(products[open_queries], last, axis=1)
            bound[open_queries] = part[:, last]
        return bound

    def merge(self, query, place, distance):
        """Keeps the nearest of those so far and these candidates."""
        query = np.concatenate([self._of_query(), query])
        place = np.concatenate([self.places.ravel(), place])
        distance = np.concatenate([self.distances.ravel(), distance])
        order = np.lexsort((place, distance, query))
        counts = np.bincount(query, minlength=len(self.places))
        starts = np.cumsum(counts) - counts
        kept = order[starts[:, None] + np.arange(self._top)]
        self.places, self.distances = place[kept], distance[kept]

    def as_candidates(self):
        found = self.places.ravel() >= 0
        return (
            self._of_query()[found],
            self.places.ravel()[found],
            self.distances.ravel()[found],
        )

    def _of_query(self):
        return np.repeat(np.arange(len(self.places)), self._top)
