"""How an encoding is normalised before it is compared.

Source: dissertation, section 2.3.3; SSR: Jégou et al. 2012; intra: Arandjelović &
Zisserman 2013.
"""

import numpy as np

NORMALIZATIONS = ("intra", "ssr", None)


def check(normalization: str | None, choices: tuple = NORMALIZATIONS) -> None:
    """Refuses what is not one of the choices.

    Raises:
        ValueError: it is not.
    """
    if normalization not in choices:
        raise ValueError(
            f"`normalization` must be one of {choices}. Received: {normalization!r}."
        )


def l2(vectors: np.ndarray) -> np.ndarray:
    """Every vector at unit length, `(..., D)`; one of zeros stays as it is."""
    return vectors * _inverse(_length(vectors))[..., None]


def normalize(words: np.ndarray, normalization: str | None, out: np.ndarray) -> None:
    """Normalises encodings, and then each to unit length as a whole.

    `"intra"` brings every word's block to unit length; `"ssr"`, the signed square root,
    takes that of every value. Zeros stay zero.

    Args:
        words: `(n, M, B)`, a block of B values for each of M words; is overwritten.
        normalization: one of `NORMALIZATIONS`.
        out: likewise, where to write.
    """
    if normalization == "ssr":
        np.copysign(np.sqrt(np.abs(words)), words, out=words)
    lengths = _length(words)  # (n, M)
    if normalization == "intra":
        # Each word's is 1 from here on, or 0.
        factors, lengths = _inverse(lengths), (lengths > 0).astype(np.float32)
    else:
        factors = np.ones_like(lengths)
    factors *= _inverse(_length(lengths))[:, None]
    np.multiply(words, factors[..., None], out=out)


def _length(vectors):
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))


def _inverse(lengths):
    """1 / length, but 0 of 0."""
    positive = lengths > 0
    return np.where(positive, 1 / np.where(positive, lengths, 1), 0)
