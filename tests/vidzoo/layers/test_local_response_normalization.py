"""Local response normalisation against a loop over channels."""

import numpy as np
import pytest

from vidzoo.layers import local_response_normalization


def reference(x, size, alpha, bias=1, beta=0.75):
    out = np.empty_like(x, dtype=np.float64)
    half = size // 2
    for c in range(x.shape[-1]):
        window = x[..., max(0, c - half) : c + half + 1].astype(np.float64)
        out[..., c] = x[..., c] / (bias + alpha / size * (window**2).sum(-1)) ** beta
    return out


@pytest.mark.parametrize(
    "size, alpha, bias, beta",
    [(5, 1e-4, 1, 0.75), (3, 0.5, 1, 0.75), (5, 5e-4, 2, 0.75), (5, 5e-4, 2, 0.5)],
)
@pytest.mark.parametrize("channels", [1, 4, 64])
def test_is_the_formula(size, alpha, bias, beta, channels):
    x = np.random.default_rng(0).normal(0, 50, (2, 3, 4, channels)).astype("float32")
    found = local_response_normalization(x, size, alpha, bias, beta)
    expected = reference(x, size, alpha, bias, beta)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_large_values_survive_half_precision():
    """Activations of several hundred occur; their squares are beyond float16."""
    x = np.full((1, 1, 1, 8), 400, np.float16)
    found = np.asarray(local_response_normalization(x), np.float32)
    np.testing.assert_allclose(found, reference(x, 5, 1e-4), rtol=0.01)
