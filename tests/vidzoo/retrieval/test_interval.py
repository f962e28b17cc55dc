"""Places, and intervals of means over their queries."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from vidzoo.retrieval import interval


def query(picture, *positives):
    return SimpleNamespace(picture_id=picture, positives=frozenset(positives))


def test_queries_that_share_a_picture_are_of_one_place():
    queries = [
        query("a", "b"),
        query("x", "y", "z"),
        query("c", "d"),
        query("d", "b"),  # joins the first and the third
        query("w", "z"),
    ]
    np.testing.assert_array_equal(interval.places(queries), [0, 1, 0, 0, 1])


def test_it_is_that_of_all_draws():
    values, places = np.array([0.1, 0.4, 0.9, 0.2, 0.6]), np.array([0, 0, 1, 2, 3])
    sums, counts = np.array([0.5, 0.9, 0.2, 0.6]), np.array([2, 1, 1, 1])
    draws = np.array(list(itertools.product(range(4), repeat=4)))
    means = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
    expected = np.percentile(means, (2.5, 97.5))
    found = interval.bootstrap(values, places, num_samples=100_000)
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_more_queries_of_a_place_or_vocabularies_do_not_narrow_it():
    rng = np.random.default_rng(0)
    values = rng.random(7)
    alone = interval.bootstrap(values, np.arange(7))
    repeated = interval.bootstrap(np.repeat(values, 5), np.repeat(np.arange(7), 5))
    np.testing.assert_allclose(repeated, alone)
    twice = interval.bootstrap([values, values], np.arange(7))
    np.testing.assert_allclose(twice, alone)
    assert alone[0] < values.mean() < alone[1]


def test_one_place_says_nothing():
    assert interval.bootstrap([0.2, 0.7], [3, 3]) is None


@pytest.mark.parametrize("values, places", [([0.5], [0, 1]), ([], [])])
def test_of_other_queries(values, places):
    with pytest.raises(ValueError, match="must be of the same queries, one or more"):
        interval.bootstrap(values, places)
