"""DeepMind's kinetics-i3d checkpoints, RGB and flow: their names to ours.

`RGB/inception_i3d/Mixed_3b/Branch_1/Conv3d_0b_3x3/conv_3d/w` is ours
`mixed_3b_branch1/kernel`; the 1x1x1 convolution before it, `Conv3d_0a_1x1`, is
`mixed_3b_branch1_reduce`. (Mixed_5b's second 3x3x3 is called `Conv3d_0a_3x3` there.)
Kernels have our layout; the classifier is a 1x1x1 convolution there.
"""

import re
from functools import partial

from vidzoo.weights.convert.converter import Converter
from vidzoo.weights.presets import PRESETS

_SCOPES = {"rgb": "RGB", "flow": "Flow"}
_STEM = {
    "Conv3d_1a_7x7": "conv1",
    "Conv3d_2b_1x1": "conv2_reduce",
    "Conv3d_2c_3x3": "conv2",
    "Logits/Conv3d_0c_1x1": "head",
}
_VARIABLES = {
    "conv_3d/w": "/kernel",
    "conv_3d/b": "/bias",
    "batch_norm/beta": "_bn/beta",
    "batch_norm/moving_mean": "_bn/moving_mean",
    "batch_norm/moving_variance": "_bn/moving_variance",
}
_BRANCH = re.compile(r"(Mixed_\d[a-f])/Branch_(\d)/Conv3d_0[ab]_(\dx\d)")


def _recognises(scope, names):
    unit = f"{scope}/inception_i3d/Conv3d_1a_7x7"
    return {f"{unit}/conv_3d/w", f"{unit}/batch_norm/beta"} <= set(names)


def _convert(scope, arrays):
    converted = {}
    for name, array in arrays.items():
        ours = _name(name.removeprefix(f"{scope}/inception_i3d/"))
        if ours == "head/kernel":
            array = array.reshape(array.shape[-2:])  # (1, 1, 1, in, out)
        elif ours and not ours.endswith("/kernel"):
            array = array.reshape(-1)
        converted[ours or name] = array
    return converted


def _name(name):
    """Our name of a tensor inside the network's scope, or None."""
    *unit, module, variable = ["", "", *name.split("/")]
    unit, variable = "/".join(filter(None, unit)), f"{module}/{variable}"
    branch = _BRANCH.fullmatch(unit)
    if variable not in _VARIABLES or not (branch or unit in _STEM):
        return None
    if not branch:
        return _STEM[unit] + _VARIABLES[variable]
    mixed, number, size = branch.groups()
    reduces = size == "1x1" and number in "12"
    layer = f"{mixed.lower()}_branch{number}{'_reduce' if reduces else ''}"
    return layer + _VARIABLES[variable]


CONVERTERS = tuple(
    Converter(
        PRESETS[f"i3d_{modality}_imagenet"],
        partial(_recognises, scope),
        partial(_convert, scope),
    )
    for modality, scope in _SCOPES.items()
)
