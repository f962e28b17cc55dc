"""torchvision's resnet18 to 152, vgg16, alexnet and r3d_18: names and layouts to ours.

Names are those of the modules' `state_dict`. Kernels are (out, in, ...) there, the
first fully connected layer behind a map reads it flattened channels first, and batch
norm's `num_batches_tracked` has no counterpart.
"""

import re
from functools import partial

from vidzoo.weights.convert.converter import (
    Converter,
    after_convolution,
    channels_last,
)
from vidzoo.weights.presets import PRESETS

_NORM_VARIABLES = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}
_VARIABLES = {"weight": "kernel", "bias": "bias"}
_DROPPED = "num_batches_tracked"
_BLOCK = re.compile(r"layer([1-4])\.(\d+)\.(conv|bn)([1-3])")
_DOWNSAMPLE = re.compile(r"layer([1-4])\.(\d+)\.downsample\.([01])")
_BLOCK_3D = re.compile(r"layer([1-4])\.(\d+)\.conv([12])\.([01])")


def _resnet_layer(module):
    """A module's name to our layer's, or None."""
    stem = {"conv1": "conv1", "bn1": "conv1_bn", "fc": "head"}
    if module in stem:
        return stem[module]
    match = _BLOCK.fullmatch(module)
    if match:
        stage, block, kind, number = match.groups()
        return _block(stage, block, f"conv{number}", kind == "bn")
    return _shortcut(module)


def _resnet3d_layer(module):
    stem = {"stem.0": "conv1", "stem.1": "conv1_bn", "fc": "head"}
    if module in stem:
        return stem[module]
    match = _BLOCK_3D.fullmatch(module)
    if match:
        stage, block, number, part = match.groups()
        return _block(stage, block, f"conv{number}", part == "1")
    return _shortcut(module)


def _shortcut(module):
    match = _DOWNSAMPLE.fullmatch(module)
    return match and _block(match[1], match[2], "shortcut", match[3] == "1")


def _block(stage, block, part, is_norm):
    """layer1.0 there is res2_block1 here."""
    name = f"res{int(stage) + 1}_block{int(block) + 1}_{part}"
    return f"{name}_bn" if is_norm else name


_VGG_LAYERS = {
    f"features.{index}": layer
    for index, layer in zip(
        (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28),
        (
            *("conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"),
            *("conv3_3", "conv4_1", "conv4_2", "conv4_3"),
            *("conv5_1", "conv5_2", "conv5_3"),
        ),
        strict=True,
    )
} | {"classifier.0": "fc6", "classifier.3": "fc7", "classifier.6": "head"}
_ALEXNET_LAYERS = {
    "features.0": "conv1",
    "features.3": "conv2",
    "features.6": "conv3",
    "features.8": "conv4",
    "features.10": "conv5",
    "classifier.1": "fc6",
    "classifier.4": "fc7",
    "classifier.6": "head",
}


def _convert(rename, last_convolution, arrays):
    """By a function of layer names; `last_convolution` feeds fc6, if there is one."""
    num_channels = len(arrays[last_convolution]) if last_convolution else None
    converted = {}
    for name, array in arrays.items():
        module, _, variable = name.rpartition(".")
        layer = rename(module)
        if layer and variable == _DROPPED:
            continue
        names = _NORM_VARIABLES if layer and layer.endswith("_bn") else _VARIABLES
        if not layer or variable not in names:
            converted[name] = array
            continue
        if layer == "fc6" and array.ndim == 2:
            array = after_convolution(array, num_channels)
        elif array.ndim > 1:
            array = channels_last(array)
        converted[f"{layer}/{names[variable]}"] = array
    return converted


def _recognises(markers, strangers, names):
    names = set(names)
    return names.issuperset(markers) and names.isdisjoint(strangers)


def _converter(preset, rename, markers, strangers=(), last_convolution=None):
    return Converter(
        PRESETS[f"{preset}_torchvision"],
        partial(_recognises, markers, strangers),
        partial(_convert, rename, last_convolution),
    )


def _resnet(depth, last_block, convolution, strangers):
    """`last_block` of layer3, where the depths differ, and the block's convolutions."""
    markers = ("conv1.weight", f"layer3.{last_block}.{convolution}.weight")
    return _converter(f"resnet{depth}", _resnet_layer, markers, strangers)


CONVERTERS = (
    _resnet(18, 1, "conv2", ("layer1.0.conv3.weight", "layer3.2.conv2.weight")),
    _resnet(34, 5, "conv2", ("layer1.0.conv3.weight",)),
    _resnet(50, 5, "conv3", ("layer3.6.conv3.weight",)),
    _resnet(101, 22, "conv3", ("layer3.23.conv3.weight",)),
    _resnet(152, 35, "conv3", ()),
    _converter(
        "vgg16",
        _VGG_LAYERS.get,
        ("features.28.weight", "classifier.0.weight"),
        # VGG-19, and VGG-13 and 16 with batch norm
        ("features.30.weight", "features.1.weight"),
        "features.28.weight",
    ),
    _converter(
        "alexnet",
        _ALEXNET_LAYERS.get,
        ("features.10.weight", "classifier.1.weight", "classifier.4.weight"),
        ("features.12.weight",),
        "features.10.weight",
    ),
    _converter(
        "resnet3d", _resnet3d_layer, ("stem.0.weight", "layer1.0.conv1.0.weight")
    ),
)
