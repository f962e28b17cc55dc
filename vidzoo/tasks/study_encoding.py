"""Pictures of a retrieval study: encoded, ranked and measured, in a fixed memory.

Two passes over the pictures, one to learn words and one to encode, serve all layers at
once. Descriptors are never kept: VLADs wait on disk until they are ranked.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vidzoo.errors import UsageError
from vidzoo.retrieval import (
    Encoder,
    Features,
    Whitening,
    concatenate,
    feature_maps,
    measure,
    nearest,
)
from vidzoo.retrieval.normalization import l2
from vidzoo.tasks import picture_passes
from vidzoo.tasks.study_cells import Cell
from vidzoo_data import pictures

_QUERIES = 256  # ranked at once
_ROWS = 256  # vectors at once


@dataclass(frozen=True)
class Settings:
    """How everything in a study is measured.

    Attributes:
        data: the pictures and queries.
        aggregation: as `Encoder.fit` has it.
        normalization: likewise.
        size: pixels of an image's side at scale 1.
        batch_size: pictures at once.
        folder: for vectors that wait.
        on_pictures: called with the number of pictures of each batch.
    """

    data: pictures.PictureSet
    aggregation: str
    normalization: str | None
    size: int
    batch_size: int
    folder: Path
    on_pictures: Callable[[int], None] = field(compare=False)

    def read(self, sides) -> Iterator[tuple[np.ndarray, ...]]:
        """One pass over all pictures: batches with an array for each side.

        Raises:
            PictureError: one cannot be read: what is measured without it would be
                another data set.
        """
        passed = picture_passes.read(self.data.pictures, sides, self.batch_size)
        for images in passed:
            yield images
            self.on_pictures(len(images[0]))


def measure_pooling(settings: Settings, cell: Cell, weights) -> dict:
    """Measures the global average of a layer's map, at unit length.

    Args:
        settings: of the study.
        cell: which.
        weights: of its network.
    """
    side = settings.size * cell.scales[0]
    model = feature_maps(cell.network, [cell.layer], size=side, weights=weights)
    vectors = [
        l2(np.asarray(model.predict_on_batch(images)[cell.layer]).mean(axis=(1, 2)))
        for (images,) in settings.read([side])
    ]
    return _measure(settings.data, np.concatenate(vectors))


def measure_layers(
    settings: Settings, features: Features, cells: list[Cell]
) -> Iterator[tuple[Cell, dict]]:
    """Measures layers by the words of one seed, in two passes over the pictures.

    Words, and so vectors, are those of `Encoder.fit` with that seed.

    Args:
        settings: of the study.
        features: of the cells' network, layers and scales.
        cells: alike but for layer and dimension.

    Raises:
        UsageError: there are too few descriptors for so many words, or too few
            different pictures for a dimension.
    """
    first = cells[0]
    try:
        encoder = Encoder.fit(
            features,
            lambda: settings.read(features.image_sizes),
            aggregation=settings.aggregation,
            num_words=first.num_words,
            normalization=settings.normalization,
            seed=first.seed,
        )
    except ValueError as error:
        raise UsageError(f"{error} (--num_words)") from error
    files = _encode(settings, encoder)
    for layer in features.layers:
        own = [cell for cell in cells if cell.layer == layer]
        vectors = np.load(files[layer], mmap_mode="r")
        for cell, short in zip(own, _shortened(vectors, own), strict=True):
            yield cell, _measure(settings.data, short)
        files[layer].unlink()


def _encode(settings, encoder):
    """Every layer's vectors of all pictures, in a file each."""
    features, arrays, files, done = encoder.features, {}, {}, 0
    for layer in features.layers:
        size = sum(encoder.aggregations[layer, s].size for s in features.scales)
        files[layer] = settings.folder / f"{layer}.npy"
        shape = (len(settings.data.pictures), size)
        arrays[layer] = np.lib.format.open_memmap(files[layer], "w+", np.float32, shape)
    for images in settings.read(features.image_sizes):
        descriptors = features(images)
        rows = slice(done, done + len(images[0]))
        for layer, array in arrays.items():
            parts = [
                encoder.aggregations[layer, scale](descriptors[layer, scale])
                for scale in features.scales
            ]
            array[rows] = concatenate(parts) if len(parts) > 1 else parts[0]
        done = rows.stop
    return files


def _shortened(vectors, cells):
    """The vectors in each cell's dimension; of PCA the first axes are always equal."""
    wanted = [cell.dimension for cell in cells if cell.dimension is not None]
    if wanted:
        parts = (vectors[i : i + _ROWS] for i in range(0, len(vectors), _ROWS))
        try:
            whitening = Whitening.fit(parts, max(wanted), seed=cells[0].seed)
        except ValueError as error:
            raise UsageError(f"{cells[0].layer}: {error} (--dimensions)") from error
    for cell in cells:
        if cell.dimension is None:
            yield vectors
            continue
        short = Whitening(whitening.mean, whitening.projection[:, : cell.dimension])
        yield np.concatenate(
            [short(vectors[i : i + _ROWS]) for i in range(0, len(vectors), _ROWS)]
        )


def _measure(data, vectors):
    """All queries, ranked a few at a time."""
    ids = [picture.picture_id for picture in data.pictures]
    places = {picture_id: place for place, picture_id in enumerate(ids)}
    precisions, num_first = {}, 0.0
    for start in range(0, len(data.queries), _QUERIES):
        queries = data.queries[start : start + _QUERIES]
        own = vectors[[places[query.picture_id] for query in queries]]
        found, _ = nearest(vectors, own, len(ids))
        rankings = {
            query.query_id: [ids[place] for place in row]
            for query, row in zip(queries, found, strict=True)
        }
        measured = measure(data.name, queries, rankings)
        precisions |= measured.average_precisions
        if measured.precision_at_1 is not None:
            num_first += measured.precision_at_1 * len(queries)
    finds_itself = measured.precision_at_1 is None
    return {
        "vector_size": vectors.shape[1],
        "map": float(np.mean(list(precisions.values()))),
        "precision_at_1": None if finds_itself else num_first / len(data.queries),
        "average_precisions": precisions,
    }
