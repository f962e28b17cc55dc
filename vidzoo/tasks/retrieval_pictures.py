"""`vidzoo retrieval-pictures PATH OUT`: what layers take for alike.

Source: dissertation, section 2.4.3: correspondence (Fig. 2.3) and clusters (Fig. 2.4).
"""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidzoo.errors import UsageError
from vidzoo.explain.patches import patch_clusters, patchwork
from vidzoo.explain.sheet import Panel, sheet
from vidzoo.progress import Progress
from vidzoo.retrieval import Features, Sample, learn_codebook
from vidzoo.retrieval import layers as named_layers
from vidzoo.retrieval.features import SIZE
from vidzoo.retrieval.patches import NearestPatches
from vidzoo.retrieval.vocabulary import SAMPLE_SIZE
from vidzoo.tasks import picture_file, picture_passes
from vidzoo.tasks.initial_weights import located
from vidzoo_data.pictures import Picture, list_pictures
from vidzoo_data.pictures.read import warp


def correspondence(
    path, out, *, query, neighbors: Sequence[int] = (1, 5), **options
) -> dict:
    """Puts a picture together of the patches of others that its own are nearest to.

    Args:
        path: the pictures, as their layout has them.
        out: the `.png` to make.
        query: the id of one of them, or a file; it is left out of those looked through.
        neighbors: of how many nearest patches the mean is shown.
        **options: as of `_Patches`.

    Returns:
        Under `layers`, by layer and scale, `map_size`, the mean `distance` of the
        nearest patches, and `pictures`: how many of them each picture has.

    Raises:
        UsageError: a value is unknown or out of range, or `out` cannot be written.
        SourceError: the pictures are not as the layout has them.
        VidzooError: a picture cannot be read, or the weights do not fit.
    """
    picture_file.check_out(Path(out), "OUT")
    if not neighbors or min(neighbors) < 1:
        raise UsageError("--neighbors: give numbers of 1 or more.")
    found = _Patches(path, **options)
    own = found.take_out(query)
    features = found.features
    # One image; a batch for each scale.
    images = next(iter(picture_passes.read([own], features.image_sizes, 1)))
    vectors = {key: each[0] for key, each in features(images).items()}
    nearest = found.nearest(vectors, max(neighbors), "correspondence")
    query_image = warp(images[0][0], features.size)
    rows, answers = [], {}
    for count in neighbors:
        row = [Panel(query_image, own.path.name)]
        for key, patches in nearest.items():
            picture = patchwork(patches.patches[:, :count], features.map_size(*key)[:2])
            caption = f"{_name(key)}, {count} nearest"
            row.append(Panel(warp(picture, features.size), caption))
        rows.append(row)
    for key, patches in nearest.items():
        answers[_name(key)] = {
            "map_size": list(features.map_size(*key)[:2]),
            "distance": float(patches.distances[:, 0].mean()),
            "pictures": found.counted(patches.images[:, 0]),
        }
    picture_file.write(Path(out), sheet(rows))
    return {"picture": str(out), "query": own.picture_id, "layers": answers}


def clusters(
    path,
    out,
    *,
    num_rows: int = 8,
    num_patches: int = 10,
    num_words: int | None = None,
    seed: int = 0,
    **options,
) -> dict:
    """Draws some patches, or words, in a row each with the patches nearest to it.

    Args:
        path: as of `correspondence`.
        out: likewise.
        num_rows: patches that are sampled, uniformly among all of the pictures.
        num_patches: in a row; the first is the sampled one itself.
        num_words: rows are words of a vocabulary of so many, in place of patches.
        seed: of the sample, and of the vocabulary.
        **options: as of `_Patches`.

    Returns:
        Under `layers`, by layer and scale, a list of rows: `distances`, and `pictures`
        that the patches are from.

    Raises:
        UsageError: as `correspondence`; or there are fewer descriptors than words, or
            words than rows.
        SourceError: likewise.
        VidzooError: likewise.
    """
    picture_file.check_out(Path(out), "OUT")
    if num_words is not None and num_words < num_rows:
        raise UsageError(
            f"--num_words: {num_words} words make no {num_rows} rows. Give more, or "
            "fewer --rows."
        )
    found = _Patches(path, **options)
    vectors = found.sampled(num_rows, num_words, seed)
    nearest = found.nearest(vectors, num_patches, "clusters, patches")
    names = [picture.picture_id for picture in found.pictures]
    panels = [
        Panel(patch_clusters(each.patches), _name(key)) for key, each in nearest.items()
    ]
    picture_file.write(Path(out), sheet([panels]))
    return {
        "picture": str(out),
        "layers": {
            _name(key): [
                {"distances": row.tolist(), "pictures": [names[i] for i in numbers]}
                for row, numbers in zip(each.distances, each.images, strict=True)
            ]
            for key, each in nearest.items()
        },
    }


class _Patches:
    """Pictures, and the descriptors of their patches.

    Args:
        path: the pictures.
        layers: of the network.
        scales: in multiples of `size`.
        network: a key of `vidzoo.models.backbones.BACKBONES`.
        weights: a file, a preset's name or `"imagenet"`.
        layout: as `list_pictures` has it; videos in a folder are left out.
        size: pixels of an image's side at scale 1.
        batch_size: pictures at once.
        accept_license: accept a preset's licence that forbids commercial use.
        **listing: `root`, `group_column` and `ground_truth`, as `list_pictures` has
            them.
    """

    def __init__(
        self,
        path,
        *,
        layers,
        scales=(1,),
        network="googlenet",
        weights="imagenet",
        layout="folder",
        size=SIZE,
        batch_size=8,
        accept_license=False,
        **listing,
    ):
        data = list_pictures(layout, path, **listing)
        self.pictures = [p for p in data.pictures if not p.is_video]
        self._batch_size = batch_size
        try:
            parts = named_layers.find(network)
            _, file = located(
                *(weights, parts.name, parts.variant), accept_license=accept_license
            )
            options = {"scales": scales, "size": size, "weights": file}
            self.features = Features(network, layers, **options)
        except ValueError as error:
            raise UsageError(f"{error} (--network, --layers, --scales)") from error
        self._check_some(path)

    def take_out(self, query) -> Picture:
        """The query, which is not among the pictures any more."""
        own = next((p for p in self.pictures if p.picture_id == str(query)), None)
        if own is None and not Path(query).is_file():
            raise UsageError(
                f"{query}: neither the name of a picture among the "
                f"{len(self.pictures)}, such as {self.pictures[0].picture_id}, nor a "
                "file (--query)."
            )
        own = own or Picture(Path(query).name, Path(query))
        self.pictures = [
            p for p in self.pictures if not os.path.samefile(p.path, own.path)
        ]
        self._check_some(own.path)
        return own

    def _check_some(self, path):
        if not self.pictures:
            raise UsageError(f"{path}: there is no picture to look through.")

    def _passed(self, title):
        """One pass over the pictures: images by scale, and descriptors."""
        done = 0
        sides = self.features.image_sizes
        with Progress(title, len(self.pictures), "pictures") as progress:
            for images in picture_passes.read(self.pictures, sides, self._batch_size):
                by_scale = dict(zip(self.features.scales, images, strict=True))
                yield by_scale, self.features(images)
                done += len(images[0])
                progress.update(done)

    def nearest(self, vectors, num_patches, title):
        """`(layer, scale)` -> `NearestPatches` to its vectors, among all pictures."""
        found = {
            key: NearestPatches(each, num_patches) for key, each in vectors.items()
        }
        for images, descriptors in self._passed(title):
            for key, patches in found.items():
                map_size = self.features.map_size(*key)[:2]
                patches.add(images[key[1]], descriptors[key], map_size)
        return found

    def sampled(self, num_rows, num_words, seed):
        """`(layer, scale)` -> descriptors of some patches, or some words."""
        size = num_rows if num_words is None else SAMPLE_SIZE
        samples = {key: Sample(size, seed) for key in self.features.keys}
        for _, descriptors in self._passed("clusters, sample"):
            for key, sample in samples.items():
                each = descriptors[key]
                sample.add(each.reshape(-1, each.shape[-1]))
        found = {key: sample.rows() for key, sample in samples.items()}
        if num_words is None:
            return found
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(num_words, num_rows, replace=False))
        try:
            return {
                key: learn_codebook(rows, num_words, seed=seed)[chosen]
                for key, rows in found.items()
            }
        except ValueError as error:
            raise UsageError(f"{error} (--num_words)") from error

    def counted(self, numbers):
        """By picture, how often; most often first."""
        counts = Counter(numbers.tolist())
        return {self.pictures[i].picture_id: n for i, n in counts.most_common()}


def _name(key):
    return f"{key[0]}, scale {key[1]}"
