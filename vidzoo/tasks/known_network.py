"""A weights file as the network that the user says it is of."""

import difflib
import inspect
import logging
from pathlib import Path

import keras

from vidzoo import models
from vidzoo.errors import UsageError, WeightsError
from vidzoo.models import backbones, feature_pooling, frame_network
from vidzoo.models.catalogue import NETWORKS, Network
from vidzoo.weights import PRESETS, WeightsFile, fetch, load, preprocessing, read
from vidzoo.weights.names import IMAGENET, preset_for

_ON_ENCODERS = (
    *("actionflownet", "actionflownet2f", "flownet2f", "flownet3d"),
    "stacked_flow",  # whose own has another prefix, and always six channels
)
_log = logging.getLogger("vidzoo")


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
            network (but those on a backbone); or a preset's name, or `"imagenet"`.
        network: which it is; weights of its backbone alone are refused.
        accept_license: accept a preset's licence that forbids commercial use.

    Raises:
        WeightsError: the file is damaged, or of another network or variant.
    """
    try:
        weights_file = _open(file, network, accept_license)
    except load.UnknownNetworkError:
        if network.variant is None:
            raise
        weights_file = _open_by_layers(file, network)
    _check_network(file, weights_file.network, network)
    _check_tells_its_input(file, weights_file)
    arguments = _as_it_was_built(weights_file, network)
    _check_modality(file, weights_file, network)
    try:
        return network.build(**arguments, weights=weights_file), weights_file
    except ValueError as error:
        raise WeightsError(f"{file}: does not fit {network.name}. {error}") from error


def _open(file, network, accept_license):
    """As `open_weights`; what is of another network is refused before it is fetched."""
    if isinstance(file, str) and file in PRESETS:
        _check_network(file, PRESETS[file].network, network)
    if file == IMAGENET or network.variant is not None:
        preset = preset_for(file, network.network, network.variant)
        if preset is not None:
            fetch(preset, accept_license=accept_license)
            file = preset.name
    return load.open_weights(file)


def _check_network(file, found, network):
    if not _is_of(found, network):
        names = [n.name for n in NETWORKS.values() if _is_of(found, n)]
        give = f"Give --model={' or '.join(names)}" if names else "Give another --model"
        raise WeightsError(
            f"{file}: holds weights of {found}, not of {network.network}. {give}."
        )


def _is_of(found, network):
    """Whether a network of that name in weights files is this one, or as its poolings.

    All feature-pooling networks are one builder's.
    """
    if network.builder == "FeaturePooling":
        return feature_pooling.options_of(found) is not None
    return found == network.network


def _check_tells_its_input(file, weights_file):
    """That the network can be built of the file alone."""
    options = feature_pooling.options_of(weights_file.network)
    if weights_file.backbone == frame_network.FEATURES:
        what = "reads stored features, whose shape"
    elif options and feature_pooling.fixed_length(**options):
        what = "is for one number of frames, which"
    else:
        return
    raise WeightsError(
        f"{file}: this {weights_file.network} {what} the file does not tell. Build it "
        "by its builder in vidzoo.models, with weights=FILE: that checks them."
    )


def _check_modality(file, weights_file, network):
    """That a network listed for a modality gets weights for it, not for a start."""
    found = preprocessing.modality(weights_file.preprocess)
    wanted = network.arguments.get("modality")
    if found and wanted and found != wanted:
        hint = ""
        if network.variant is None:
            hint = (
                f" Give --model={network.network}, which takes them for what they are."
            )
        raise WeightsError(
            f"{file}: holds weights of {network.network} for {found}, not for {wanted}."
            + hint
        )


def _open_by_layers(file, network):
    """What Keras itself wrote of this network."""
    arrays = read.read(file)
    kernels = [n for n in ("layers/head/vars/0", "head/kernel") if n in arrays]
    model = network.build(arrays[kernels[0]].shape[-1] if kernels else None)
    return load.open_by_layers(
        Path(file), model, network=network.network, variant=network.variant
    )


def _as_it_was_built(weights_file, network):
    """The builder's arguments that the weights tell: classes, input, and a TDN's."""
    arrays = weights_file.arrays
    arguments = feature_pooling.options_of(weights_file.network) or {}
    for name in ("head/kernel", "image_head/kernel"):
        if name in arrays:
            arguments["num_classes"] = arrays[name].shape[-1]
    known = backbones.BACKBONES | backbones.BACKBONES_3D
    for name, backbone in known.items():
        if (backbone.name, backbone.variant) == (
            weights_file.backbone,
            weights_file.variant,
        ):
            prefix = "" if network.variant else "image_"
            if network.network in _ON_ENCODERS:
                prefix = "encoder_"
                arguments["backbone"] = name
            kernel = arrays.get(f"{prefix}{backbone.first_convolution}/kernel")
            if preprocessing.modality(weights_file.preprocess) != "flow_image":
                arguments |= _with_channels(network, kernel)
            if network.variant is None:
                arguments["backbone"] = name
                arguments["modality"] = preprocessing.modality(weights_file.preprocess)
            if weights_file.differences:
                arguments["difference_layers"] = tuple(
                    stage
                    for stage in ("input", *backbone.stages)
                    if f"{stage}_motion" in weights_file.differences
                )
    if "decoder" in inspect.signature(getattr(models, network.builder)).parameters:
        arguments["decoder"] = any(name.startswith("decoder_") for name in arrays)
    merges = [name for name in arrays if name.endswith("_merge/kernel")]
    if merges:
        *_, inputs, outputs = arrays[merges[0]].shape
        # A gate reads both maps, side by side.
        arguments["difference_merge"] = "conv" if inputs == outputs else "gate"
    return arguments


def _with_channels(network, kernel):
    """The shape of a frame, of as many channels as the first kernel reads."""
    *_, height, width, channels = network.shape
    if kernel is None or kernel.shape[-2] == channels:
        return {}
    parameters = inspect.signature(getattr(models, network.builder)).parameters
    name = "image_shape" if "image_shape" in parameters else "frame_shape"
    return {name: (height, width, kernel.shape[-2])}
