"""Caffe's bvlc_googlenet: its names and layout to ours.

Caffe's `conv1/7x7_s2/weights` is ours `conv1_7x7_s2/kernel`; kernels come as
(out, in, height, width), the classifier as (out, in).
"""

from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["googlenet_bvlc"]
_VARIABLES = {"weights": "kernel", "biases": "bias"}


def recognises(names) -> bool:
    """Whether these array names are Caffe's GoogLeNet's."""
    return {"conv1/7x7_s2/weights", "loss3/classifier/weights"} <= set(names)


def convert(arrays: dict) -> dict:
    """Renames and transposes: Caffe's arrays by name to ours by name."""
    return {_name(name): _transpose(array) for name, array in arrays.items()}


def _name(name):
    layer, _, variable = name.rpartition("/")
    layer = "head" if layer == "loss3/classifier" else layer.replace("/", "_")
    return f"{layer}/{_VARIABLES.get(variable, variable)}"


def _transpose(array):
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)  # (out, in, h, w) -> (h, w, in, out)
    return array.T
