"""Caffe's bvlc_googlenet: its names and layout to ours.

Caffe's `conv1/7x7_s2/weights` is ours `conv1_7x7_s2/kernel`; kernels come as
(out, in, height, width), the classifier, `loss3/classifier`, as (out, in). The
published `.caffemodel` also holds the two classifiers that serve training alone,
`loss1` and `loss2`; they are left out.
"""

from vidzoo.weights.convert.converter import from_caffe
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["googlenet_bvlc"]
_AUXILIARY = ("loss1/", "loss2/")


def recognises(names) -> bool:
    """Whether these array names are Caffe's GoogLeNet's."""
    return {"conv1/7x7_s2/weights", "loss3/classifier/weights"} <= set(names)


def convert(arrays: dict) -> dict:
    """Renames and transposes: Caffe's arrays by name to ours by name."""
    return dict(
        from_caffe(name, blob, _layer)
        for name, blob in arrays.items()
        if not name.startswith(_AUXILIARY)
    )


def _layer(name):
    return "head" if name == "loss3/classifier" else name.replace("/", "_")
