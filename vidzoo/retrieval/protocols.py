"""What a retrieval data set measures, from rankings: mean average precision (mAP).

The queries are what `vidzoo_data.pictures.read` lists: each has a `query_id`, the
`picture_id` of its own picture, and the ids of its `positives` and of its `junk`.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidzoo.metrics import ranking_average_precision


@dataclass(frozen=True)
class Protocol:
    """How a data set's own program counts.

    Attributes:
        trapezoidal: as `vidzoo.metrics.ranking_average_precision` has it.
        removes_query: whether the query's own picture is taken out of its ranking.
    """

    trapezoidal: bool
    removes_query: bool


PROTOCOLS = {
    "holidays": Protocol(trapezoidal=True, removes_query=True),
    "oxford": Protocol(trapezoidal=True, removes_query=False),
    "paris": Protocol(trapezoidal=True, removes_query=False),
    "csv": Protocol(trapezoidal=False, removes_query=True),
}
"""By the layout of the data set.

Holidays and CSV count each query's own picture as neither found nor missed. In Oxford
and Paris it is one of the good pictures and stays in. Junk is taken out everywhere.
"""


@dataclass(frozen=True)
class Measured:
    """What rankings measure.

    Attributes:
        mean_average_precision: over the queries.
        precision_at_1: the share of the queries whose first picture is a positive; None
            where every query finds its own picture first.
        average_precisions: by query id.
    """

    mean_average_precision: float
    precision_at_1: float | None
    average_precisions: dict[str, float]


def measure(
    protocol: str, queries: Iterable, rankings: Mapping[str, Sequence[str]]
) -> Measured:
    """Measures the rankings of all queries of a data set.

    Args:
        protocol: a key of `PROTOCOLS`.
        queries: objects with `query_id`, `picture_id`, `positives` and `junk`.
        rankings: query id to picture ids, the nearest first, with or without what the
            protocol takes out. Positives that a ranking lacks count as never found.

    Raises:
        ValueError: the protocol is unknown, there is no query, one has no positive or
            no ranking, a ranking has no query, or it holds a picture twice.

    Example:
        >>> from types import SimpleNamespace
        >>> query = SimpleNamespace(
        ...     query_id="a", picture_id="a", positives={"b"}, junk={"j"}
        ... )
        >>> measure("csv", [query], {"a": ["a", "j", "x", "b"]}).mean_average_precision
        0.5
    """
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise ValueError(f"`protocol` must be one of {known}. Received: {protocol}.")
    rules = PROTOCOLS[protocol]
    queries = list(queries)
    _check_queries(queries, rankings)
    precisions, is_first = {}, []
    for query in queries:
        positives = set(query.positives)
        left_out = set(query.junk)
        if rules.removes_query:
            left_out.add(query.picture_id)
            positives.discard(query.picture_id)
        found = _found(query.query_id, rankings[query.query_id], positives, left_out)
        precisions[query.query_id] = ranking_average_precision(
            found, len(positives), trapezoidal=rules.trapezoidal
        )
        is_first.append(bool(found[:1].any()))
    return Measured(
        mean_average_precision=float(np.mean(list(precisions.values()))),
        precision_at_1=float(np.mean(is_first)) if rules.removes_query else None,
        average_precisions=precisions,
    )


def _check_queries(queries, rankings):
    ids = [query.query_id for query in queries]
    if not ids:
        raise ValueError("`queries` must hold at least one. Received: none.")
    if len(set(ids)) < len(ids):
        raise ValueError(
            f"`queries` must have different ids. Received twice: {_twice(ids)}."
        )
    without = sorted(set(ids) - set(rankings))
    unknown = sorted(set(rankings) - set(ids))
    if without or unknown:
        which, name = (
            ("lacks the query", without[0]) if without else ("of no query", unknown[0])
        )
        raise ValueError(
            "`rankings` must have one ranking for each query. Received: "
            f"{len(rankings)} rankings for {len(ids)} queries; first {which}: {name}."
        )


def _found(query_id, ranking, positives, left_out):
    """Whether each picture that counts is a positive, from the first rank on."""
    ranking = list(ranking)
    if len(set(ranking)) < len(ranking):
        twice = _twice(ranking)
        raise ValueError(
            f"the ranking of {query_id} must hold each picture once. Received twice: "
            f"{twice}."
        )
    if not positives - left_out or positives & left_out:
        raise ValueError(
            f"{query_id}: `positives` must hold a picture besides the query's own, and "
            f"none that is `junk`. Received: {sorted(positives)}, junk "
            f"{sorted(left_out & positives)}."
        )
    return np.array([i in positives for i in ranking if i not in left_out], bool)


def _twice(names):
    return next(name for name, times in Counter(names).items() if times > 1)
