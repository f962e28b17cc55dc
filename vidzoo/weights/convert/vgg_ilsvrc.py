"""VGG_ILSVRC_16_layers, VGG's own Caffe network: its names and layout to ours.

`conv1_1/weights` is ours `conv1_1/kernel`, (out, in, height, width) there; `fc8` is our
head. fc6 reads a flattened map, channels first there.
"""

from vidzoo.weights.convert.converter import after_convolution, caffe_kernel, taken
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["vgg16_vgg"]
_LAYERS = {"fc8": "head"}


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
    converted = {}
    for name, blob in taken(arrays):
        layer, _, variable = name.rpartition("/")
        layer = _LAYERS.get(layer, layer)
        if variable == "weights" and layer == "fc6":
            fc6 = blob.reshape(blob.shape[-2:])
            converted["fc6/kernel"] = after_convolution(fc6, num_channels)
        elif variable == "weights":
            converted[f"{layer}/kernel"] = caffe_kernel(blob)
        elif variable == "biases":
            converted[f"{layer}/bias"] = blob.reshape(-1)
        else:
            converted[name] = blob
    return converted
