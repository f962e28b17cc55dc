"""Visual words: learned of a sample of the descriptors of a database.

Source: dissertation, section 2.3.3: k-means, 100 words.
"""

import logging
import warnings

import numpy as np

NUM_WORDS = 100  # section 2.3.3
SAMPLE_SIZE = 50_000  # descriptors that words are learned of; our decision
_log = logging.getLogger("vidzoo")


def learn_codebook(sample: np.ndarray, num_words: int, *, seed: int = 0) -> np.ndarray:
    """k-means by scikit-learn's `MiniBatchKMeans`, from three starts.

    Args:
        sample: `(L, D)` descriptors.
        num_words: M.
        seed: of the starts and the batches.

    Returns:
        float32 `(M, D)`.

    Raises:
        ValueError: there are fewer descriptors than words.
    """
    # Takes a second to import, and only learning needs it.
    from sklearn.cluster import MiniBatchKMeans

    _check(sample, num_words)
    kmeans = MiniBatchKMeans(num_words, random_state=seed, n_init=3)
    return kmeans.fit(sample).cluster_centers_.astype(np.float32)


def learn_mixture(
    sample: np.ndarray, num_words: int, *, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gaussians of diagonal covariance, by scikit-learn's `GaussianMixture`.

    Where they do not settle, or are more than the sample holds different descriptors,
    they are given all the same, and the log says so.

    Args:
        sample: `(L, D)` descriptors.
        num_words: M.
        seed: of the start.

    Returns:
        float32: weights `(M,)`, means `(M, D)`, variances `(M, D)`.

    Raises:
        ValueError: there are fewer descriptors than words.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    _check(sample, num_words)
    mixture = GaussianMixture(num_words, covariance_type="diag", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit(sample)
    _tell(mixture, sample)
    found = (mixture.weights_, mixture.means_, mixture.covariances_)
    return tuple(array.astype(np.float32) for array in found)


def _tell(mixture, sample):
    """Logs, in a line, what scikit-learn warns of."""
    num_words = mixture.n_components
    num_different = _num_different(sample, num_words)
    if num_different < num_words:
        _log.warning(
            "%d words of %d different descriptors: some words stay empty; learn fewer "
            "(num_words), or of more images",
            *(num_words, num_different),
        )
    elif not mixture.converged_:
        _log.warning(
            "%d words have not settled in %d steps and are taken as they are; fewer of "
            "them (num_words), or more images, settle sooner",
            *(num_words, mixture.n_iter_),
        )


def _num_different(rows, most):
    """How many rows differ, counted up to `most`."""
    seen = set()
    for row in rows:
        seen.add(row.tobytes())
        if len(seen) == most:
            break
    return len(seen)


def _check(sample, num_words):
    if num_words < 1:
        raise ValueError(f"`num_words` must be >= 1. Received: {num_words}.")
    if num_words > len(sample):
        raise ValueError(
            f"`num_words` is {num_words}, but there are {len(sample)} descriptors to "
            f"learn words from. Give {len(sample)} or fewer, or more images."
        )
