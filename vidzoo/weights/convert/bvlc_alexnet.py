"""Caffe's bvlc_alexnet: its names and layout to ours.

`conv1/weights` is ours `conv1/kernel`, (out, in, height, width) there; `fc8` is our
head. A convolution in two groups, (out, in / 2, ...), becomes two of half the filters.
fc6 reads a flattened map, channels first there. bvlc_reference_caffenet has the same
names and shapes and pools before it normalises: its arrays do not tell, the order of
layers in its `.caffemodel` does.
"""

from vidzoo.arrays import UnreadableError
from vidzoo.weights.convert.converter import from_caffe
from vidzoo.weights.presets import PRESETS

PRESET = PRESETS["alexnet_bvlc"]
_GROUPED = ("conv2/", "conv4/", "conv5/")


def recognises(names) -> bool:
    """Whether these array names are AlexNet's: five convolutions of these names."""
    return {f"conv{i}/weights" for i in range(1, 6)} | {"fc6/weights"} <= set(names)


def convert(arrays: dict) -> dict:
    """Renames, transposes, splits groups: Caffe's arrays by name to ours by name.

    Raises:
        UnreadableError: they are CaffeNet's.
    """
    layers = getattr(arrays, "layers", ())
    if {"norm1", "pool1"} <= set(layers) and layers.index("pool1") < layers.index(
        "norm1"
    ):
        raise UnreadableError(
            "CaffeNet's (bvlc_reference_caffenet), which pools before it normalises; "
            "bvlc_alexnet's, whose names and shapes are the same, were expected: give "
            "bvlc_alexnet.caffemodel"
        )
    num_channels = len(arrays["conv5/weights"])
    converted = {}
    for name, blob in arrays.items():
        ours, array = from_caffe(name, blob, _layer, num_channels)
        is_grouped = ours.startswith(_GROUPED)
        converted |= _split(ours, array) if is_grouped else {ours: array}
    return converted


def _layer(name):
    return "head" if name == "fc8" else name


def _split(name, array):
    """An array as those of two groups, half of the filters in each."""
    half = -(-array.shape[-1] // 2)
    return {
        name.replace("/", "_group1/"): array[..., :half],
        name.replace("/", "_group2/"): array[..., half:],
    }
