"""The encoder of an index: learned of pictures, or made again with its weights.

An index holds what was learned, and the digest of the network's weights, not the
weights: it notes where they were found.
"""

import os
from pathlib import Path

from vidzoo.errors import IndexFileError, UsageError
from vidzoo.retrieval import Encoder, Features, IndexFile, index_file
from vidzoo.retrieval import layers as named_layers
from vidzoo.tasks import index_paths
from vidzoo.tasks.initial_weights import located
from vidzoo_data.pictures import WARP

WARPED = {"warp": WARP}
"""How pictures become squares, as an index has it beside what its encoder says."""


class PictureEncoder(Encoder):
    """An encoder of what `vidzoo_data.pictures` reads, of which warping is a part."""

    def description(self) -> dict:
        """As of an `Encoder`, and how pictures become squares."""
        return super().description() | WARPED


def features(
    network: str, layers, scales, size: int, weights, *, accept_license: bool = False
) -> tuple[Features, dict]:
    """A network's features, and what an index notes of its weights.

    Args:
        network: as of `vidzoo.retrieval.Features`.
        layers: likewise.
        scales: likewise.
        size: likewise.
        weights: a file, a preset's name or `"imagenet"`.
        accept_license: accept a preset's licence that forbids commercial use.

    Raises:
        UsageError: a name is unknown, or a size too small.
        WeightsError: the weights are of another network, or cannot be fetched.
    """
    try:
        parts = named_layers.find(network)
        given, file = located(
            weights, parts.name, parts.variant, accept_license=accept_license
        )
        made = Features(network, layers, scales=scales, size=size, weights=file)
    except ValueError as error:
        raise UsageError(str(error)) from error
    noted = {"file": given} if Path(given) == file else {"preset": given}
    return made, noted


def note(weights: dict, index: Path) -> dict:
    """What `features` gave of the weights, as an index has it."""
    if "file" in weights:
        return {"file": index_paths.stored(index, weights["file"])}
    return weights


def open_encoder(
    index: IndexFile, weights=None, *, accept_license: bool = False
) -> PictureEncoder:
    """The encoder that an index was made with.

    Args:
        index: it.
        weights: as of `features`; None for those that the index notes.
        accept_license: likewise.

    Raises:
        IndexFileError: the weights are others, or not where they were, or pictures
            become squares otherwise than when it was made.
        WeightsError: they are of another network, or cannot be fetched.
    """
    about = index.description
    missing = {"network", "layers", "scales", "size", "aggregation"} - about.keys()
    if missing:
        raise IndexFileError(
            f"{index.path}: does not say what its {min(missing)} is; expected an index "
            "that `vidzoo index` made."
        )
    if differing := index_file.differing({"warp": about.get("warp")}, WARPED):
        raise IndexFileError(
            f"{index.path}: its pictures became squares in another way: "
            f"{'; '.join(differing)}. Build another index, or use the version of "
            "vidzoo that made it."
        )
    if weights is None:
        weights = _noted_weights(index)
    made, _ = features(
        *(about[name] for name in ("network", "layers", "scales", "size")),
        weights,
        accept_license=accept_license,
    )
    found = made.description()
    wanted = {name: about.get(name) for name in found}
    if differing := index_file.differing(wanted, found):
        raise IndexFileError(
            f"{index.path}: was made with another network than {weights} gives: "
            f"{'; '.join(differing)}. Give the weights it was made with (--weights)."
        )
    encoder = PictureEncoder.from_arrays(made, index.arrays, about)
    index.check_encoder(encoder)
    return encoder


def _noted_weights(index):
    noted = index.notes.get("weights", {})
    if "preset" in noted:
        return noted["preset"]
    if "file" not in noted:
        raise IndexFileError(
            f"{index.path}: does not say where its weights are. Give them (--weights)."
        )
    file = index_paths.shown(index.path, noted["file"])
    if not os.path.exists(file):
        raise IndexFileError(
            f"{index.path}: its weights are no longer at {file}. Give them (--weights)."
        )
    return Path(file)
