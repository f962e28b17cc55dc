"""Exact search: the nearest vectors of a database by Euclidean distance.

Source: dissertation, section 2.3.4. Query expansion: Chum et al. 2007.
"""

from collections.abc import Sequence

import numpy as np

from vidzoo.retrieval import parallel
from vidzoo.retrieval.normalization import l2

# Rows of the database at once: their products stay in a core's cache, and so many
# that threads seldom wait for each other.
_ROWS = 4096
_QUERIES = 256  # at once
_VALUES = 2**22  # numbers in vectors that are compared exactly at once
# By how much, of a product's size, rounding may mistake it in float32.
_MARGIN = 1e-5


def nearest(database, queries, top: int) -> tuple[np.ndarray, np.ndarray]:
    """The `top` nearest vectors to each query, nearest first.

    By matrix products over a few rows at a time, in memory that beside the result does
    not grow with the database, which may be a memory-mapped array. What may be among
    the nearest is then compared by its distance as float64 differences give it; of
    equal ones the first in the database comes first. Where half of the database or
    more is wanted, the products are in float64, and only those pairs are compared whose
    distance these leave open: about one in thousands, and all that are nearly equal.

    Either way distances are those of the differences, rounded to float32, and between
    equal vectors exactly 0.

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
    find = _ranked if 2 * top >= len(database) else _nearest
    places = np.empty((len(queries), top), np.int64)
    distances = np.empty((len(queries), top), np.float32)
    for i in range(0, len(queries), _QUERIES):
        part = slice(i, i + _QUERIES)
        places[part], distances[part] = find(database, queries[part], top)
    return places, distances


def expand_queries(
    database, queries, top: int = 5, *, own_places: Sequence[int | None] | None = None
) -> np.ndarray:
    """Average query expansion: each query's mean with its `top` nearest, unit length.

    What is searched for again with them finds also what is near to the query's
    neighbours.

    Args:
        database: `(N, D)`.
        queries: `(Q, D)`.
        top: neighbours in the mean.
        own_places: where in the database each query itself is, which is none of its
            neighbours; None of one that is not in it. By default none is: one that is
            in it nevertheless counts twice, as its own first neighbour.

    Returns:
        float32 `(Q, D)`.
    """
    queries = np.asarray(queries, np.float32)
    if own_places is None:
        own_places = [None] * len(queries)
    with_own = any(place is not None for place in own_places)
    places, _ = nearest(database, queries, top + with_own)
    totals = queries.copy()
    for total, near, own in zip(totals, places, own_places, strict=True):
        others = near[near != (-1 if own is None else own)][:top]
        total += np.asarray(database[others], np.float32).sum(axis=0)
    return l2(totals)


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


def _check_finite(squares, start):
    """Of rows of the database, the first of which is `start`."""
    if not np.isfinite(squares).all():
        place = start + int(np.flatnonzero(~np.isfinite(squares))[0])
        raise ValueError(f"`database` holds NaN or infinity, in row {place}.")


def _nearest(database, queries, top):
    """Every core takes the next rows until there are none; then their best meet."""
    starts = iter(range(0, len(database), _ROWS))  # shared: `next` is atomic

    def search(best):
        products = np.empty((_ROWS, len(queries)), np.float32)
        for start in starts:
            rows = np.asarray(database[start : start + _ROWS], np.float32)
            best.look_at(rows, start, products[: len(rows)])
        return best.as_candidates()

    num_parts = min(parallel.num_workers(), -(-len(database) // _ROWS))
    best = _Best(queries, top)
    for part in parallel.run(search, [_Best(queries, top) for _ in range(num_parts)]):
        best.add(*part)
    best.merge()
    return best.places, best.distances


class _Best:
    """The nearest so far to each of some queries."""

    def __init__(self, queries, top):
        self._queries, self._top = queries, top
        self._squares = np.einsum("qd,qd->q", queries, queries)
        self.places = np.full((len(queries), top), -1, np.int64)
        self.distances = np.full((len(queries), top), np.inf, np.float32)
        self._waiting, self._num_waiting = [], 0

    def look_at(self, rows, start, products):
        """Takes rows of the database into account, the first of which is `start`.

        |x - q|^2 / 2 = |q|^2 / 2 - (q.x - |x|^2 / 2): the larger what is in the last
        brackets, the nearer. Nothing is subtracted from all products: what the shortest
        x lets pass is few of them where all are about as long.
        """
        halves = np.einsum("nd,nd->n", rows, rows) / 2
        _check_finite(halves, start)
        np.matmul(rows, self._queries.T, out=products)
        bound = (self._squares - self.distances[:, -1] ** 2) / 2
        if len(rows) > self._top:  # no more than `top` of these can be of use
            bound = self._tighter(products, halves, bound)
        largest = self._squares.max(initial=0) + 2 * halves.max()
        bound -= np.float32(_MARGIN) * largest
        found = _places_above(products, bound + halves.min())
        row, query = np.divmod(found, len(self._queries))
        near = products.ravel()[found] - halves[row] >= bound[query]
        if near.any():
            row, query = row[near], query[near]
            found = _distances(rows, row, self._queries, query)
            self.add(query, row + start, found)

    def add(self, query, place, distance):
        """Notes candidates; they wait, as sorting a few takes as long as many."""
        self._waiting.append((query, place, distance))
        self._num_waiting += len(query)
        if 2 * self._num_waiting >= self.places.size:
            self.merge()

    def _tighter(self, products, halves, bound):
        open_queries = np.flatnonzero(np.isneginf(bound))
        if len(open_queries):
            last = len(products) - self._top
            columns = (products[:, open_queries] - halves[:, None]).T.copy()
            bound[open_queries] = np.partition(columns, last, axis=1)[:, last]
        return bound

    def merge(self):
        """Keeps the nearest of those so far and the candidates that wait."""
        so_far = (self._of_query(), self.places.ravel(), self.distances.ravel())
        parts = zip(so_far, *self._waiting, strict=True)
        query, place, distance = (np.concatenate(part) for part in parts)
        self._waiting, self._num_waiting = [], 0
        order = np.lexsort((place, distance, query))
        counts = np.bincount(query, minlength=len(self.places))
        starts = np.cumsum(counts) - counts
        kept = order[starts[:, None] + np.arange(self._top)]
        self.places, self.distances = place[kept], distance[kept]

    def as_candidates(self):
        """`(query, place, distance)` of all that was found."""
        self.merge()
        found = self.places.ravel() >= 0
        return (
            self._of_query()[found],
            self.places.ravel()[found],
            self.distances.ravel()[found],
        )

    def _of_query(self):
        return np.repeat(np.arange(len(self.places)), self._top)


def _places_above(products, bounds):
    """Where products are at or above the bound of their query: flat, sorted.

    Compared by several rows' length at a time, and not found by `np.nonzero`: on rows
    as short as this each of these would take a good part of the products' time.
    """
    rows = next(n for n in (16, 4, 1) if len(products) % n == 0)
    wide = products.reshape(-1, rows * len(bounds))
    return np.flatnonzero(wide >= np.tile(bounds, rows))


def _distances(rows, row, queries, query):
    """Of some pairs, exactly; a few pairs at a time, as any number may be equal."""
    found = np.empty(len(query), np.float32)
    step = max(1, _VALUES // rows.shape[1])
    for i in range(0, len(query), step):
        part = slice(i, i + step)
        near = np.asarray(rows[row[part]], np.float32)
        gaps = near.astype(np.float64) - queries[query[part]]
        found[part] = np.sqrt(np.einsum("cd,cd->c", gaps, gaps))
    return found


# The whole database in order


def _ranked(database, queries, top):
    """As `_nearest`, by the distances of all pairs: faster where most are wanted."""
    products, row_squares, squares = _products(database, queries)
    places = np.empty((len(queries), top), np.int64)
    distances = np.empty((len(queries), top), np.float32)

    def rank(span):
        totals = squares[span, None] + row_squares
        found = _by_products(database, queries[span], products[span], totals)
        places[span] = np.argsort(found, axis=1, kind="stable")[:, :top]
        distances[span] = np.take_along_axis(found, places[span], axis=1)

    for_all_cores = -(-len(queries) // parallel.num_workers())
    step = max(1, min(for_all_cores, _VALUES // len(database)))
    parallel.run(rank, [slice(i, i + step) for i in range(0, len(queries), step)])
    return places, distances


def _products(database, queries):
    """In float64: `(Q, N)` of all pairs, and the squares of rows and of queries."""
    queries = queries.astype(np.float64)
    products = np.empty((len(queries), len(database)))
    row_squares = np.empty(len(database))
    step = max(1, _VALUES // database.shape[1])
    for start in range(0, len(database), step):
        part = slice(start, start + step)
        rows = np.asarray(database[part], np.float32).astype(np.float64)
        row_squares[part] = np.einsum("nd,nd->n", rows, rows)
        _check_finite(row_squares[part], start)
        np.matmul(queries, rows.T, out=products[:, part])
    return products, row_squares, np.einsum("qd,qd->q", queries, queries)


def _by_products(database, queries, products, totals):
    """Distances, float32 `(Q, N)`: |x|^2 + |q|^2 - 2 q.x where that tells all digits.

    The bound is of the rounding of sums of D products, here and in `_distances`.
    """
    squares = totals - 2 * products
    totals *= 2 * np.finfo(np.float64).eps * (queries.shape[1] + 8)
    least = np.sqrt(np.maximum(squares - totals, 0)).astype(np.float32)
    most = np.sqrt(np.maximum(squares + totals, 0)).astype(np.float32)
    query, place = np.nonzero(least != most)
    least[query, place] = _distances(database, place, queries, query)
    return least
