"""VGG_ILSVRC_16_layers, VGG's own Caffe network: its names and layout to ours.

`conv1_1/weights` is ours `conv1_1/kernel`, (out, in, height, width) there; `fc8` is our
head. fc6 reads a flattened map, channels first there.
"""

from vidzoo.weights.convert.converter import from_caffe
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["vgg16_vgg"]


def recognises(names) -> bool:
    """Whether these array names are VGG-16's, and not VGG-19's."""
    names = set(names)
    return (
        {"conv1_1/weights", "conv5_3/weights", "fc6/weights"} <= names
        and "conv5_4/weights" not in names
        and "conv3_4/weights" not in names
    )


def convert(arrays: dict) -> dict:
    """Renames and transposes: Caffe's arrays by name to ours by name."""
    num_channels = len(arrays["conv5_3/weights"])
    return dict(from_caffe(*pair, _layer, num_channels) for pair in arrays.items())


def _layer(name):
    return "head" if name == "fc8" else name
