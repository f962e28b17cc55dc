"""`vidzoo index FOLDER INDEX`: pictures and videos to a file to search in."""

import logging
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from vidzoo.errors import IndexFileError, SourceError, UsageError
from vidzoo.progress import Progress
from vidzoo.retrieval import (
    BEST_LAYERS,
    IndexBuilder,
    IndexFile,
    index_builder,
    index_file,
    layer_names,
)
from vidzoo.retrieval.features import SIZE
from vidzoo.retrieval.vocabulary import NUM_WORDS
from vidzoo.retrieval.whitening import DIMENSION
from vidzoo.tasks import aggregations, index_encoder, index_paths
from vidzoo.tasks.index_images import Reading, encode, frames_taken
from vidzoo_data import pictures as data

# What is learned is learned of at most so many files: all of the paper's data sets.
SAMPLE = 10_000
# PCA to D dimensions wants 10 D vectors: whitening few vectors to almost as many
# dimensions puts all of them at one distance from each other.
_VECTORS_PER_DIMENSION = 10
_log = logging.getLogger("vidzoo")


def run(
    folder,
    index,
    *,
    add: bool = False,
    layout: str = "folder",
    root=None,
    group_column: str | None = None,
    ground_truth=None,
    network: str | None = None,
    weights=None,
    layer: Sequence[str] | None = None,
    scales: Sequence[int] | None = None,
    size: int | None = None,
    aggregation: str | None = None,
    num_words: int | None = None,
    normalization: str | None = None,
    dimension: int | str | None = None,
    fps: float | None = None,
    num_frames: int | None = None,
    sample: int | None = None,
    seed: int | None = None,
    batch_size: int = 8,
    workers: int = 2,
    accept_license: bool = False,
) -> dict:
    """Builds an index of pictures and frames of videos, or adds new files to one.

    A run that was stopped goes on where it was. What is None is as the index has it if
    it is added to, and else as told below.

    Args:
        folder: of pictures and videos; of the layout `"csv"` the file.
        index: the file to make.
        add: add those of `folder` that are not in the index, by its own encoder.
        layout: see `vidzoo_data.pictures.list_pictures`.
        root: likewise.
        group_column: likewise.
        ground_truth: likewise.
        network: `"googlenet"`, or another backbone's name.
        weights: `"imagenet"`, a preset's name or a file.
        layer: one or several; the paper's best for the layout, for a folder and a CSV
            that for Holidays (section 2.4.4); of other networks it must be given.
        scales: (1, 2).
        size: pixels of an image's side at scale 1, 224.
        aggregation: `"vlad"`, `"bow"` or `"fisher"`.
        num_words: 100.
        normalization: `"intra"`, `"ssr"` or `"none"`; by default that of the
            aggregation's source.
        dimension: by PCA with whitening, or `"none"` for vectors as they are; 128, but
            none where there are fewer than 1,280 vectors, said aloud.
        fps: frames per second of videos, 1.
        num_frames: in place of `fps`: evenly spaced ones of each video.
        sample: files, drawn at random, that words and PCA are learned of; 10,000.
        seed: of all that is drawn, 0.
        batch_size: images at once.
        workers: threads that decode pictures.
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        `index`; its `num_entries`, how many of them were `added`, `vector_size`; and
        what was `quarantined`, path to reason.

    Raises:
        UsageError: a value is unknown or does not fit the pictures.
        SourceError: the folder is not laid out as told, or nothing in it can be read.
        IndexFileError: the index is there (or is not, if it is added to), was made or
            begun with another encoder or of other files, or cannot be written.
        WeightsError: the weights do not fit, or cannot be fetched.
    """
    index = Path(index)
    given = {
        "network": network,
        "layers": None if layer is None else list(layer),
        "scales": None if scales is None else list(scales),
        "size": size,
        "aggregation": aggregation,
        "num_words": num_words,
        "normalization": normalization,
        "dimension": dimension,
        "fps": fps,
        "num_frames": num_frames,
        "sample": sample,
        "seed": seed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    aggregations.check(given.get("aggregation", "vlad"), given.get("normalization"))
    reading = {"batch_size": batch_size, "workers": workers}
    listed = data.list_pictures(
        layout, folder, root=root, group_column=group_column, ground_truth=ground_truth
    )
    for note in listed.notes:
        _log.warning("%s", note)
    pictures = {index_paths.stored(index, p.path): p for p in listed.pictures}
    if add:
        encoder, notes = _own(index, given, weights, accept_license)
    else:
        settings = _settings(given, layout)
        encoder, notes = _learned(
            index, settings, listed, weights or "imagenet", accept_license, reading
        )
    frames = {name: notes[name] for name in ("fps", "num_frames")}
    reading = Reading(encoder.features.image_sizes, **frames, **reading)
    return _build(index, encoder, reading, pictures, add, notes)


def _settings(given, layout):
    """What an index is made by, as a run that goes on must be told it again."""
    network = given.get("network", "googlenet")
    aggregation = given.get("aggregation", "vlad")
    return {
        "network": network,
        "layers": given.get("layers") or _best_layer(network, layout),
        "scales": given.get("scales", [1, 2]),
        "size": given.get("size", SIZE),
        "aggregation": aggregation,
        "num_words": given.get("num_words", NUM_WORDS),
        "normalization": given.get("normalization")
        or aggregations.NORMALIZATIONS[aggregation],
        "dimension": given.get("dimension", "auto"),
        **frames_taken(given.get("fps"), given.get("num_frames")),
        "sample": given.get("sample", SAMPLE),
        "seed": given.get("seed", 0),
    }


def _best_layer(network, layout):
    if network in BEST_LAYERS:
        best = BEST_LAYERS[network]
        return [best.get(layout, best["holidays"])]
    try:
        names = layer_names(network)
    except ValueError as error:
        raise UsageError(str(error)) from error
    raise UsageError(
        f"--layer: which is best is known of {' and '.join(BEST_LAYERS)} alone; of "
        f"{network} give one of {', '.join(names)}."
    )


# Adding


def _own(index, given, weights, accept_license):
    """The encoder of an index that is added to, and its notes."""
    for name in ("sample", "seed"):
        if name in given:
            raise UsageError(
                f"--{name}: is for a new index; nothing is learned when one is added "
                "to. Leave it out."
            )
    opened = IndexFile.load(index)
    about = opened.description | opened.notes
    short = {long: short for short, long in aggregations.AGGREGATIONS.items()}
    about["aggregation"] = short.get(about.get("aggregation"))
    for name in ("normalization", "dimension"):
        about[name] = about.get(name) or "none"
    wanted = {name: about.get(name) for name in given}
    if differing := index_file.differing(wanted, given):
        raise IndexFileError(
            f"{index}: was made otherwise: {'; '.join(differing)}. What is added to it "
            "is encoded as it was made; leave those flags out, or build another index."
        )
    encoder = index_encoder.open_encoder(opened, weights, accept_license=accept_license)
    frames = {name: opened.notes.get(name) for name in ("fps", "num_frames")}
    return encoder, opened.notes | frames_taken(**frames)


# Learning


def _learned(index, settings, listed, weights, accept_license, reading):
    """The encoder of a new index, this run's or the one before's, and its notes."""
    index_builder.check_absent(index)
    names = ("network", "layers", "scales", "size")
    features, found = index_encoder.features(
        *(settings[name] for name in names), weights, accept_license=accept_license
    )
    frames = {name: settings[name] for name in ("fps", "num_frames")}
    notes = {"weights": index_encoder.note(found, index), **frames}
    described = settings | features.description() | index_encoder.WARPED
    pictures = _sampled(listed.pictures, settings["sample"], settings["seed"])
    files = {index_paths.stored(index, p.path): _size(p.path) for p in pictures}
    if kept := index_builder.kept_encoder(index, described, files):
        _log.info("%s: going on with the words of the run before", index)
        return index_encoder.PictureEncoder.from_arrays(features, *kept), notes
    reading = Reading(features.image_sizes, **frames, **reading)
    encoder = _learn(features, settings, reading, pictures)
    index_builder.keep_encoder(index, encoder, described, files)
    return encoder, notes


def _learn(features, settings, reading, pictures):
    learning = _Pass("words", reading, pictures)
    try:
        encoder = index_encoder.PictureEncoder.fit(
            features,
            learning.images,
            **aggregations.of_encoder(
                settings["aggregation"], settings["normalization"]
            ),
            num_words=settings["num_words"],
            seed=settings["seed"],
        )
        dimension = _dimension(settings["dimension"], learning.num_images, encoder.size)
        if dimension is not None:
            images = _Pass("PCA", reading, pictures).images()
            _whiten(encoder, images, dimension, settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    return encoder


def _whiten(encoder, images, dimension, settings):
    try:
        encoder.whiten(images, dimension, seed=settings["seed"])
    except ValueError as error:  # of many pictures that are alike
        if settings["dimension"] != "auto":
            raise
        _log.warning("no PCA, so vectors stay as they are: %s", error)


def _sampled(pictures, most, seed):
    if len(pictures) <= most:
        return pictures
    places = np.random.default_rng(seed).choice(len(pictures), most, replace=False)
    return [pictures[place] for place in np.sort(places)]


def _dimension(wanted, num_images, size):
    """To how many dimensions PCA goes; None for no PCA."""
    if wanted == "none" or (wanted == "auto" and size <= DIMENSION):
        return None
    if wanted != "auto":
        return wanted
    enough = _VECTORS_PER_DIMENSION * DIMENSION
    if num_images >= enough:
        return DIMENSION
    _log.warning(
        "no PCA: %d images are few for %d dimensions (%d are enough), so vectors keep "
        "their %d values; --dimension decides otherwise",
        *(num_images, DIMENSION, enough, size),
    )
    return None


class _Pass:
    """A pass over files for learning; what cannot be read is told when it is indexed.

    Attributes:
        num_images: that were read.
    """

    def __init__(self, title, reading, pictures):
        self._title, self._reading, self._pictures = title, reading, pictures
        self.num_images = 0

    def images(self):
        """Batches as `vidzoo.retrieval.Features` takes them."""
        failures, num_files = [], len(self._pictures)
        places = {picture: i for i, picture in enumerate(self._pictures, 1)}
        with (
            Progress(self._title, num_files, "files") as progress,
            closing(self._reading.batches(self._pictures, failures)) as batches,
        ):
            for batch in batches:
                yield batch.images
                self.num_images += len(batch.pictures)
                progress.update(places[batch.pictures[-1]])
        if not self.num_images:
            first, reason, _ = failures[0]
            raise SourceError(
                f"none of {num_files} pictures and videos can be read; the first, "
                f"{first.path}: {reason}"
            )


# Building


def _build(index, encoder, reading, pictures, add, notes):
    inputs = {path: _size(picture.path) for path, picture in pictures.items()}
    paths = {picture: path for path, picture in pictures.items()}
    failures, before = [], 0
    with IndexBuilder(index, encoder, inputs, adds=add, notes=notes) as builder:
        if add:
            before = len(IndexFile.load(index).entries)
        todo = [p for path, p in pictures.items() if path not in builder.done]
        if len(todo) < len(inputs):
            _log.info("%d of %d files are there", len(inputs) - len(todo), len(inputs))
        with Progress("index", len(todo), "files") as progress:
            num_whole = 0
            for piece in encode(encoder, reading, todo, failures):
                frames = zip(piece.frames, piece.seconds, strict=True)
                path = paths[piece.picture]
                entries = [index_paths.entry(path, *frame) for frame in frames]
                builder.append(piece.vectors, entries, more=piece.more)
                num_whole += not piece.more
                progress.update(num_whole + len(failures))
        opened = builder.finish()
    return {
        "index": str(index),
        "num_entries": len(opened.entries),
        "added": len(opened.entries) - before,
        "vector_size": opened.vectors.shape[1],
        "quarantined": {str(each.picture.path): each.reason for each in failures},
    }


def _size(path):
    try:
        return path.stat().st_size
    except OSError:  # a link to nowhere: reading it says so
        return 0
