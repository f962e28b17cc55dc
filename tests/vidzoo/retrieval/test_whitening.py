"""Whitening against scikit-learn's PCA, and by what it is for."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from vidzoo.retrieval import Whitening
from vidzoo.retrieval import whitening as whitenings


def vectors(count=1200, size=40, seed=0):
    """Correlated, off centre, of variances 1 to 1/1600."""
    rng = np.random.default_rng(seed)
    turned, _ = np.linalg.qr(rng.standard_normal((size, size)))
    spread = rng.standard_normal((count, size)) / np.arange(1, size + 1)
    return (spread @ turned + 3).astype(np.float32)


def batches(rows, step=100):
    return (rows[i : i + step] for i in range(0, len(rows), step))


@pytest.fixture(params=["covariance", "gram"])
def either_way(request, monkeypatch):
    if request.param == "gram":
        monkeypatch.setattr(whitenings, "MOST_DIMENSIONS", 1)
        monkeypatch.setattr(whitenings, "_COLUMNS", 7)


@pytest.mark.parametrize("dimension", [1, 16, 40])
def test_covariance_becomes_identity(either_way, dimension):
    rows = vectors()
    found = Whitening.fit(batches(rows), dimension).project(rows)
    identity = np.eye(dimension)
    covariance = np.cov(found, rowvar=False).reshape(identity.shape)
    np.testing.assert_allclose(covariance, identity, atol=1e-3)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-3)


def test_axes_are_scikit_learns(either_way):
    rows, others = vectors(), vectors(seed=1)
    found = Whitening.fit(batches(rows), 8).project(others)
    expected = PCA(8, whiten=True, svd_solver="full").fit(rows).transform(others)
    signs = np.sign((found * expected).sum(axis=0))
    np.testing.assert_allclose(found * signs, expected, atol=5e-3)


def test_fewer_vectors_than_dimensions(either_way):
    rows = vectors(count=20)
    found = Whitening.fit(batches(rows, 7), 19).project(rows)
    np.testing.assert_allclose(np.cov(found, rowvar=False), np.eye(19), atol=1e-3)


def test_long_vectors_are_whitened_by_a_sample(monkeypatch):
    monkeypatch.setattr(whitenings, "MOST_DIMENSIONS", 1)
    monkeypatch.setattr(whitenings, "SAMPLE_SIZE", 600)
    rows = vectors(count=6000)
    fitted = Whitening.fit(batches(rows), 4)
    covariance = np.cov(fitted.project(rows), rowvar=False)
    np.testing.assert_allclose(covariance, np.eye(4), atol=0.25)
    again = Whitening.fit(batches(rows, 77), 4)
    np.testing.assert_array_equal(again.projection, fitted.projection)


def test_unit_length_and_arrays():
    rows = vectors()
    fitted = Whitening.fit([rows], 16)
    found = fitted(rows)
    assert found.shape == (1200, 16) and fitted.dimension == 16
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    again = Whitening.from_arrays(fitted.arrays())
    np.testing.assert_array_equal(again(rows), found)


def test_a_dimension_that_is_too_large_says_the_largest(either_way):
    message = (
        "must be 1 to 19, the largest possible: these 20 vectors span 19 .*"
        "Received: 128. Give a smaller one, or more images"
    )
    with pytest.raises(ValueError, match=message):
        Whitening.fit(batches(vectors(count=20)), 128)
    with pytest.raises(ValueError, match="1 to 40, .* these 1200 .*Received: 41"):
        Whitening.fit(batches(vectors()), 41)
    with pytest.raises(ValueError, match="1 to 40.*Received: 0"):
        Whitening.fit(batches(vectors()), 0)
    twice = np.repeat(vectors(count=5), 4, axis=0)
    with pytest.raises(ValueError, match="1 to 4, .* these 20 vectors span 4 "):
        Whitening.fit(batches(twice), 5)


def test_a_dimension_larger_than_the_sample_names_the_sample(monkeypatch):
    """More images would not help, as they would in a sample that is not full."""
    monkeypatch.setattr(whitenings, "MOST_DIMENSIONS", 30)
    monkeypatch.setattr(whitenings, "SAMPLE_SIZE", 25)
    message = (
        "must be 1 to 24, the largest possible: vectors of more than 30 values are "
        "whitened by a sample, and the 25 of these 1200 span 24 dimensions about their "
        "mean. Received: 25. Give a smaller one.$"
    )
    with pytest.raises(ValueError, match=message):
        Whitening.fit(batches(vectors()), 25)
    assert Whitening.fit(batches(vectors()), 24).dimension == 24
    with pytest.raises(ValueError, match="these 25 vectors span 24 .* more images.$"):
        Whitening.fit(batches(vectors(count=25)), 25)
    monkeypatch.undo()
    with pytest.raises(ValueError, match="1 to 40.*Received: 41. Give a smaller one.$"):
        Whitening.fit(batches(vectors()), 41)


@pytest.mark.parametrize("count", [1, 30])
def test_alike_vectors_leave_nothing_to_whiten(either_way, count):
    """But for rounding, which is not to be whitened either."""
    one = np.repeat(vectors(count=1), count, axis=0)
    noise = 1 + 1e-7 * np.random.default_rng(0).standard_normal(one.shape)
    for rows in (one, np.zeros_like(one), (one * noise).astype(np.float32)):
        message = rf"nothing to whiten: all vectors \({count}\) are alike. Use none, or"
        with pytest.raises(ValueError, match=message):
            Whitening.fit(batches(rows, 7), 1)


def test_nothing_to_fit_to_and_other_vectors():
    with pytest.raises(ValueError, match="`batches` are empty"):
        Whitening.fit([], 2)
    with pytest.raises(ValueError, match=r"\(N, 40\). Received shape: \(3, 39\)"):
        Whitening.fit([vectors()], 2).project(np.zeros((3, 39)))
