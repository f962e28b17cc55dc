"""Caffe's bvlc_googlenet: its names and layout to ours.

Caffe's `conv1/7x7_s2/weights` is ours `conv1_7x7_s2/kernel`; kernels come as
(out, in, height, width), the classifier, `loss3/classifier`, as (out, in). The
published `.caffemodel` also holds the two classifiers that serve training alone,
`loss1` and `loss2`; they are left out.
"""

from vidzoo.weights.convert.converter import caffe_kernel, taken
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["googlenet_bvlc"]
_AUXILIARY = ("loss1/", "loss2/")


def recognises(names) -> bool:
    """Whether these array names are Caffe's GoogLeNet's."""
    return {"conv1/7x7_s2/weights", "loss3/classifier/weights"} <= set(names)


def convert(arrays: dict) -> dict:
    """Renames and transposes: Caffe's arrays by name to ours by name."""
    converted = {}
    for name, blob in taken(arrays):
        layer, _, variable = name.rpartition("/")
        layer = "head" if layer == "loss3/classifier" else layer.replace("/", "_")
        if name.startswith(_AUXILIARY):
            continue
        if variable == "weights":
            converted[f"{layer}/kernel"] = caffe_kernel(blob)
        elif variable == "biases":
            converted[f"{layer}/bias"] = blob.reshape(-1)
        else:
            converted[name] = blob
    return converted
