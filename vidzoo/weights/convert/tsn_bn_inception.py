"""TSN's BN-Inception, a Caffe network: its names and layout to ours.

`conv1/7x7_s2/weights` is ours `conv1_7x7_s2/kernel`, (out, in, height, width) there.
Its batch norm, a layer of TSN's own Caffe, has four blobs: scale, shift, moving mean
and moving variance, which a `.caffemodel` gives no names:
`conv1/7x7_s2_bn/weights`, `/biases`, `/blob2` and `/blob3`. The classifier is `fc`, or
`fc-action` in a trained TSN.
"""

from vidzoo.weights.convert.converter import from_caffe
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["bn_inception_tsn"]
_HEADS = ("fc", "fc-action")
_NORM_BLOBS = {
    "weights": "gamma",
    "biases": "beta",
    "blob2": "moving_mean",
    "blob3": "moving_variance",
}


def recognises(names) -> bool:
    """Whether these array names are TSN's BN-Inception's."""
    markers = {"conv1/7x7_s2/weights", "inception_5b/double_3x3_2_bn/blob3"}
    return markers <= set(names)


def convert(arrays: dict) -> dict:
    """Renames and transposes: Caffe's arrays by name to ours by name."""
    converted = {}
    for name, blob in arrays.items():
        layer, _, variable = name.rpartition("/")
        if layer.endswith("_bn") and variable in _NORM_BLOBS:
            converted[f"{_layer(layer)}/{_NORM_BLOBS[variable]}"] = blob.reshape(-1)
        else:
            ours, array = from_caffe(name, blob, _layer)
            converted[ours] = array
    return converted


def _layer(name):
    return "head" if name in _HEADS else name.replace("/", "_")
