"""Weights files: reading, checking against a model, setting all or nothing.

vidzoo's own format is a NumPy `.npz` with one array per variable, named
`layer/variable`, and a JSON header that says to which network, on which variant of
which backbone, with which preprocessing, the arrays belong. A model on a backbone keeps
the backbone's names behind a prefix, e.g. `image_conv1/kernel`.
"""

import difflib
import json
import logging
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from keras import ops

from vidzoo.arrays import UnreadableError
from vidzoo.atomic import replacing
from vidzoo.errors import WeightsError
from vidzoo.layers import Preprocess
from vidzoo.weights import convert, download, read
from vidzoo.weights.names import preset_for

_HEAD = "head"
_SEED = "/seed_generator/"  # a dropout layer's random state
# (the file's network or variant, the model's) -> what makes the one from the other
_INITIALISATIONS = {
    ("torchvision", "actionflownet"): "actionflownet_encoder_from_r3d18",
    ("resnet18", "resnet3d"): "inflate",
    ("tsn", "tdn"): "difference_from_image",
}
_LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max)}
_log = logging.getLogger("vidzoo")


class UnknownNetworkError(WeightsError):
    """A file that neither says nor tells by its names which network it belongs to."""


@dataclass(frozen=True)
class WeightsFile:
    """Weights as read from a file, not yet in a model.

    Attributes:
        path: the file.
        network: `"tsn"`, `"tdn"`, or a backbone's name if it is the backbone alone.
        backbone: a backbone's name.
        variant: the backbone's variant, e.g. `"v1.5"`.
        preprocess: arguments of `Preprocess` that the weights expect.
        arrays: `layer/variable` -> array.
        differences: the layers in which a TDN takes differences; None for an
            initialisation, which fits a TDN with any.
        preset: the public weights that these are, by their names, or were made of
            without training; None if they are neither.
        left_out: classifiers left out on purpose: layer -> number of its classes. A
            model keeps its own fresh ones.
    """

    path: Path
    network: str
    backbone: str
    variant: str
    preprocess: Mapping = field(repr=False)
    arrays: Mapping = field(repr=False)
    differences: tuple[str, ...] | None = ()
    preset: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)


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
        "of one of vidzoo's networks but TSN and TDN, name that: "
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
        model: a model with a layer named `preprocess`.
        network: `"tsn"`, `"tdn"` or the backbone's name.
        backbone: a key of `vidzoo.models.backbones.BACKBONES`.
        variant: the backbone's.
        preset: the public weights that they are, if they are.
    """
    header = {
        "network": network,
        "backbone": backbone,
        "variant": variant,
        "preprocess": model.get_layer("preprocess").settings(),
        "differences": _differences(model),
        "preset": preset,
    }
    arrays = {name: np.asarray(v) for name, v in named_variables(model).items()}
    arrays[read.HEADER] = np.array(json.dumps(header))
    with replacing(path) as file:
        np.savez(file, **arrays)


def _differences(model):
    """Where a TDN takes differences: no array's name or shape would tell."""
    return sorted(x.name for x in model.layers if x.name.endswith("_motion"))


def preprocess_settings(weights_file: WeightsFile | None, default: Mapping) -> Mapping:
    """The preprocessing that the weights expect, or the backbone's own."""
    return default if weights_file is None else weights_file.preprocess


def named_variables(model) -> dict:
    """A model's weights by name: `layer/variable` -> Keras variable."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
        if variable.dtype != "uint32"  # a dropout layer's random state
    }


def assign_network(model, weights_file: WeightsFile, network: str, variant: str):
    """Sets every weight of `model` from a file of the same network.

    Raises:
        WeightsError: the file is of another network or variant, or its names or shapes
            differ from the model's; the model is then as it was.
    """
    if weights_file.network != network:
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network}, "
            f"not of {network}. Build that network, or give other weights."
            + _hint(weights_file, network)
        )
    _check_variant(weights_file, variant)
    _assign_own(model, weights_file)


def assign_subnetworks(
    model,
    weights_file: WeightsFile,
    network: str,
    backbone: str,
    variant: str,
    subnetworks: tuple[str, ...],
):
    """Sets `model`'s weights from a file of the same network, or of its backbone.

    Weights of the backbone initialise every one of `subnetworks`; their classifier is
    left out, since it knows other classes. The model's own classifiers, and layers
    outside the subnetworks, then keep their fresh weights.

    Raises:
        WeightsError: as `assign_network`.
    """
    if weights_file.backbone != backbone:
        raise WeightsError(
            f"{weights_file.path}: holds weights for the backbone "
            f"{weights_file.backbone}, but the model is built on {backbone}."
        )
    _check_variant(weights_file, variant)
    if weights_file.network == network and weights_file.differences is None:
        _assign_own(model, weights_file, _outside(model, subnetworks))
    elif weights_file.network == network:
        if list(weights_file.differences) != _differences(model):
            raise WeightsError(
                f"{weights_file.path}: its differences are "
                f"{', '.join(weights_file.differences)}; the model's are "
                f"{', '.join(_differences(model))}. Build it with the same "
                "`difference_layers`."
            )
        _assign_own(model, weights_file)
    elif weights_file.network == backbone:
        arrays = {
            f"{subnetwork}_{name}": array
            for subnetwork in subnetworks
            for name, array in weights_file.arrays.items()
            if not name.startswith(f"{_HEAD}/")
        }
        heads = {x.name for x in model.layers if x.name.endswith(f"_{_HEAD}")}
        fresh = heads | _outside(model, subnetworks)
        _assign(model, arrays, weights_file.path, fresh_layers=fresh)
        _log.warning(
            "%s: %s for %s; the classifier starts afresh.",
            weights_file.path,
            weights_file.network,
            " and ".join(f"the {subnetwork} subnetwork" for subnetwork in subnetworks),
        )
    else:
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network}, "
            f"not of {network} or of its backbone {backbone}."
            + _hint(weights_file, network)
        )


def _outside(model, subnetworks):
    """Layers that belong to no subnetwork, such as a TDN's merges."""
    return {x.name for x in model.layers if x.name.partition("_")[0] not in subnetworks}


def _assign_own(model, weights_file, fresh_layers=frozenset()):
    """Sets all but the fresh layers and the classifiers that were left out."""
    fresh = {*fresh_layers, *weights_file.left_out}
    _assign(model, weights_file.arrays, weights_file.path, fresh_layers=fresh)
    for head, num_classes in weights_file.left_out.items():
        _log.warning(
            "%s: the classifier %s of %d classes is left out; the model's, of %d, "
            "starts afresh.",
            weights_file.path,
            head,
            num_classes,
            model.get_layer(head).kernel.shape[-1],
        )


def _own_file(path, arrays):
    try:
        header = json.loads(str(arrays.pop(read.HEADER)))
        weights_file = WeightsFile(
            path=path,
            network=header["network"],
            backbone=header["backbone"],
            variant=header["variant"],
            preprocess=header["preprocess"],
            arrays=arrays,
            differences=tuple(header.get("differences", ())),
            preset=header.get("preset"),
        )
        Preprocess(**weights_file.preprocess)  # checks it
        texts = ("network", "backbone", "variant")
        if not all(isinstance(header[name], str) for name in texts):
            raise TypeError(f"{', '.join(texts)} must be texts")
        if not isinstance(weights_file.preset, str | None):
            raise TypeError("preset must be a text")
        return weights_file
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path}: damaged header ({error!r}).") from error


def _check_variant(weights_file, variant):
    if weights_file.variant != variant:
        raise WeightsError(
            f"{weights_file.path}: holds {weights_file.backbone} "
            f"{weights_file.variant}, but this network is {weights_file.backbone} "
            f"{variant}; the shapes may fit, the answers would be wrong."
            + _hint(weights_file, variant)
        )


def _hint(weights_file, wanted):
    """The initialisation that makes a start for the wanted network or variant."""
    for found in (weights_file.network, weights_file.variant):
        if function := _INITIALISATIONS.get((found, wanted)):
            where = "vidzoo.weights.initialize"
            return f" To start a training from them: {where}.{function}."
    return ""


def _assign(model, arrays, path, fresh_layers=()):
    """Checks every name and shape, then sets all."""
    variables = {
        name: variable
        for name, variable in named_variables(model).items()
        if name.rpartition("/")[0] not in fresh_layers
    }
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: tuple(array.shape) for name, array in arrays.items()}
    if wanted != found:
        differences = {name for name, _ in wanted.items() ^ found.items()}
        hint = ""
        if all(name.rpartition("/")[0].endswith(_HEAD) for name in differences):
            hint = (
                " For another number of classes: "
                "vidzoo.weights.initialize.another_number_of_classes."
            )
        raise WeightsError(
            f"{path}: does not fit the model. {_differ(found, wanted)}{hint}"
        )
    _check_range(variables, arrays, path)
    _set_all(variables, arrays)


def _check_range(variables, arrays, path):
    """What is finite in the file's precision must be so in the model's."""
    for name, variable in variables.items():
        array = arrays[name]
        largest = _LARGEST.get(variable.dtype, math.inf)
        if array.dtype.kind == "f" and array.size and array.dtype.itemsize > 2:
            if max(array.max(), -array.min()) > largest:
                count = np.count_nonzero(np.abs(array) > largest)
                raise WeightsError(
                    f"{path}: {name} would become infinite: {count} of its "
                    f"{array.size} values are beyond {variable.dtype}'s. Give weights "
                    "in the model's precision."
                )


def _set_all(variables, arrays):
    """Sets all variables; if one fails, all get their old values back.

    Those wait on disk: beside the file's arrays and the model, memory would have to
    hold the weights a third time.
    """
    try:
        with tempfile.TemporaryFile() as old_values:
            _set_or_restore(variables, arrays, old_values)
    except OSError as error:
        raise _no_room(error) from error


def _set_or_restore(variables, arrays, old_values):
    done = []
    try:
        for name, variable in variables.items():
            for block in _blocks(variable):
                np.save(old_values, block, allow_pickle=False)
            done.append(variable)
            variable.assign(arrays[name])
    except BaseException:
        old_values.seek(0)
        for variable in done:
            blocks = [np.load(old_values) for _ in _blocks(variable)]
            variable.assign(np.concatenate(blocks).reshape(variable.shape))
        raise


def _no_room(error):
    return WeightsError(
        f"{tempfile.gettempdir()}: the model's old weights could not be put aside "
        f"there ({error.strerror}); the model is as it was. Make room, or name another "
        "folder by TMPDIR."
    )


def _blocks(variable, limit=2**24):
    """A variable's values, some rows at a time: Keras copies what it converts twice."""
    shape = tuple(variable.shape)
    rows = max(1, limit // (4 * math.prod(shape[1:]) or 1))
    for start in range(0, shape[0] if shape else 1, rows):
        part = variable.value[start : start + rows] if shape else variable.value
        block = ops.convert_to_numpy(part).reshape(-1)
        # bfloat16, which `.npy` does not know, is a V to NumPy.
        yield block.astype(np.float32) if block.dtype.kind == "V" else block


def _differ(found, wanted):
    only_file = {name: found[name] for name in found if wanted.get(name) != found[name]}
    only_model = {
        name: wanted[name] for name in wanted if found.get(name) != wanted[name]
    }
    sides = (("In the file only", only_file), ("In the model only", only_model))
    return " ".join(
        [
            *(f"{side}: {_listed(names)}." for side, names in sides if names),
            *_nearest(set(found) - set(wanted), set(wanted) - set(found)),
        ]
    )


def _nearest(found, wanted, limit=8):
    """One sentence of the names that may have been meant."""
    pairs = []
    for name in sorted(wanted)[:limit]:
        for candidate in difflib.get_close_matches(name, sorted(found), n=1):
            pairs.append(f"{name} may be {candidate}")
    return [f"{', '.join(pairs)}."] if pairs else []


def _listed(shapes, limit=8):
    names = [f"{name} {shape}" for name, shape in sorted(shapes.items())]
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
