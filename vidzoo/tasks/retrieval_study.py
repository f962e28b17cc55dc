"""`vidzoo retrieval-study PATH OUT`: which layer, and which scale, finds pictures best.

Source: dissertation, sections 2.4.1 to 2.4.4: Figure 2.2, Tables 2.2 and 2.3.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from vidzoo.errors import UsageError
from vidzoo.locking import locked
from vidzoo.progress import Progress
from vidzoo.retrieval import PROTOCOLS, Features, layer_names
from vidzoo.retrieval import layers as named_layers
from vidzoo.retrieval.features import SIZE
from vidzoo.retrieval.vocabulary import NUM_WORDS
from vidzoo.retrieval.whitening import DIMENSION, SAMPLE_SIZE
from vidzoo.tasks import aggregations, study_cells, study_encoding, study_report
from vidzoo.tasks.initial_weights import fingerprint, located
from vidzoo.tasks.study_cells import Cell, Cells
from vidzoo.weights import open_weights
from vidzoo_data.pictures import list_pictures

_WORK = "work"  # folder of vectors that wait to be ranked
_log = logging.getLogger("vidzoo")


def run(
    path,
    out,
    *,
    layout: str,
    networks: Sequence[str] = ("googlenet",),
    weights: Mapping[str, str] | None = None,
    layers: Sequence[str] | None = None,
    scales: Sequence[int] = (1, 2),
    num_words: Sequence[int] = (NUM_WORDS,),
    vocabularies: int = 3,
    dimensions: Sequence[int | None] | None = None,
    aggregation: str = "vlad",
    normalization: str | None = None,
    size: int = SIZE,
    batch_size: int = 8,
    seed: int = 0,
    root=None,
    group_column: str | None = None,
    ground_truth=None,
    accept_license: bool = False,
) -> dict:
    """Measures mAP of every layer at every scale, and of all scales of the best one.

    What is measured already is kept: a study that was stopped goes on where it was, and
    one of more layers, words or vocabularies adds to what is there.

    Args:
        path: the data set, as its layout has it.
        out: the folder of the study.
        layout: a key of `PROTOCOLS`.
        networks: keys of `vidzoo.models.backbones.BACKBONES`.
        weights: of each network: a file, a preset's name or `"imagenet"`, which is
            taken for those that are not named.
        layers: names; each network takes those that it has. None for all.
        scales: sides of an image, in multiples of `size`.
        num_words: sizes of vocabularies.
        vocabularies: how many of each size; their seeds are `seed` and those after it.
        dimensions: of PCA with whitening; None among them for vectors as they are. By
            default None and, if there are so many pictures, 128.
        aggregation: `"vlad"`, `"bow"` or `"fisher"`.
        normalization: `"intra"`, `"ssr"` or `"none"`; by default that of the
            aggregation's source.
        size: pixels of an image's side at scale 1.
        batch_size: pictures at once.
        seed: of the first vocabulary.
        root: of layout `csv`, as `list_pictures` has it.
        group_column: likewise.
        ground_truth: of `oxford` and `paris`, likewise.
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        As `study_report.summary` has it; `study.json`, `study.csv` and `study.png` in
        `out` hold it too.

    Raises:
        UsageError: a value is unknown or out of range, or `out` holds something else,
            or a study that measured otherwise.
        SourceError: the data set is not as its layout has it.
        VidzooError: a picture cannot be read, or weights do not fit.
    """
    out = Path(out)
    study_cells.check_folder(out)
    if layout not in PROTOCOLS:
        raise UsageError(
            f"no layout '{layout}' here. Choose one of: {', '.join(PROTOCOLS)} "
            "(--layout)."
        )
    aggregations.check(aggregation, normalization)
    _check_numbers(scales, num_words, vocabularies)
    normalization = normalization or aggregations.NORMALIZATIONS[aggregation]
    chosen = _layers_of(networks, layers)
    options = {
        "root": root,
        "group_column": group_column,
        "ground_truth": ground_truth,
    }
    data = list_pictures(layout, path, **options)
    notes = list(data.notes)
    dimensions = _checked_dimensions(dimensions, len(data.pictures), notes)
    for note in notes:
        _log.info("note: %s", note)
    files = _weights_files(networks, weights or {}, accept_license)
    alike = {
        "data_set": _digest(data),
        "aggregation": aggregation,
        "normalization": normalization,
        "size": size,
    }
    made_with = {
        network: alike | {"weights": fingerprint(file)}
        for network, file in files.items()
    }
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        study = _Study(
            cells=Cells(out, made_with),
            folder=_empty(out / _WORK),
            weights={network: open_weights(file) for network, file in files.items()},
            scales=tuple(scales),
            dimensions=dimensions,
        )
        study.settings = study_encoding.Settings(
            data=data,
            **aggregations.of_encoder(aggregation, normalization),
            size=size,
            batch_size=batch_size,
            folder=study.folder,
            on_pictures=study.on_pictures,
        )
        seeds = range(seed, seed + vocabularies)
        study.sweep(chosen, num_words, seeds)
        study.combine_scales(chosen, num_words, seeds)
        shutil.rmtree(study.folder)
        found = study_report.summary(data, study.cells, alike)
        found |= {"path": str(path), "out": str(out), "notes": notes}
        study_report.write(out, found)
    return found


class _Study:
    """Measures what is not yet measured."""

    def __init__(self, cells, folder, weights, scales, dimensions):
        self.cells, self.folder, self.settings = cells, folder, None
        self._weights, self._scales, self._dimensions = weights, scales, dimensions
        self._progress, self._done, self._note = None, 0, ""
        self._features = None, None

    def on_pictures(self, count):
        self._done += count
        self._progress.update(self._done, self._note)

    def sweep(self, chosen, num_words, seeds):
        """Every layer at every scale."""
        groups = [
            (network, layers, (scale,), words, seed)
            for network, layers in chosen.items()
            for scale in self._scales
            for words in num_words
            for seed in seeds
        ]
        pooled = [
            Cell(network, layer_names(network)[-1], (scale,))
            for network in chosen
            for scale in self._scales
        ]
        self._measure("layers", groups, [c for c in pooled if c not in self.cells])

    def combine_scales(self, chosen, num_words, seeds):
        """All scales of the best layer, of the paper's where its layer is known."""
        if len(self._scales) < 2:
            return
        groups = []
        for network, layers in chosen.items():
            for words in num_words:
                best = study_report.table_layer(
                    self.cells, self.settings.data.name, network, layers, words
                )
                groups += [(network, [best], self._scales, words, s) for s in seeds]
        self._measure("scales together", groups, [])

    def _measure(self, title, groups, pooled):
        waiting = [cells for group in groups if (cells := self._waiting(*group))]
        num_passes = len(pooled) + 2 * len(waiting)
        if not num_passes:
            return
        total = num_passes * len(self.settings.data.pictures)
        self._done = 0
        with Progress(f"retrieval-study, {title}", total, "pictures") as self._progress:
            for cell in pooled:
                self._note = f"{cell.network} pooled, scale {cell.scales[0]}"
                weights = self._weights[cell.network]
                found = study_encoding.measure_pooling(self.settings, cell, weights)
                self.cells.add(cell, found)
            for cells in waiting:
                self._measure_layers(cells)

    def _waiting(self, network, layers, scales, words, seed):
        cells = [
            Cell(network, layer, scales, words, seed, dimension)
            for layer in layers
            for dimension in self._dimensions
        ]
        return [cell for cell in cells if cell not in self.cells]

    def _measure_layers(self, cells):
        first = cells[0]
        scales = "+".join(map(str, first.scales))
        self._note = (
            f"{first.network} scale {scales}, {first.num_words} words, seed "
            f"{first.seed}"
        )
        layers = tuple(dict.fromkeys(cell.layer for cell in cells))
        features = self._features_of(first.network, layers, first.scales)
        found = study_encoding.measure_layers(self.settings, features, cells)
        for cell, measured in found:
            self.cells.add(cell, measured)

    def _features_of(self, network, layers, scales):
        """Built once for all vocabularies that follow each other."""
        key = (network, layers, scales)
        if self._features[0] != key:
            try:
                features = Features(
                    *(network, layers),
                    scales=scales,
                    size=self.settings.size,
                    weights=self._weights[network],
                )
            except ValueError as error:
                raise UsageError(str(error)) from error
            self._features = key, features
        return self._features[1]


def _check_numbers(scales, num_words, vocabularies):
    for flag, values in (
        ("scales", scales),
        ("num_words", num_words),
        ("vocabularies", [vocabularies]),
    ):
        if not values or len(set(values)) < len(values) or min(values) < 1:
            listed = ", ".join(map(str, values)) or "none"
            raise UsageError(
                f"--{flag}: give different numbers of 1 or more. Received: {listed}."
            )


def _layers_of(networks, layers):
    """Network -> its layers, low to high."""
    known = {}
    for network in networks:
        try:
            known[network] = layer_names(network)
        except ValueError as error:
            raise UsageError(f"{error} (--networks)") from error
    if layers is None:
        return known
    for layer in layers:
        if not any(layer in names for names in known.values()):
            listed = "; ".join(f"{n}: {', '.join(known[n])}" for n in known)
            raise UsageError(
                f"no layer '{layer}'. Choose some of: {listed}; or all (--layers)."
            )
    chosen = {n: tuple(x for x in known[n] if x in layers) for n in known}
    for network, names in chosen.items():
        if not names:
            raise UsageError(
                f"none of the layers is one of {network}. Choose some of: "
                f"{', '.join(known[network])} (--layers)."
            )
    return chosen


def _checked_dimensions(dimensions, num_pictures, notes):
    largest = num_pictures - 1  # what so many pictures span about their mean
    if dimensions is None:
        if DIMENSION > largest:
            notes.append(
                f"no PCA to {DIMENSION} dimensions: {num_pictures} pictures span "
                f"{largest} at most"
            )
            return (None,)
        return (None, DIMENSION)
    of = f"{num_pictures} pictures"
    if num_pictures > SAMPLE_SIZE:  # of which long vectors are whitened
        largest, of = SAMPLE_SIZE - 1, f"a sample of {SAMPLE_SIZE} of {of}"
    for dimension in dimensions:
        if dimension is not None and not 1 <= dimension <= largest:
            raise UsageError(
                f"--dimensions: {dimension} is not 1 to {largest}, the largest "
                f"possible of {of}. Give a smaller one, or none."
            )
    return tuple(dict.fromkeys(dimensions))


def _weights_files(networks, weights, accept_license):
    unknown = [network for network in weights if network not in networks]
    if unknown:
        raise UsageError(
            f"--weights: {unknown[0]} is not one of the networks, "
            f"{', '.join(networks)} (--networks)."
        )
    files = {}
    for network in networks:
        parts = named_layers.find(network)
        given = weights.get(network, "imagenet")
        _, files[network] = located(
            *(given, parts.name, parts.variant), accept_license=accept_license
        )
    return files


def _digest(data):
    """Of what is measured: names and sizes of pictures, and what queries find."""
    content = {
        "layout": data.name,
        "pictures": [(p.picture_id, p.path.stat().st_size) for p in data.pictures],
        "queries": [
            (q.query_id, q.picture_id, sorted(q.positives), sorted(q.junk))
            for q in data.queries
        ],
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _empty(folder):
    """Without what a run that was killed left in it."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder
