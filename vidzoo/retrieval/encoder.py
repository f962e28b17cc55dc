"""Images to the short vectors that they are searched by: the whole way in one object.

Source: dissertation, section 2.3: descriptors of a layer, VLAD at each scale, both
concatenated, PCA with whitening, unit length.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np

from vidzoo.retrieval import search, vocabulary
from vidzoo.retrieval.bag_of_words import BagOfWords
from vidzoo.retrieval.digest import arrays_sha256
from vidzoo.retrieval.features import Features
from vidzoo.retrieval.fisher_vector import FisherVector
from vidzoo.retrieval.sample import Sample
from vidzoo.retrieval.vlad import VLAD
from vidzoo.retrieval.whitening import Whitening

AGGREGATIONS = {"vlad": VLAD, "bag_of_words": BagOfWords, "fisher_vector": FisherVector}


class Encoder:
    """Encodes images, a batch after the other, in memory that depends on no number.

    Each `(layer, scale)` has words of its own (our decision: a layer's descriptors at
    scale 2 are of other things than at scale 1). Made by `fit`, or again by
    `from_arrays`.

    Args:
        features: gives the descriptors.
        aggregations: `(layer, scale)` -> `VLAD`, `BagOfWords` or `FisherVector`, all of
            one kind, for each of `features.keys`.
        whitening: makes the vectors short; None for them as they are.
    """

    def __init__(
        self,
        features: Features,
        aggregations: Mapping[tuple[str, int], VLAD | BagOfWords | FisherVector],
        whitening: Whitening | None = None,
    ):
        self.features = features
        self.aggregations = {key: aggregations[key] for key in features.keys}
        self.whitening = whitening

    @classmethod
    def fit(
        cls,
        features: Features,
        read_batches: Callable[[], Iterable],
        *,
        aggregation: str = "vlad",
        num_words: int = vocabulary.NUM_WORDS,
        normalization: str | None = "intra",
        dimension: int | None = None,
        sample_size: int = vocabulary.SAMPLE_SIZE,
        seed: int = 0,
    ) -> "Encoder":
        """Learns words, and PCA, of a database: two passes over it, or one without PCA.

        Args:
            features: gives the descriptors.
            read_batches: begins a pass over the database: batches of images as
                `Features` takes them.
            aggregation: a key of `AGGREGATIONS`.
            num_words: of each vocabulary.
            normalization: as the aggregation has it.
            dimension: of the result, by PCA and whitening; None for no PCA.
            sample_size: descriptors that words are learned of.
            seed: of the samples and of k-means.

        Raises:
            ValueError: a value is unknown, or there are fewer descriptors than words,
                or too few images for that dimension.
        """
        if aggregation not in AGGREGATIONS:
            raise ValueError(
                f"`aggregation` must be one of {tuple(AGGREGATIONS)}. "
                f"Received: {aggregation!r}."
            )
        samples = {key: Sample(sample_size, seed) for key in features.keys}
        for images in read_batches():
            for key, descriptors in features(images).items():
                samples[key].add(descriptors.reshape(-1, descriptors.shape[-1]))
        learn = AGGREGATIONS[aggregation].learn
        learned = {
            key: learn(
                samples.pop(key).rows(),
                num_words,
                normalization=normalization,
                seed=seed,
            )
            for key in features.keys
        }
        encoder = cls(features, learned)
        if dimension is not None:
            encoder.whiten(read_batches(), dimension, seed=seed)
        return encoder

    def whiten(self, batches: Iterable, dimension: int, *, seed: int = 0) -> None:
        """Learns PCA and whitening, in place of those it has.

        Args:
            batches: of a database's images, as `Features` takes them.
            dimension: of the vectors from here on.
            seed: of a sample, where one is taken.

        Raises:
            ValueError: too few images for that dimension.
        """
        self.whitening = None
        self.whitening = Whitening.fit(self.encode(batches), dimension, seed=seed)

    @property
    def size(self) -> int:
        """Values of an image's vector."""
        if self.whitening is not None:
            return self.whitening.dimension
        return sum(each.size for each in self.aggregations.values())

    def __call__(self, images) -> np.ndarray:
        """Encodes one batch of images.

        Args:
            images: as `Features` takes them.

        Returns:
            float32 `(N, size)`, of unit length.
        """
        return self.aggregate(self.features(images))

    def encode(self, batches: Iterable) -> Iterator[np.ndarray]:
        """Encodes batch after batch, as they come.

        Args:
            batches: of images, as `Features` takes them.
        """
        for images in batches:
            yield self(images)

    def aggregate(self, descriptors: Mapping[tuple[str, int], np.ndarray]):
        """The vectors of images by their descriptors, as `features` gives them.

        Args:
            descriptors: `(layer, scale)` -> `(N, L, D)`; may hold others too.

        Returns:
            float32 `(N, size)`, of unit length.
        """
        parts = [each(descriptors[key]) for key, each in self.aggregations.items()]
        vectors = search.concatenate(parts) if len(parts) > 1 else parts[0]
        return vectors if self.whitening is None else self.whitening(vectors)

    def description(self) -> dict:
        """What a vector depends on, JSON-ready: equal of encoders that agree."""
        kinds = {value: name for name, value in AGGREGATIONS.items()}
        first = self.aggregations[self.features.keys[0]]
        return self.features.description() | {
            "aggregation": kinds[type(first)],
            "normalization": first.normalization,
            "num_words": first.num_words,
            "dimension": None if self.whitening is None else self.whitening.dimension,
            "vector_size": self.size,
            "learned_sha256": arrays_sha256(self.arrays()),
        }

    def arrays(self) -> dict[str, np.ndarray]:
        """What was learned, by name; `from_arrays` needs it, and `description()`."""
        found = {
            f"{layer}@{scale}/{name}": array
            for (layer, scale), each in self.aggregations.items()
            for name, array in each.arrays().items()
        }
        if self.whitening is not None:
            for name, array in self.whitening.arrays().items():
                found[f"whitening/{name}"] = array
        return found

    @classmethod
    def from_arrays(
        cls, features: Features, arrays: Mapping[str, np.ndarray], description: Mapping
    ) -> "Encoder":
        """The encoder that `arrays` and `description` came from.

        Args:
            features: of the same network, weights, layers and scales.
            arrays: as `arrays()` gave them.
            description: as `description()` gave it.

        Raises:
            ValueError: the encoder that results has another description; the message
                says in what.
        """
        kind = AGGREGATIONS[description["aggregation"]]
        normalization = description["normalization"]
        _check_same(features.description(), description)
        aggregations = {
            (layer, scale): kind.from_arrays(
                _within(arrays, f"{layer}@{scale}/"), normalization
            )
            for layer, scale in features.keys
        }
        own = _within(arrays, "whitening/")
        whitening = Whitening.from_arrays(own) if own else None
        encoder = cls(features, aggregations, whitening)
        _check_same(encoder.description(), description)
        return encoder


def _within(arrays, prefix):
    return {
        name.removeprefix(prefix): arrays[name]
        for name in arrays
        if name.startswith(prefix)
    }


def _check_same(found, wanted):
    """That all of `found` is in `wanted`."""
    differing = [name for name in found if found[name] != wanted.get(name)]
    if differing:
        listed = "; ".join(
            f"{name}: {found[name]} here, {wanted.get(name)} there"
            for name in differing
        )
        raise ValueError(f"This encoder differs from the one described: {listed}.")
