"""Caffe's bvlc_alexnet: its names and layout to ours.

`conv1/weights` is ours `conv1/kernel`, (out, in, height, width) there; `fc8` is our
head. A convolution in two groups, (out, in / 2, ...), becomes two of half the filters.
fc6 reads a flattened map, channels first there. bvlc_reference_caffenet has the same
names and shapes and pools before it normalises: nothing in its arrays tells.
"""

import numpy as np

from vidzoo.weights.convert.converter import after_convolution, caffe_kernel, taken
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["alexnet_bvlc"]
_GROUPED = ("conv2", "conv4", "conv5")
_LAYERS = {"fc8": "head"}


def recognises(names) -> bool:
    """Whether these array names are AlexNet's: five convolutions of these names."""
    return {f"conv{i}/weights" for i in range(1, 6)} | {"fc6/weights"} <= set(names)


def convert(arrays: dict) -> dict:
    """Renames, transposes, splits groups: Caffe's arrays by name to ours by name."""
    num_channels = len(arrays["conv5/weights"])
    converted = {}
    for name, blob in taken(arrays):
        layer, _, variable = name.rpartition("/")
        layer = _LAYERS.get(layer, layer)
        if variable == "weights" and layer == "fc6":
            fc6 = blob.reshape(blob.shape[-2:])
            ours = {"fc6/kernel": after_convolution(fc6, num_channels)}
        elif variable == "weights":
            ours = {f"{layer}/kernel": caffe_kernel(blob)}
        elif variable == "biases":
            ours = {f"{layer}/bias": blob.reshape(-1)}
        else:
            ours = {name: blob}
        converted |= _split(ours) if layer in _GROUPED else ours
    return converted


def _split(arrays):
    """Each array to those of two groups, half of the filters in each."""
    return {
        name.replace("/", f"_group{i}/"): half
        for name, array in arrays.items()
        for i, half in enumerate(np.array_split(array, 2, axis=-1), start=1)
    }
