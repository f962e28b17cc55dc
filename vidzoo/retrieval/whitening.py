"""PCA and whitening: long vectors to short ones whose values do not go together.

Source: dissertation, section 2.3.3: to 128 dimensions; Jégou & Chum 2012.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from vidzoo.retrieval.normalization import l2
from vidzoo.retrieval.sample import Sample

DIMENSION = 128  # section 2.3.4
# Up to this D the covariance of all vectors is kept, D*D; beyond, a sample of so many
# vectors is: at D = 51,200 some 420 MB.
MOST_DIMENSIONS = SAMPLE_SIZE = 2048
# A component of less than this share of the first one's variance is rounding.
_LEAST_VARIANCE = 1e-10
# The first one's is rounding itself below this share of the mean's squared length.
_ROUNDING = 1e-12
_COLUMNS = 4096  # of a product in float64 at once


class Whitening:
    """A projection to uncorrelated values of unit variance, then to unit length.

    The unit length is our decision; the source does not say.

    Args:
        mean: `(D,)`.
        projection: `(D, d)`, each column a principal axis divided by the deviation of
            the vectors along it.
    """

    def __init__(self, mean, projection):
        self.mean = np.asarray(mean, np.float32)
        self.projection = np.asarray(projection, np.float32)

    @classmethod
    def fit(
        cls, batches: Iterable[np.ndarray], dimension: int = DIMENSION, *, seed: int = 0
    ) -> "Whitening":
        """Fits to vectors that come in batches, in memory that does not grow with them.

        Of vectors of up to `MOST_DIMENSIONS` all count; of longer ones a seeded uniform
        sample of `SAMPLE_SIZE`, by its Gram matrix.

        Args:
            batches: `(n, D)` each.
            dimension: d, of the result.
            seed: of the sample.

        Raises:
            ValueError: `dimension` is larger than what so many vectors, or the sample,
                span; the message says the largest possible. Or all vectors are alike.
        """
        moments = None
        for batch in batches:
            if moments is None:
                small = batch.shape[1] <= MOST_DIMENSIONS
                moments = _Covariance() if small else _Gram(seed)
            moments.add(np.asarray(batch, np.float32))
        if moments is None:
            raise ValueError("`batches` are empty: there is nothing to fit to.")
        mean, axes, variances = moments.principal_axes()
        _check(dimension, mean, variances, moments)
        deviations = np.sqrt(variances[:dimension])
        return cls(mean, axes(dimension) / deviations)

    @property
    def dimension(self) -> int:
        """Values of a whitened vector, d."""
        return self.projection.shape[1]

    def project(self, vectors) -> np.ndarray:
        """`(N, D)` to `(N, d)`, of whatever length."""
        vectors = np.asarray(vectors, np.float32)
        if vectors.ndim != 2 or vectors.shape[1] != len(self.mean):
            raise ValueError(
                f"`vectors` must be (N, {len(self.mean)}). "
                f"Received shape: {vectors.shape}."
            )
        return (vectors - self.mean) @ self.projection

    def __call__(self, vectors) -> np.ndarray:
        """`(N, D)` to `(N, d)`, of unit length."""
        return l2(self.project(vectors))

    def arrays(self) -> dict[str, np.ndarray]:
        """What `from_arrays` needs."""
        return {"mean": self.mean, "projection": self.projection}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> "Whitening":
        """The whitening that `arrays` came from."""
        return cls(arrays["mean"], arrays["projection"])


def _check(dimension, mean, variances, moments):
    if variances[0] <= _ROUNDING * (mean @ mean):
        raise ValueError(
            f"there is nothing to whiten: all vectors ({moments.num_seen}) are alike. "
            "Use none, or give images that differ."
        )
    rank = int(np.sum(variances > _LEAST_VARIANCE * variances[0]))
    if 1 <= dimension <= rank:
        return
    span, remedy = f"these {moments.num_seen} vectors span", "Give a smaller one"
    if moments.num_used < moments.num_seen:
        span = (
            f"vectors of more than {MOST_DIMENSIONS} values are whitened by a sample, "
            f"and the {moments.num_used} of these {moments.num_seen} span"
        )
    elif rank < len(mean):
        remedy += ", or more images"
    raise ValueError(
        f"`dimension` must be 1 to {rank}, the largest possible: {span} {rank} "
        f"dimensions about their mean. Received: {dimension}. {remedy}."
    )


class _Covariance:
    """Moments of all vectors, about the first batch's mean for precision."""

    def __init__(self):
        self._shift = None
        self.num_seen = 0

    def add(self, batch):
        if self._shift is None:
            self._shift = batch.mean(axis=0, dtype=np.float64)
            self._sum = np.zeros(batch.shape[1])
            self._products = np.zeros((batch.shape[1], batch.shape[1]))
        shifted = batch - self._shift
        self._sum += shifted.sum(axis=0)
        self._products += shifted.T @ shifted
        self.num_seen += len(batch)

    @property
    def num_used(self):
        return self.num_seen

    def principal_axes(self):
        """The mean, a function giving the first d axes as columns, all variances."""
        mean = self._sum / self.num_seen
        covariance = self._products - self.num_seen * np.outer(mean, mean)
        variances, axes = np.linalg.eigh(covariance / max(1, self.num_seen - 1))
        count = min(len(mean), self.num_seen)
        variances, axes = variances[::-1][:count], axes[:, ::-1]
        return self._shift + mean, lambda d: axes[:, :d], variances


class _Gram:
    """Products of a sample's vectors with each other, where D is the larger number."""

    def __init__(self, seed):
        self._sample = Sample(SAMPLE_SIZE, seed)

    @property
    def num_seen(self):
        return self._sample.num_seen

    @property
    def num_used(self):
        return min(self.num_seen, SAMPLE_SIZE)

    def add(self, batch):
        self._sample.add(batch)

    def principal_axes(self):
        """As `_Covariance`'s; the sample is centred in place."""
        rows = self._sample.rows()
        mean = rows.mean(axis=0, dtype=np.float64)
        rows -= mean.astype(np.float32)
        gram = np.zeros((len(rows), len(rows)))
        for i in range(0, rows.shape[1], _COLUMNS):
            columns = rows[:, i : i + _COLUMNS].astype(np.float64)
            gram += columns @ columns.T
        values, vectors = np.linalg.eigh(gram)
        values, vectors = values[::-1], vectors[:, ::-1]

        def axes(dimension):
            chosen = vectors[:, :dimension] / np.sqrt(values[:dimension])
            return rows.T @ chosen.astype(np.float32)

        return mean, axes, values / max(1, len(rows) - 1)
