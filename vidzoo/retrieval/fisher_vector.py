"""Fisher vectors: how an image's descriptors would move a mixture of Gaussians.

Source: Perronnin, Sánchez & Mensink 2010, the "improved" Fisher vector; section 2.4.4
names it as an encoder beside VLAD.
"""

import numpy as np

from vidzoo.retrieval import codebook as codebooks
from vidzoo.retrieval import normalization as normalizations
from vidzoo.retrieval import parallel, vocabulary


class FisherVector:
    """Gradients of an image's likelihood, by the means and the deviations of words.

    Every word's block has D values of its mean, then D of its deviation:

        sum p (x - mean) / deviation / (L sqrt(weight))
        sum p ((x - mean)^2 / variance - 1) / (L sqrt(2 weight))

    with p the posterior of the word given x; normalised, and the whole brought to unit
    length. The gradient by the weights is left out, as in the source.

    Args:
        weights: `(M,)`, of the mixture's Gaussians, the words.
        means: `(M, D)`.
        variances: `(M, D)`, above zero.
        normalization: `"ssr"`, the signed square root (the source's choice);
            `"intra"`, each word's block to unit length; or None.

    Raises:
        ValueError: `normalization` is unknown, or the mixture is none.
    """

    def __init__(self, weights, means, variances, normalization: str | None = "ssr"):
        normalizations.check(normalization)
        self.means = codebooks.as_codebook(means)
        self.weights = np.asarray(weights, np.float32)
        self.variances = np.asarray(variances, np.float32)
        shapes = (self.weights.shape, self.variances.shape)
        if shapes != (self.means.shape[:1], self.means.shape):
            raise ValueError(
                "`weights`, `means` and `variances` must be (M,), (M, D) and (M, D). "
                f"Received: {shapes[0]}, {self.means.shape} and {shapes[1]}."
            )
        if not (self.weights.min() > 0 and self.variances.min() > 0):
            raise ValueError(
                "`weights` and `variances` must be above zero. Received: down to "
                f"{self.weights.min()} and {self.variances.min()}."
            )
        self.normalization = normalization
        self._set_linear()

    def _set_linear(self):
        """The log density of a word is linear in x and x^2; in float64, once."""
        means, variances = (a.astype(np.float64) for a in (self.means, self.variances))
        constants = np.log(self.weights.astype(np.float64)) - 0.5 * (
            np.log(2 * np.pi * variances).sum(1) + (means**2 / variances).sum(1)
        )
        self._by_x, self._by_square, self._constants = (
            a.astype(np.float32)
            for a in ((means / variances).T, (-0.5 / variances).T, constants)
        )

    @classmethod
    def learn(
        cls,
        sample: np.ndarray,
        num_words: int,
        *,
        normalization: str | None = "ssr",
        seed: int = 0,
    ) -> "FisherVector":
        """Of a mixture learned of a sample: see `vocabulary.learn_mixture`."""
        normalizations.check(normalization)
        mixture = vocabulary.learn_mixture(sample, num_words, seed=seed)
        return cls(*mixture, normalization)

    @property
    def num_words(self) -> int:
        """M."""
        return len(self.weights)

    @property
    def size(self) -> int:
        """Dimensions of an image's vector, 2*M*D."""
        return 2 * self.means.size

    def __call__(self, descriptors) -> np.ndarray:
        """Encodes images.

        Args:
            descriptors: `(N, L, D)`, L of each image.

        Returns:
            float32 `(N, 2*M*D)`.

        Raises:
            ValueError: the shape is another.
        """
        num_words, num_dimensions = self.means.shape
        descriptors = codebooks.as_descriptors(descriptors, num_dimensions)
        shape = (num_words, 2 * num_dimensions)
        encoded = parallel.encode(self._encode, descriptors, shape)
        return encoded.reshape(len(encoded), self.size)

    def _encode(self, descriptors, out):
        squares = np.square(descriptors)
        p = self._posteriors(descriptors, squares)  # (n, L, M)
        by_word = p.transpose(0, 2, 1)
        mass = p.sum(axis=1)[..., None]  # (n, M, 1)
        first, second = by_word @ descriptors, by_word @ squares  # (n, M, D)
        means, variances = self.means, self.variances
        scale = max(1, descriptors.shape[1]) * np.sqrt(self.weights)[:, None]
        by_mean = (first - mass * means) / (np.sqrt(variances) * scale)
        spread = second - 2 * means * first + mass * means**2
        by_deviation = (spread / variances - mass) / (np.sqrt(np.float32(2)) * scale)
        words = np.concatenate([by_mean, by_deviation], axis=-1)
        normalizations.normalize(words, self.normalization, out)

    def _posteriors(self, descriptors, squares):
        logs = descriptors @ self._by_x + squares @ self._by_square + self._constants
        logs -= logs.max(axis=-1, keepdims=True)
        p = np.exp(logs, out=logs)
        p /= p.sum(axis=-1, keepdims=True)
        return p

    def arrays(self) -> dict[str, np.ndarray]:
        """What `from_arrays` needs."""
        return {
            "weights": self.weights,
            "means": self.means,
            "variances": self.variances,
        }

    @classmethod
    def from_arrays(cls, arrays, normalization: str | None) -> "FisherVector":
        """The encoder that `arrays` came from."""
        names = ("weights", "means", "variances")
        return cls(*(arrays[name] for name in names), normalization)
