"""What a converter is, and the changes of layout that several of them need."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from vidzoo.weights.presets import Preset


@dataclass(frozen=True)
class Converter:
    """One network of one origin. A module with these three names is one too.

    Attributes:
        PRESET: network, variant and preprocessing of what is recognised.
        recognises: whether array names are this network's.
        convert: arrays by the origin's names to arrays by ours, `layer/variable`. Lazy
            ones stay so: it moves axes, merges and cuts them, and computes nothing.
            What it does not know keeps its name, and the model then refuses it.
    """

    PRESET: Preset
    recognises: Callable[[Iterable[str]], bool]
    convert: Callable[[dict], dict]


def channels_last(kernel):
    """(out, in, ...) to (..., in, out): a convolution's or a dense layer's kernel."""
    return np.moveaxis(kernel, (0, 1), (-1, -2))


def after_convolution(kernel, num_channels: int):
    """(out, C x positions) to (positions x C, out): the first layer behind a map.

    The origin flattens channels first, we flatten them last. A kernel of another size
    is only transposed, and does not fit the model then.
    """
    num_outputs, num_inputs = kernel.shape
    if num_inputs % num_channels:
        return kernel.T
    kernel = kernel.reshape(num_outputs, num_channels, -1)
    return kernel.transpose(2, 1, 0).reshape(num_inputs, num_outputs)


def caffe_kernel(blob):
    """A Caffe layer's `weights`: (out, in, ...), or (1, 1, out, in) in old files."""
    if blob.ndim >= 4 and set(blob.shape[:-2]) == {1}:
        blob = blob.reshape(blob.shape[-2:])
    return channels_last(blob)


def from_caffe(name, blob, layer_of, num_channels: int | None = None):
    """One of a Caffe network's arrays as ours: `(name, array)`.

    Args:
        name: `layer/weights` or `layer/biases`; others keep their name.
        blob: the array.
        layer_of: from Caffe's layer name to ours.
        num_channels: of the map that fc6 reads, in networks that have one.
    """
    layer, _, variable = name.rpartition("/")
    layer = layer_of(layer)
    if variable == "weights" and layer == "fc6":
        fc6 = blob.reshape(blob.shape[-2:])
        return "fc6/kernel", after_convolution(fc6, num_channels)
    if variable == "weights":
        return f"{layer}/kernel", caffe_kernel(blob)
    if variable == "biases":
        return f"{layer}/bias", blob.reshape(-1)
    return name, blob
