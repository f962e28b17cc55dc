"""Weights files and presets: which network their arrays belong to; and saving them.

vidzoo's own format is a NumPy `.npz` with one array per variable, named
`layer/variable`, and a JSON header that says to which network, on which variant of
which backbone, with which preprocessing, the arrays belong.
"""

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError
from vidzoo.atomic import replacing
from vidzoo.errors import WeightsError
from vidzoo.layers import Preprocess
from vidzoo.weights import convert, download, read
from vidzoo.weights.assign import differences, named_variables
from vidzoo.weights.names import preset_for
from vidzoo.weights.weights_file import WeightsFile

_SEED = "/seed_generator/"  # a dropout layer's random state
_LONGEST_HEADER = 2**20  # bytes; ours have some 2 kB
_log = logging.getLogger("vidzoo")


class UnknownNetworkError(WeightsError):
    """A file that neither says nor tells by its names which network it belongs to."""


def open_weights(
    weights: str | os.PathLike | WeightsFile | None,
    network: str | None = None,
    variant: str | None = None,
) -> WeightsFile | None:
    """Reads weights: vidzoo's own, or some that a converter knows by their names.

    Args:
        weights: a file of any format that `vidzoo.weights.read` knows; or a preset's
            name, or `"imagenet"`, which is fetched if it is not in the cache. None, and
            weights already read (`vidzoo.weights.initialize`), come back as they are.
        network: the network, or the backbone, that wants them; a preset of another is
            refused before it is fetched, and `"imagenet"` needs it.
        variant: which of the networks of that name.

    Raises:
        WeightsError: the file cannot be read or fetched, or it does not say (and its
            names do not tell) which network it belongs to, an `UnknownNetworkError`.
    """
    if weights is None or isinstance(weights, WeightsFile):
        return weights
    preset = preset_for(weights, network, variant)
    if preset is None:
        return _open_file(Path(weights))
    weights_file = _open_file(download.fetch(preset))
    if (weights_file.network, weights_file.variant) != (preset.network, preset.variant):
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network} "
            f"{weights_file.variant}; the preset {preset.name} is of {preset.network} "
            f"{preset.variant}. Remove that file, and it is fetched anew."
        )
    settings = preset.preprocess
    return replace(weights_file, preprocess=settings, preset=preset.name)


def _open_file(path):
    arrays = read.read(path)
    if read.HEADER in arrays:
        return _own_file(path, arrays)
    for converter in convert.CONVERTERS:
        if converter.recognises(arrays):
            return _converted(path, arrays, converter)
    raise UnknownNetworkError(
        f"{path}: cannot tell which network these {len(arrays)} arrays belong to "
        f"(first: {next(iter(arrays), 'none')}). Expected a file that vidzoo wrote, "
        "or one of the public weights that docs/weights.md lists. If Keras wrote it "
        "of one of vidzoo's networks but those on a backbone, name that: "
        "vidzoo convert FILE --model=NAME --out=FILE.npz."
    )


def _converted(path, arrays, converter):
    preset = converter.PRESET
    try:
        arrays = converter.convert(arrays)
    except UnreadableError as error:
        raise WeightsError(f"{path}: these weights are {error}.") from error
    # Of other classes, they are another training of that network.
    classes = arrays["head/kernel"].shape[-1] if "head/kernel" in arrays else None
    is_preset = classes == preset.arguments["num_classes"]
    return WeightsFile(
        path=path,
        network=preset.network,
        backbone=preset.network,
        variant=preset.variant,
        preprocess=preset.preprocess,
        arrays=arrays,
        preset=preset.name if is_preset else None,
    )


def open_by_layers(path, model, *, network: str, variant: str) -> WeightsFile:
    """Reads what Keras itself wrote of a network: `.h5`, `.weights.h5` or `.keras`.

    Such a file names no network. The caller says which it is; its preprocessing is
    what a `.keras` says, and else taken to be that of `model`, said aloud.

    Args:
        path: the file.
        model: the network, whose layers' names and order of variables the file has.
        network: its name in weights files.
        variant: which of the networks of that name.

    Raises:
        WeightsError: the file cannot be read.
    """
    numbered = {
        f"layers/{layer.name}/vars/{i}": f"{layer.name}/{variable.name}"
        for layer in model.layers
        for i, variable in enumerate(layer.weights)
    }
    arrays = {
        numbered.get(name, name): array
        for name, array in read.read(path).items()
        if _SEED not in name
    }
    settings = read.keras_zip.preprocess_settings(path)
    if settings is None:
        settings = model.get_layer("preprocess").settings()
        _log.warning(
            "%s: does not name its preprocessing; taken to be %s's own.", path, network
        )
    return WeightsFile(Path(path), network, network, variant, settings, arrays)


def save_weights(
    path, model, *, network: str, backbone: str, variant: str, preset: str | None = None
) -> None:
    """Writes `model`'s weights as a `.npz` that `open_weights` reads; atomic.

    Args:
        path: the file to write; its folder must exist.
        model: a model with a layer named `preprocess`, unless it reads features.
        network: `"tsn"`, `"tdn"` or the backbone's name.
        backbone: a key of `vidzoo.models.backbones.BACKBONES`.
        variant: the backbone's.
        preset: the public weights that they are, if they are.
    """
    header = {
        "network": network,
        "backbone": backbone,
        "variant": variant,
        "preprocess": _preprocess_of(model),
        "differences": differences(model),
        "preset": preset,
    }
    arrays = {name: np.asarray(v) for name, v in named_variables(model).items()}
    arrays[read.HEADER] = np.array(json.dumps(header))
    with replacing(path) as file:
        np.savez(file, **arrays)


def _preprocess_of(model):
    """What the model makes of pixels; nothing, if it reads features."""
    for layer in model.layers:
        if isinstance(layer, Preprocess):
            return layer.settings()
    return {}


def preprocess_settings(weights_file: WeightsFile | None, default: Mapping) -> Mapping:
    """The preprocessing that the weights expect, or the backbone's own."""
    return default if weights_file is None else weights_file.preprocess


def _own_file(path, arrays):
    try:
        header = json.loads(_text(arrays.pop(read.HEADER)))
        weights_file = WeightsFile(
            path=path,
            network=header["network"],
            backbone=header["backbone"],
            variant=header["variant"],
            preprocess=_checked(header["preprocess"]),
            arrays=arrays,
            differences=tuple(header.get("differences", ())),
            preset=header.get("preset"),
        )
        texts = ("network", "backbone", "variant")
        if not all(isinstance(header[name], str) for name in texts):
            raise TypeError(f"{', '.join(texts)} must be texts")
        if not isinstance(weights_file.preset, str | None):
            raise TypeError("preset must be a text")
        return weights_file
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: damaged header ({error!r}).") from error


def _checked(settings):
    """Arguments of `Preprocess`, or none of a network on features."""
    return Preprocess(**settings).settings() if settings else {}


def _text(array):
    if array.nbytes > _LONGEST_HEADER:
        raise ValueError(f"it is {array.nbytes} bytes long")
    return str(np.asarray(array))
