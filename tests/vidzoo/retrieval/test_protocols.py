"""mAP of rankings, as the data sets' own programs count."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import sklearn.metrics

from vidzoo.metrics import ranking_average_precision
from vidzoo.retrieval import PROTOCOLS, measure


def query(query_id, positives, junk=(), picture_id=None):
    return SimpleNamespace(
        query_id=query_id,
        picture_id=picture_id or query_id,
        positives=frozenset(positives),
        junk=frozenset(junk),
    )


def oxford_program(positives, junk, ranking):
    """As compute_ap.cpp goes through a ranking, one picture after the other."""
    recall_before, precision_before, ap, found, seen = 0.0, 1.0, 0.0, 0, 0
    for picture in ranking:
        if picture in junk:
            continue
        found += picture in positives
        recall, precision = found / len(positives), found / (seen + 1)
        ap += (recall - recall_before) * (precision_before + precision) / 2
        recall_before, precision_before, seen = recall, precision, seen + 1
    return ap


def holidays_program(ranks, num_positives):
    """As holidays_map.py, of the ranks of the positives from 0."""
    ap = 0.0
    for number, rank in enumerate(ranks):
        before = 1.0 if rank == 0 else number / rank
        ap += (before + (number + 1) / (rank + 1)) / 2 / num_positives
    return ap


def all_rankings():
    """Every way of finding 1 to 4 positives among 6 places, with 0 to 2 missing."""
    for number in (1, 2, 3, 4):
        for places in itertools.combinations(range(6), number):
            for missing in (0, 1, 2):
                yield np.isin(np.arange(6), places), number + missing


# By hand


@pytest.mark.parametrize(
    "is_positive, total, plain, trapezoidal",
    [
        ([1, 1], None, 1.0, 1.0),
        ([0, 1], None, 1 / 2, (0 + 1 / 2) / 2),
        ([1, 0, 1], None, (1 + 2 / 3) / 2, (1 + (1 / 2 + 2 / 3) / 2) / 2),
        ([1, 0, 1], 4, (1 + 2 / 3) / 4, (1 + (1 / 2 + 2 / 3) / 2) / 4),
        ([0, 0, 0], 2, 0.0, 0.0),
        ([], 1, 0.0, 0.0),
    ],
)
def test_average_precision_by_hand(is_positive, total, plain, trapezoidal):
    found = ranking_average_precision(is_positive, total)
    assert found == pytest.approx(plain, abs=1e-15)
    found = ranking_average_precision(is_positive, total, trapezoidal=True)
    assert found == pytest.approx(trapezoidal, abs=1e-15)


def test_oxford_by_hand():
    """Junk in between moves nothing; the query's own picture counts.

    Without junk: own, x, ok, good. Precisions 1, 1/2, 2/3, 3/4; trapezoids of
    1, (1/2 + 2/3) / 2 and (2/3 + 3/4) / 2.
    """
    q = query("q_1", {"own", "good", "ok"}, {"j1", "j2"}, picture_id="own")
    expected = (1 + 7 / 12 + 17 / 24) / 3
    for ranking in ("own x ok good", "j2 own j1 x ok good", "own x j1 j2 ok good"):
        found = measure("oxford", [q], {"q_1": ranking.split()})
        assert found.mean_average_precision == pytest.approx(expected, abs=1e-15)
        assert found.average_precisions == {"q_1": found.mean_average_precision}
        assert found.precision_at_1 is None
    counted_as_wrong = measure(
        "oxford",
        [query("q_1", q.positives, picture_id="own")],
        {"q_1": "own x j1 ok good".split()},
    )
    assert counted_as_wrong.mean_average_precision < expected


def test_holidays_by_hand():
    """The query is nowhere in its own ranking, wherever it stands."""
    queries = [query("100000", {"100001", "100002"}), query("100100", {"100101"})]
    rankings = {
        "100000": ["100000", "100001", "100100", "100002", "100101"],
        "100100": ["100001", "100100", "100101", "100000", "100002"],
    }
    found = measure("holidays", queries, rankings)
    assert found.average_precisions == {
        "100000": pytest.approx((1 + (1 / 2 + 2 / 3) / 2) / 2, abs=1e-15),
        "100100": pytest.approx((0 + 1 / 2) / 2, abs=1e-15),
    }
    assert found.mean_average_precision == pytest.approx((19 / 24 + 1 / 4) / 2)
    assert found.precision_at_1 == 0.5


def test_csv_by_hand():
    queries = [query(i, {"a", "b", "c"} - {i}) for i in "abc"]
    rankings = {"a": "abcx", "b": "bxac", "c": "cxyba"}
    found = measure("csv", queries, rankings)
    assert found.average_precisions == {
        "a": 1.0,
        "b": pytest.approx((1 / 2 + 2 / 3) / 2),
        "c": pytest.approx((1 / 3 + 2 / 4) / 2),
    }
    assert found.precision_at_1 == pytest.approx(1 / 3)


# Against others


def test_plain_agrees_with_scikit_learn():
    for is_positive, total in all_rankings():
        missing = total - is_positive.sum()
        truth = np.append(is_positive, np.ones(missing))
        # What was never found stands last; there scikit-learn counts it as found.
        scores = -np.arange(len(truth), dtype=float)
        expected = sklearn.metrics.average_precision_score(truth, scores)
        expected -= sum(
            (is_positive.sum() + i) / (6 + i) / total for i in range(1, missing + 1)
        )
        found = ranking_average_precision(is_positive, int(total))
        assert found == pytest.approx(expected, abs=1e-12)


def test_trapezoids_agree_with_both_programs():
    for is_positive, total in all_rankings():
        ranking = list(range(6))
        positives = set(np.flatnonzero(is_positive)) | {-1 - i for i in range(total)}
        positives = set(sorted(positives)[-total:])
        found = ranking_average_precision(is_positive, int(total), trapezoidal=True)
        assert found == pytest.approx(oxford_program(positives, (), ranking), abs=1e-12)
        ranks = np.flatnonzero(is_positive)
        assert found == pytest.approx(holidays_program(ranks, total), abs=1e-12)


@pytest.mark.parametrize("protocol", ["oxford", "paris"])
def test_random_rankings_with_junk_agree_with_oxfords_program(protocol):
    random = np.random.default_rng(0)
    names = [f"p{i}" for i in range(40)]
    queries, rankings, expected = [], {}, {}
    for number in range(25):
        chosen = random.permutation(names).tolist()
        positives, junk = set(chosen[:6]), set(chosen[6:11])
        ranking = random.permutation(names).tolist()[: random.integers(1, 41)]
        queries.append(query(f"q{number}", positives, junk, chosen[0]))
        rankings[f"q{number}"] = ranking
        expected[f"q{number}"] = oxford_program(positives, junk, ranking)
    found = measure(protocol, queries, rankings)
    assert found.average_precisions == pytest.approx(expected, abs=1e-12)
    mean = np.mean(list(expected.values()))
    assert found.mean_average_precision == pytest.approx(mean, abs=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_perfect_rankings(protocol):
    queries = [query("a", {"b", "c"}, {"j"}), query("b", {"a"})]
    rankings = {"a": list("ajbc"), "b": list("bacj")}
    if not PROTOCOLS[protocol].removes_query:
        queries = [query(q.query_id, q.positives | {q.query_id}) for q in queries]
        rankings = {"a": list("abcj"), "b": list("bacj")}
    assert measure(protocol, queries, rankings).mean_average_precision == 1


# Errors


@pytest.mark.parametrize(
    "arguments, message",
    [
        (([[1]],), r"`is_positive` must be \(N,\). Received: \(1, 1\)"),
        (([0, 2],), r"`is_positive` must be 0 or 1. Received: 2"),
        (([0, 0],), r"at least 1, and .* in the ranking, 0. Received: 0"),
        (([1, 1, 0], 1), r"in the ranking, 2. Received: 1"),
    ],
)
def test_average_precision_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        ranking_average_precision(*arguments)


A, B = query("a", {"b"}), query("b", {"a"})


@pytest.mark.parametrize(
    "protocol, queries, rankings, message",
    [
        ("hotels", [A], {"a": "b"}, "one of holidays, oxford, paris, csv. Received: h"),
        ("csv", [], {}, "`queries` must hold at least one"),
        ("csv", [A, A], {"a": "b"}, "different ids. Received twice: a"),
        ("csv", [A, B], {"a": "b"}, "1 rankings for 2 queries; first lacks the query:"),
        ("csv", [A], {"a": "b", "z": "b"}, "first of no query: z"),
        ("csv", [A], {"a": "bxb"}, "ranking of a must hold each picture once.*: b"),
        ("csv", [query("a", {"a"})], {"a": "b"}, r"besides the query's own.*: \[\]"),
        ("oxford", [query("a", "bc", "c")], {"a": "b"}, r"none that is.*junk \['c'\]"),
    ],
)
def test_errors(protocol, queries, rankings, message):
    with pytest.raises(ValueError, match=message):
        measure(protocol, queries, rankings)
