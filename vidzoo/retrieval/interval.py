"""How far a mean average precision could be another, had other places been asked for.

Queries for one place stand or fall together: Oxford's five a landmark find the same
pictures. So places are drawn, and not queries, or the interval would be too narrow.
"""

from collections.abc import Iterable

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

_DRAWS = 2**22  # numbers at once


def places(queries: Iterable) -> np.ndarray:
    """The place that each query is for: queries that share a picture are for one.

    Args:
        queries: objects with `picture_id` and `positives`, as `measure` takes them.

    Returns:
        `(Q,)` numbers from 0.

    Example:
        >>> from types import SimpleNamespace
        >>> pairs = [("a", {"b"}), ("c", {"d"}), ("b", {"a"})]
        >>> queries = [SimpleNamespace(picture_id=p, positives=q) for p, q in pairs]
        >>> places(queries)
        array([0, 1, 0])
    """
    numbers, rows, columns = {}, [], []
    for row, query in enumerate(queries):
        for picture in sorted({query.picture_id, *query.positives}):
            rows.append(row)
            columns.append(numbers.setdefault(picture, len(numbers)))
    num_queries = max(rows, default=-1) + 1
    size = num_queries + len(numbers)
    edges = (np.ones(len(rows)), (rows, np.add(columns, num_queries, dtype=int)))
    graph = sparse.coo_matrix(edges, shape=(size, size))
    _, found = csgraph.connected_components(graph, directed=False)
    _, first, inverse = np.unique(
        found[:num_queries], return_index=True, return_inverse=True
    )
    return np.argsort(np.argsort(first))[inverse]


def bootstrap(
    values, places, *, num_samples: int = 10_000, seed: int = 0
) -> tuple[float, float] | None:
    """The 95 % interval of a mean over queries, by drawing places with replacement.

    Args:
        values: `(Q,)`, or `(V, Q)` of V vocabularies, which are averaged first: they
            are no further places.
        places: `(Q,)`, the place of each query.
        num_samples: how often as many places as there are are drawn.
        seed: of the draws.

    Returns:
        Percentiles 2.5 and 97.5; None of a single place, which says nothing of others.

    Raises:
        ValueError: the numbers of queries differ, or there is none.

    Example:
        >>> bootstrap([0.5, 0.5], [0, 1])
        (0.5, 0.5)
    """
    values = np.atleast_2d(np.asarray(values, np.float64)).mean(axis=0)
    places = np.asarray(places)
    if values.shape != places.shape or not values.size:
        raise ValueError(
            "`values` and `places` must be of the same queries, one or more. "
            f"Received: {values.shape} and {places.shape}."
        )
    _, places = np.unique(places, return_inverse=True)
    counts = np.bincount(places)
    if len(counts) < 2:
        return None
    sums = np.bincount(places, weights=values)
    rng, means = np.random.default_rng(seed), []
    shares = np.full(len(counts), 1 / len(counts))
    step = max(1, _DRAWS // len(counts))
    for start in range(0, num_samples, step):
        draws = rng.multinomial(len(counts), shares, min(step, num_samples - start))
        means.append((draws @ sums) / (draws @ counts))
    low, high = np.percentile(np.concatenate(means), (2.5, 97.5))
    return float(low), float(high)
