"""Weights into a model: all names, shapes and the variant are checked, then all is set.

A model on a backbone keeps the backbone's names behind a prefix, e.g.
`image_conv1/kernel`.
"""

import difflib
import logging
import math
import tempfile
from collections.abc import Collection
from dataclasses import replace

import numpy as np
from keras import ops

from vidzoo.errors import WeightsError
from vidzoo.weights import lazy, memory
from vidzoo.weights.lazy import LazyArray, Stored
from vidzoo.weights.weights_file import WeightsFile

_HEAD = "head"
# (the file's network or variant, the model's) -> what makes the one from the other
_INITIALISATIONS = {
    ("torchvision", "actionflownet"): "actionflownet_encoder_from_r3d18",
    ("resnet18", "resnet3d"): "inflate",
    ("tsn", "tdn"): "difference_from_image",
}
_LARGEST = {"float16": 65504.0, "float32": float(np.finfo(np.float32).max)}
_log = logging.getLogger("vidzoo")


def named_variables(model) -> dict:
    """A model's weights by name: `layer/variable` -> Keras variable."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
        if variable.dtype != "uint32"  # a dropout layer's random state
    }


def differences(model) -> list[str]:
    """The layers in which a TDN takes differences: no array's name or shape tells."""
    return sorted(x.name for x in model.layers if x.name.endswith("_motion"))


def assign_network(
    model,
    weights_file: WeightsFile,
    network: str,
    variant: str,
    fresh_layers: Collection[str] = (),
):
    """Sets the weights of `model` from a file of the same network.

    Args:
        model: whose weights are set, but for `fresh_layers`.
        weights_file: the weights.
        network: the model's name in weights files.
        variant: the model's, or its backbone's.
        fresh_layers: those that the file does not have.

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
    _assign_own(model, weights_file, fresh_layers)


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
        if list(weights_file.differences) != differences(model):
            raise WeightsError(
                f"{weights_file.path}: its differences are "
                f"{', '.join(weights_file.differences)}; the model's are "
                f"{', '.join(differences(model))}. Build it with the same "
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


def assign_parts(
    model,
    weights_file: WeightsFile,
    networks: tuple[str, ...],
    backbone: str,
    variant: str,
    encoder: str | None = None,
):
    """Sets those parts of `model` that a file of a related network has.

    A part is all layers whose names start alike up to the first `_`. Of a part that
    both have, every name and shape must agree; a part of the file that the model has
    not is left out, one of the model that the file has not keeps its fresh weights, and
    both are said aloud.

    Args:
        model: whose weights are set.
        weights_file: the weights.
        networks: the model's name in weights files, and those of its relatives.
        backbone: the model's.
        variant: the backbone's.
        encoder: the part that weights of the backbone alone are for; None if they are
            for none.

    Raises:
        WeightsError: the file is of another network, backbone or variant, or the names
            or shapes of a part differ; the model is then as it was.
    """
    if weights_file.network not in (*networks, *([backbone] if encoder else [])):
        wanted = networks[0] + (f" or of its encoder {backbone}" if encoder else "")
        raise WeightsError(
            f"{weights_file.path}: holds weights of {weights_file.network}, not of "
            f"{wanted}. Build that network, or give other weights."
            + _hint(weights_file, backbone)
        )
    if weights_file.backbone != backbone:
        raise WeightsError(
            f"{weights_file.path}: holds weights for the backbone "
            f"{weights_file.backbone}, but the model is built on {backbone}."
        )
    _check_variant(weights_file, variant)
    arrays = weights_file.arrays
    if weights_file.network == backbone:
        arrays = {
            f"{encoder}_{name}": array
            for name, array in arrays.items()
            if not name.startswith(f"{_HEAD}/")
        }
    of_model = {name.partition("/")[0] for name in named_variables(model)}
    parts, found = ({_part(name) for name in names} for names in (of_model, arrays))
    fresh = {layer for layer in of_model if _part(layer) not in found}
    taken = {name: a for name, a in arrays.items() if _part(name) in parts}
    if not taken:
        raise WeightsError(
            f"{weights_file.path}: has none of the model's parts, "
            f"{', '.join(sorted(parts))}; it has {', '.join(sorted(found))}."
        )
    _assign_own(model, replace(weights_file, arrays=taken), fresh)
    left_out = parts - found - {*weights_file.left_out}
    for what, names in (("left out", found - parts), ("started afresh", left_out)):
        if names:
            _log.warning(
                "%s: weights of %s for %s; %s: %s.",
                weights_file.path,
                weights_file.network,
                model.name,
                what,
                ", ".join(sorted(names)),
            )


def _part(name):
    """The part that a layer, or an array, belongs to."""
    return name.partition("/")[0].partition("_")[0]


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
    """Checks every name and shape, then sets all, an array at a time."""
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
    largest = {n: _LARGEST.get(v.dtype, math.inf) for n, v in variables.items()}
    wide = [name for name in variables if _may_exceed(arrays[name], largest[name])]
    with lazy.opened(arrays[name] for name in wide):
        for name in wide:
            if count := _count_beyond(arrays[name], largest[name]):
                raise WeightsError(
                    f"{path}: {name} would become infinite: {count} of its "
                    f"{arrays[name].size} values are beyond "
                    f"{variables[name].dtype}'s. Give weights in the model's precision."
                )


def _may_exceed(array, largest):
    if array.dtype.kind != "f" or not array.size or array.dtype.itemsize == 2:
        return False
    # What is in a file was found finite; an array of the caller's may be infinite.
    return not isinstance(array, LazyArray) or np.finfo(array.dtype).max > largest


def _count_beyond(array, largest):
    if isinstance(array, LazyArray):
        return array.count(lambda block: np.abs(block) > largest)
    if max(array.max(), -array.min()) <= largest:
        return 0
    return np.count_nonzero(np.abs(array) > largest)


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
        with lazy.opened(arrays.values()):
            for name, variable in variables.items():
                for block in _blocks(variable):
                    np.save(old_values, block, allow_pickle=False)
                done.append(variable)
                memory.assign(variable, arrays[name])
    except BaseException:
        old_values.seek(0)
        for variable in done:
            memory.assign(variable, _old_value(variable, old_values))
        raise


def _old_value(variable, file):
    """What a variable was: the next blocks of a file."""
    dtype = "float32" if variable.dtype == "bfloat16" else variable.dtype

    def blocks():
        return (np.load(file) for _ in _blocks(variable))

    return LazyArray(Stored(tuple(variable.shape), np.dtype(dtype), blocks), blocks)


def _no_room(error):
    return WeightsError(
        f"{tempfile.gettempdir()}: the model's old weights could not be put aside "
        f"there ({error.strerror}); the model is as it was. Make room, or name another "
        "folder by TMPDIR."
    )


def _blocks(variable, limit=2**22):
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
