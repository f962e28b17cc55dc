"""A weights file as the network that the user says it is of."""

import difflib
from pathlib import Path

import keras

from vidzoo.errors import UsageError
from vidzoo.models import backbones
from vidzoo.models.catalogue import NETWORKS, Network
from vidzoo.weights import WeightsFile, fetch, load, read
from vidzoo.weights.names import preset_for


def find(name: str) -> Network:
    """The network of that name.

    Raises:
        UsageError: there is none; the message names the nearest and lists all.
    """
    if name not in NETWORKS:
        near = difflib.get_close_matches(name, NETWORKS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise UsageError(
            f"no model '{name}'.{hint} Choose one of: {', '.join(NETWORKS)} (--model)."
        )
    return NETWORKS[name]


def open_and_build(
    file, network: Network, *, accept_license: bool = False
) -> tuple[keras.Model, WeightsFile]:
    """Reads a weights file, builds the network and sets its weights.

    Args:
        file: the path of a weights file, also one that Keras itself wrote of this very
            network; or a preset's name, or `"imagenet"`.
        network: which it is.
        accept_license: accept a preset's licence that forbids commercial use.

    Raises:
        WeightsError: the file is damaged, or of another network or variant.
    """
    preset = None
    if network.variant is not None:
        preset = preset_for(file, network.network, network.variant)
    if preset is not None:
        fetch(preset, accept_license=accept_license)
    try:
        weights_file = load.open_weights(file if preset is None else preset.name)
    except load.UnknownNetworkError:
        if network.variant is None:
            raise
        return _from_keras(file, network)
    arguments = {"weights": weights_file}
    if network.variant is None and weights_file.network == network.network:
        arguments |= _as_it_was_built(weights_file)
    return network.build(_num_classes(weights_file.arrays), **arguments), weights_file


def _from_keras(file, network):
    arrays = read.read(file)
    kernels = [n for n in ("layers/head/vars/0", "head/kernel") if n in arrays]
    model = network.build(arrays[kernels[0]].shape[-1] if kernels else None)
    weights_file = load.open_by_layers(
        Path(file), model, network=network.network, variant=network.variant
    )
    load.assign_network(model, weights_file, network.network, network.variant)
    return model, weights_file


def _num_classes(arrays):
    """K; None, the network's own, where no classifier tells."""
    for name in ("head/kernel", "image_head/kernel"):
        if name in arrays:
            return arrays[name].shape[-1]
    return None


def _as_it_was_built(weights_file):
    """The arguments of a TSN or TDN that its weights tell."""
    arguments = {}
    for name, backbone in backbones.BACKBONES.items():
        if (backbone.name, backbone.variant) == (
            weights_file.backbone,
            weights_file.variant,
        ):
            arguments["backbone"] = name
            if weights_file.differences:
                arguments["difference_layers"] = tuple(
                    stage
                    for stage in ("input", *backbone.stages)
                    if f"{stage}_motion" in weights_file.differences
                )
    merges = [n for n in weights_file.arrays if n.endswith("_merge/kernel")]
    if merges:
        *_, inputs, outputs = weights_file.arrays[merges[0]].shape
        # A gate reads both maps, side by side.
        arguments["difference_merge"] = "conv" if inputs == outputs else "gate"
    return arguments
