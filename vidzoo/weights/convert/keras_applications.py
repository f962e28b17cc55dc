"""keras.applications' ResNet-50 (v1) and VGG-16: their names to ours.

Accepted names: `conv1_conv/kernel`, as Keras's legacy `.h5` files have them, with or
without `:0` behind and anything before; and `layers/conv1_conv/vars/0`, of
`.weights.h5`, counted in the order in which a layer creates its variables. Layouts are
ours. The classifier is `predictions`, or `probs` in the published ResNet-50 file; files
without one (`notop`) serve video networks. ResNet-50 before Keras 2.2.5, of names like
`res2a_branch2a`, has another epsilon and is not accepted.
"""

import re

from vidzoo.weights.convert.converter import Converter
from vidzoo.weights.presets import PRESETS

_HEADS = ("predictions", "probs")
_NORM_VARIABLES = ("gamma", "beta", "moving_mean", "moving_variance")
_VARIABLES = ("kernel", "bias")
_RESNET_BLOCK = re.compile(r"conv(\d)_block(\d+)_([0-3])_(conv|bn)")
_VGG_CONVOLUTION = re.compile(r"block(\d)_conv(\d)")


def _split(name):
    """An array's name to (layer, variable)."""
    *_, layer, variable = ["", *name.removesuffix(":0").split("/")]
    if variable.isdecimal() and layer == "vars":
        layer = name.split("/")[-3]
        names = _NORM_VARIABLES if layer.endswith("_bn") else _VARIABLES
        index = int(variable)
        variable = names[index] if index < len(names) else variable
    return layer, variable


def _recogniser(markers, strangers=()):
    def recognises(names):
        layers = {_split(name)[0] for name in names if "/" in name}
        return set(markers) <= layers and layers.isdisjoint(strangers)

    return recognises


def _convert_by(rename):
    def convert(arrays):
        converted = {}
        for name, array in arrays.items():
            layer, variable = _split(name) if "/" in name else ("", name)
            ours = "head" if layer in _HEADS else rename(layer)
            converted[f"{ours}/{variable}" if ours else name] = array
        return converted

    return convert


def _resnet_layer(layer):
    if layer in ("conv1_conv", "conv1_bn"):
        return layer.removesuffix("_conv")
    match = _RESNET_BLOCK.fullmatch(layer)
    if not match:
        return None
    stage, block, number, kind = match.groups()
    part = "shortcut" if number == "0" else f"conv{number}"
    return f"res{stage}_block{block}_{part}{'_bn' if kind == 'bn' else ''}"


def _vgg_layer(layer):
    match = _VGG_CONVOLUTION.fullmatch(layer)
    if match:
        return f"conv{match[1]}_{match[2]}"
    return {"fc1": "fc6", "fc2": "fc7"}.get(layer)


CONVERTERS = (
    Converter(
        PRESETS["resnet50_keras"],
        _recogniser(
            ("conv1_conv", "conv4_block6_3_bn", "conv5_block3_3_bn"),
            ("conv4_block7_1_conv", "post_bn"),  # ResNet-101, ResNet-50 v2
        ),
        _convert_by(_resnet_layer),
    ),
    Converter(
        PRESETS["vgg16_keras"],
        _recogniser(("block1_conv1", "block5_conv3"), ("block5_conv4",)),
        _convert_by(_vgg_layer),
    ),
)
