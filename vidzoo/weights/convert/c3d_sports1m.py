"""C3D trained on Sports-1M, a Caffe network: its names and layout to ours.

`conv1a/weights` is ours `conv1a/kernel`, (out, in, time, height, width) there; its
`fc6-1`, `fc7-1` and `fc8-1` (or `fc6`, ... in networks finetuned from it) are our fc6,
fc7 and head. fc6 reads a flattened map, channels first there.
"""

from vidzoo.weights.convert.converter import from_caffe
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["c3d_sports1m"]


def recognises(names) -> bool:
    """Whether these array names are C3D's."""
    return {"conv1a/weights", "conv3b/weights", "conv5b/weights"} <= set(names)


def convert(arrays: dict) -> dict:
    """Renames and transposes: Caffe's arrays by name to ours by name."""
    num_channels = len(arrays["conv5b/weights"])
    return dict(from_caffe(*pair, _layer, num_channels) for pair in arrays.items())


def _layer(name):
    name = name.removesuffix("-1")
    return "head" if name == "fc8" else name
