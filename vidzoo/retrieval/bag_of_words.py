"""Bag of words: how many of an image's descriptors are nearest to each word.

Source: Sivic & Zisserman 2003; section 2.4.4 names it as an encoder beside VLAD.
"""

import numpy as np

from vidzoo.retrieval import codebook as codebooks
from vidzoo.retrieval import normalization as normalizations
from vidzoo.retrieval import parallel, vocabulary

NORMALIZATIONS = ("ssr", None)  # a word's block is one value: nothing within it


class BagOfWords:
    """The histogram of each image's words, at unit length.

    Args:
        codebook: `(M, D)`, the words.
        normalization: `"ssr"`, the square root of every count, or None.

    Raises:
        ValueError: `normalization` is unknown, or `codebook` not `(M, D)`.

    Example:
        >>> encode = BagOfWords([[0.0, 0.0], [4.0, 4.0]])
        >>> print(encode([[[1.0, 0.0], [0.0, 1.0], [5.0, 5.0]]]).round(3))
        [[0.894 0.447]]
    """

    def __init__(self, codebook, normalization: str | None = None):
        normalizations.check(normalization, NORMALIZATIONS)
        self.codebook = codebooks.as_codebook(codebook)
        self.normalization = normalization

    @classmethod
    def learn(
        cls,
        sample: np.ndarray,
        num_words: int,
        *,
        normalization: str | None = None,
        seed: int = 0,
    ) -> "BagOfWords":
        """Counts of words learned of a sample: see `vocabulary.learn_codebook`."""
        normalizations.check(normalization, NORMALIZATIONS)
        codebook = vocabulary.learn_codebook(sample, num_words, seed=seed)
        return cls(codebook, normalization)

    @property
    def num_words(self) -> int:
        """M."""
        return len(self.codebook)

    @property
    def size(self) -> int:
        """Dimensions of an image's vector, M."""
        return len(self.codebook)

    def __call__(self, descriptors) -> np.ndarray:
        """Encodes images.

        Args:
            descriptors: `(N, L, D)`, L of each image.

        Returns:
            float32 `(N, M)`.

        Raises:
            ValueError: the shape is another.
        """
        num_words, num_dimensions = self.codebook.shape
        descriptors = codebooks.as_descriptors(descriptors, num_dimensions)
        return parallel.encode(self._encode, descriptors, (num_words, 1))[..., 0]

    def _encode(self, descriptors, out):
        flat = descriptors.reshape(-1, descriptors.shape[-1])
        words = codebooks.nearest_words(flat, self.codebook)
        rows = codebooks.word_of_image(words, len(self.codebook), len(descriptors))
        counts = np.bincount(rows, minlength=out.size).astype(np.float32)
        normalizations.normalize(counts.reshape(out.shape), self.normalization, out)

    def arrays(self) -> dict[str, np.ndarray]:
        """What `from_arrays` needs."""
        return {"codebook": self.codebook}

    @classmethod
    def from_arrays(cls, arrays, normalization: str | None) -> "BagOfWords":
        """The encoder that `arrays` came from."""
        return cls(arrays["codebook"], normalization)
