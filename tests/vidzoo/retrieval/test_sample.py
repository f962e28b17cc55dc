"""A sample of a stream: uniform, seeded, the same however the stream is cut."""

import numpy as np
import pytest

from vidzoo.retrieval import Sample


def sampled(rows, size, seed=0, step=7):
    sample = Sample(size, seed)
    for i in range(0, len(rows), step):
        sample.add(rows[i : i + step])
    return sample


def test_the_same_whatever_the_batches():
    rows = np.arange(500, dtype=np.float32)[:, None]
    once = sampled(rows, 60, step=500).rows()
    np.testing.assert_array_equal(sampled(rows, 60, step=1).rows(), once)
    np.testing.assert_array_equal(sampled(rows, 60, step=37).rows(), once)
    assert once.shape == (60, 1) and len(np.unique(once)) == 60
    assert not np.array_equal(sampled(rows, 60, seed=1).rows(), once)


def test_every_row_is_equally_likely():
    rows = np.arange(40, dtype=np.float32)[:, None]
    counts = np.zeros(40)
    for seed in range(2000):
        counts[sampled(rows, 10, seed).rows()[:, 0].astype(int)] += 1
    # Binomial, 2000 draws of 1/4: mean 500, deviation 19.4.
    assert abs(counts - 500).max() < 5 * 19.4
    assert counts.sum() == 20_000


def test_all_of_a_short_stream():
    rows = np.random.default_rng(0).random((9, 3)).astype(np.float32)
    sample = sampled(rows, 100)
    np.testing.assert_array_equal(sample.rows(), rows)
    assert sample.num_seen == 9


def test_of_nothing():
    with pytest.raises(ValueError, match="there is nothing to learn from"):
        Sample(3).rows()
    with pytest.raises(ValueError, match="`size` must be >= 1. Received: 0"):
        Sample(0)
