"""Words and descriptors: what encoders by a codebook have in common."""

import numpy as np


def as_codebook(codebook) -> np.ndarray:
    """Checks a codebook: float32 `(M, D)`.

    Raises:
        ValueError: it has another number of axes, or none of one.
    """
    codebook = np.ascontiguousarray(codebook, np.float32)
    if codebook.ndim != 2 or 0 in codebook.shape:
        raise ValueError(
            f"`codebook` must be (M, D), M words. Received shape: {codebook.shape}."
        )
    return codebook


def as_descriptors(descriptors, num_dimensions: int) -> np.ndarray:
    """Checks descriptors: float32 `(N, L, D)`.

    Raises:
        ValueError: their shape is another, or the D not that of the words.
    """
    descriptors = np.ascontiguousarray(descriptors, np.float32)
    if descriptors.ndim != 3 or descriptors.shape[-1] != num_dimensions:
        raise ValueError(
            f"`descriptors` must be (N, L, {num_dimensions}), as the words are of "
            f"{num_dimensions} dimensions. Received shape: {descriptors.shape}."
        )
    return descriptors


def nearest_words(flat: np.ndarray, codebook: np.ndarray) -> np.ndarray:
    """The number of each descriptor's nearest word; the first of several.

    By one matrix product: |x - c|^2 is least where x.c - |c|^2 / 2 is greatest.

    Args:
        flat: `(L, D)`.
        codebook: `(M, D)`.

    Returns:
        `(L,)`.
    """
    products = flat @ codebook.T
    products -= np.einsum("md,md->m", codebook, codebook) / 2
    return products.argmax(axis=1)


def word_of_image(words: np.ndarray, num_words: int, num_images: int) -> np.ndarray:
    """Words of several images' descriptors, numbered through over the images."""
    offsets = np.arange(0, num_images * num_words, num_words)
    return words + np.repeat(offsets, len(words) // max(1, num_images))
