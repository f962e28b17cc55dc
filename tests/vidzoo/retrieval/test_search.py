"""Exact search against all distances sorted."""

import tracemalloc

import numpy as np
import pytest

from vidzoo.retrieval import concatenate, expand_queries, nearest
from vidzoo.retrieval import search as searches


def drawn(seed, count, size=16):
    rows = np.random.default_rng(seed).standard_normal((count, size))
    return rows.astype(np.float32)


def by_sorting(database, queries, top):
    gaps = database[None].astype(float) - queries[:, None]
    distances = np.sqrt((gaps**2).sum(axis=-1)).astype(np.float32)
    places = np.argsort(distances, axis=1, kind="stable")[:, :top]
    return places, np.take_along_axis(distances, places, axis=1)


@pytest.fixture
def in_small_parts(monkeypatch):
    monkeypatch.setattr(searches, "_ROWS", 37)
    monkeypatch.setattr(searches, "_QUERIES", 5)
    monkeypatch.setattr(searches, "_VALUES", 50)


@pytest.mark.parametrize("top", [1, 10, 100, 2000])
def test_finds_what_sorting_finds(in_small_parts, top):
    database, queries = drawn(0, 700), drawn(1, 12)
    places, distances = nearest(database, queries, top)
    expected = by_sorting(database, queries, top)
    np.testing.assert_array_equal(places, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-6)
    assert places.shape == (12, min(top, 700)) and distances.dtype == np.float32


def test_in_one_part():
    database, queries = drawn(0, 5000), drawn(1, 3)
    found = nearest(database, queries, 7)
    np.testing.assert_array_equal(found[0], by_sorting(database, queries, 7)[0])


def test_of_equal_ones_the_first_comes_first(in_small_parts):
    database = np.tile(drawn(0, 20), (30, 1))
    places, distances = nearest(database, database[:20], 30)
    expected = np.arange(20)[:, None] + 20 * np.arange(30)
    np.testing.assert_array_equal(places, expected)
    assert not distances.any()


def test_all_equal(in_small_parts):
    database = np.ones((300, 4), np.float32)
    places, _ = nearest(database, database[:1], 5)
    assert places.tolist() == [[0, 1, 2, 3, 4]]


def test_small_distances_far_from_the_origin(in_small_parts):
    """Products alone would lose them: 1000^2 rounds to 0.06."""
    database = drawn(0, 400) * 0.5 + 1000
    queries = database[[3, 399]]
    places, distances = nearest(database, queries, 3)
    expected = by_sorting(database, queries, 3)
    np.testing.assert_array_equal(places, expected[0])
    np.testing.assert_allclose(distances, expected[1], rtol=1e-6)


def test_a_database_on_disk(tmp_path, in_small_parts):
    rows = drawn(0, 200).astype(np.float16)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    found = nearest(mapped, drawn(1, 4), 9)
    expected = by_sorting(rows.astype(np.float32), drawn(1, 4), 9)
    np.testing.assert_array_equal(found[0], expected[0])


# The whole database in order, by all products


def shifted(seed, count):
    return drawn(seed, count) * 0.5 + 1000


def counts(seed, count):
    """Small whole numbers: sums of squares are exact, and many distances equal."""
    numbers = np.random.default_rng(seed).integers(0, 3, (count, 6))
    return numbers.astype(np.float32)


def long_and_short(seed, count):
    powers = np.random.default_rng(seed).uniform(-4, 4, (count, 1))
    return (drawn(seed, count) * 10**powers).astype(np.float32)


def almost_equal(seed, count):
    """Pairs that differ in the last digit of one value."""
    rows = drawn(seed, count)
    rows[1::2] = rows[: count - 1 : 2]
    rows[1::2, 3] = np.nextafter(rows[1::2, 3], 9)
    return rows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("made", [drawn, shifted, counts, long_and_short, almost_equal])
def test_ranks_as_sorting_does(in_small_parts, made, seed):
    """Queries out of the database, which holds everything twice, and others."""
    database = made(seed, 60)
    database = np.concatenate([database, database])
    queries = np.concatenate([database[::7], made(seed + 100, 4)])
    places, distances = nearest(database, queries, len(database))
    expected = by_sorting(database, queries, len(database))
    np.testing.assert_array_equal(distances, expected[1])
    np.testing.assert_array_equal(places, expected[0])
    own = np.flatnonzero((database[:, None] == queries).all(axis=2))
    assert len(own) and (distances == 0).sum() == len(own)


@pytest.mark.parametrize("made", [drawn, shifted, counts, almost_equal])
def test_both_ways_find_the_same(made):
    database = made(0, 400)
    few = nearest(database, database[:9], 150)
    most = nearest(database, database[:9], 250)
    for one, other in zip(few, most, strict=True):
        np.testing.assert_array_equal(one, other[:, :150])


def test_few_pairs_are_compared_again(monkeypatch):
    """Those with themselves, and what a product leaves open."""
    pairs, compare = [], searches._distances

    def compared(rows, row, queries, query):
        pairs.append(len(query))
        return compare(rows, row, queries, query)

    monkeypatch.setattr(searches, "_distances", compared)
    database = drawn(0, 600, 256)
    database /= np.linalg.norm(database, axis=1, keepdims=True)
    nearest(database, database[:100], len(database))
    assert 100 <= sum(pairs) < 100 + 60_000 // 1000


def test_memory_of_ranking_is_that_of_the_result(tmp_path, monkeypatch):
    monkeypatch.setattr(searches, "_VALUES", 2**14)
    rows = drawn(0, 4000, 512)
    np.save(tmp_path / "rows.npy", rows)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    nearest(mapped[:100], rows[:1], 100)  # what is loaded only once
    tracemalloc.start()
    places, distances = nearest(mapped, rows[:6], len(rows))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * (places.nbytes + distances.nbytes) + 8 * 2**17 < rows.nbytes / 3


def test_no_query():
    places, distances = nearest(drawn(0, 9), drawn(1, 0), 4)
    assert places.shape == distances.shape == (0, 4)


def test_expanded_queries_are_means_of_unit_length():
    database, queries = drawn(0, 50), drawn(1, 3)
    found = expand_queries(database, queries, 4)
    for vector, query in zip(found, queries, strict=True):
        order = np.argsort(((database - query) ** 2).sum(axis=1))[:4]
        mean = np.vstack([query, database[order]]).mean(axis=0)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)


def test_a_query_in_the_database_is_not_its_own_neighbour():
    """With two queries of which one is not in it, and fewer vectors than wanted."""
    database, other = drawn(0, 6), drawn(1, 1)
    queries = np.concatenate([database[[2]], other])
    for top in (2, 9):
        found = expand_queries(database, queries, top, own_places=[2, None])
        for vector, query, rows in (
            (found[0], queries[0], np.delete(database, 2, axis=0)),
            (found[1], queries[1], database),
        ):
            order = np.argsort(((rows - query) ** 2).sum(axis=1))[:top]
            mean = np.vstack([query, rows[order]]).mean(axis=0)
            np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-6)
    order = np.argsort(((database - database[2]) ** 2).sum(axis=1))[:2]
    assert order[0] == 2
    twice = 2 * database[2] + database[order[1]]
    found = expand_queries(database, queries[:1], 2)
    np.testing.assert_allclose(found[0], twice / np.linalg.norm(twice), atol=1e-6)


def test_expansion_reaches_a_neighbours_neighbours():
    """Steps along an arc: the last is nearer to the mean than to the query."""
    angles = np.radians([0, 30, 60, -75])
    arc = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    query = np.array([[np.cos(np.radians(-10)), np.sin(np.radians(-10))]])
    assert nearest(arc, query, 4)[0].tolist() == [[0, 1, 3, 2]]
    assert nearest(arc, expand_queries(arc, query, 2), 4)[0].tolist() == [[0, 1, 2, 3]]


def test_scales_count_alike():
    one, two = (
        v / np.linalg.norm(v, axis=1)[:, None] for v in (drawn(0, 5), drawn(1, 5, 3))
    )
    found = concatenate([one, two])
    assert found.shape == (5, 19)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(
        found @ found.T, (one @ one.T + two @ two.T) / 2, atol=1e-6
    )


def test_what_cannot_be_searched():
    rows = drawn(0, 30)
    with pytest.raises(ValueError, match="`top` must be >= 1. Received: 0"):
        nearest(rows, rows, 0)
    with pytest.raises(ValueError, match=r"shapes: \(30, 16\) and \(30, 15\)"):
        nearest(rows, rows[:, :15], 1)
    with pytest.raises(ValueError, match="`database` is empty"):
        nearest(rows[:0], rows, 1)
    rows[4, 2] = np.nan
    with pytest.raises(ValueError, match="`database` holds NaN or infinity, in row 4"):
        nearest(rows, rows[:2], 1)
    with pytest.raises(ValueError, match="`database` holds NaN or infinity, in row 4"):
        nearest(rows, rows[:2], 30)
    with pytest.raises(ValueError, match="`queries` hold NaN or infinity"):
        nearest(rows[:3], rows[3:6], 1)
