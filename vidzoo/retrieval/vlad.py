"""VLAD: what the descriptors of an image differ from their nearest words by.

Source: dissertation, equation 2.1 (Jégou et al. 2010).
"""

import numpy as np
from scipy import sparse

from vidzoo.retrieval import codebook as codebooks
from vidzoo.retrieval import normalization as normalizations
from vidzoo.retrieval import parallel, vocabulary


class VLAD:
    """The vector of locally aggregated descriptors of each image.

    For every word, the sum of the residuals `x - c` of the descriptors whose nearest
    word it is; the blocks of all words one after the other, normalised, and the whole
    brought to unit length (our decision; the source does not say). A word that is
    nearest to no descriptor gets zeros.

    Args:
        codebook: `(M, D)`, the words.
        normalization: `"intra"`, each word's block to unit length (the source's
            choice); `"ssr"`, the signed square root of every value; or None.

    Raises:
        ValueError: `normalization` is unknown, or `codebook` not `(M, D)`.

    Example:
        >>> encode = VLAD([[0.0, 0.0], [4.0, 4.0]], normalization=None)
        >>> print(encode([[[3.0, 0.0], [0.0, 4.0]]]).round(2))
        [[0.6 0.8 0.  0. ]]
    """

    def __init__(self, codebook, normalization: str | None = "intra"):
        normalizations.check(normalization)
        self.codebook = codebooks.as_codebook(codebook)
        self.normalization = normalization

    @classmethod
    def learn(
        cls,
        sample: np.ndarray,
        num_words: int,
        *,
        normalization: str | None = "intra",
        seed: int = 0,
    ) -> "VLAD":
        """VLAD by words learned of a sample: see `vocabulary.learn_codebook`."""
        codebook = vocabulary.learn_codebook(sample, num_words, seed=seed)
        return cls(codebook, normalization)

    @property
    def num_words(self) -> int:
        """M."""
        return len(self.codebook)

    @property
    def size(self) -> int:
        """Dimensions of an image's vector, M*D."""
        return self.codebook.size

    def __call__(self, descriptors) -> np.ndarray:
        """Encodes images.

        Args:
            descriptors: `(N, L, D)`, L of each image.

        Returns:
            float32 `(N, M*D)`.

        Raises:
            ValueError: the shape is another.
        """
        num_words, num_dimensions = self.codebook.shape
        descriptors = codebooks.as_descriptors(descriptors, num_dimensions)
        encoded = parallel.encode(
            self._encode, descriptors, (num_words, num_dimensions)
        )
        return encoded.reshape(len(encoded), self.size)

    def _encode(self, descriptors, out):
        flat = descriptors.reshape(-1, descriptors.shape[-1])
        words = codebooks.nearest_words(flat, self.codebook)
        # Residuals first, then sums: the difference of two sums loses what is small.
        residuals = np.empty_like(flat)
        np.take(self.codebook, words, axis=0, out=residuals, mode="clip")
        np.subtract(flat, residuals, out=residuals)
        sums = self._sum_of_words(residuals, words, len(descriptors))
        normalizations.normalize(sums.reshape(out.shape), self.normalization, out)

    def _sum_of_words(self, residuals, words, num_images):
        """`(n*L, D)` to `(n*M, D)`: the one-hot product, of a sparse matrix."""
        num_words = len(self.codebook)
        rows = codebooks.word_of_image(words, num_words, num_images)
        starts = np.arange(len(rows) + 1)
        ones = np.ones(len(rows), np.float32)
        shape = (num_images * num_words, len(rows))
        return sparse.csc_matrix((ones, rows, starts), shape=shape) @ residuals

    def arrays(self) -> dict[str, np.ndarray]:
        """What `from_arrays` needs."""
        return {"codebook": self.codebook}

    @classmethod
    def from_arrays(cls, arrays, normalization: str | None) -> "VLAD":
        """The encoder that `arrays` came from."""
        return cls(arrays["codebook"], normalization)
