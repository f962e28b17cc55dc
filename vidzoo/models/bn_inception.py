"""BN-Inception: Inception-v2 with batch norm, TSN's own backbone.

Source: Ioffe & Szegedy 2015, "Batch Normalization", as TSN's Caffe network has it
(bn_inception of Wang et al. 2016): convolutions keep their biases, two modules lower
the resolution, average pooling counts its padding.
"""

import keras
from keras import layers

from vidzoo.models import image_classifier
from vidzoo.models.backbone import Backbone
from vidzoo.models.googlenet import ceil_max_pool
from vidzoo.weights import preprocessing
from vidzoo.weights.weights_file import WeightsFile

VARIANT = "tsn"
# name: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3 (both), pool projection;
# without 1x1 and projection a module lowers the resolution.
_INCEPTIONS = {
    "3a": (64, 64, 64, 64, 96, 32),
    "3b": (64, 64, 96, 64, 96, 64),
    "3c": (None, 128, 160, 64, 96, None),
    "4a": (224, 64, 96, 96, 128, 128),
    "4b": (192, 96, 128, 96, 128, 128),
    "4c": (160, 128, 160, 128, 160, 128),
    "4d": (96, 128, 192, 160, 192, 128),
    "4e": (None, 128, 192, 192, 256, None),
    "5a": (352, 192, 320, 160, 224, 128),
    "5b": (352, 192, 320, 192, 224, 128),
}


def BNInception(
    num_classes: int = 1000,
    *,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "bn_inception",
) -> keras.Model:
    """Builds BN-Inception: `(N, H, W, 3)` images to `(N, K)` logits.

    Args:
        num_classes: K.
        image_shape: `(H, W, 3)`, multiples of 32: where a module meets an odd side,
            its convolutions and its pooling round differently.
        weights: None, `"imagenet"`, the name of a preset of this network, the path of
            a weights file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        WeightsError: the weights are of another network, variant or K.
    """
    return image_classifier.build(BN_INCEPTION, num_classes, image_shape, weights, name)


def stages() -> dict:
    """The five stages, as functions of a tensor and a name prefix.

    Sizes at 224 pixels: 56x56x64, 56x56x192, 28x28x320, 14x14x608, 7x7x1024.
    """
    return {
        "conv1": _conv1,
        "conv2": _conv2,
        "inception_3": _inception_3,
        "inception_4": _inceptions("3c", "4a", "4b", "4c", "4d"),
        "inception_5": _inceptions("4e", "5a", "5b"),
    }


def _conv1(x, prefix=""):
    x = _conv(x, 64, 7, f"{prefix}conv1_7x7_s2", strides=2)
    return ceil_max_pool(x, f"{prefix}pool1")


def _conv2(x, prefix=""):
    x = _conv(x, 64, 1, f"{prefix}conv2_3x3_reduce")
    return _conv(x, 192, 3, f"{prefix}conv2_3x3")


def _inception_3(x, prefix=""):
    x = ceil_max_pool(x, f"{prefix}pool2")
    return _inceptions("3a", "3b")(x, prefix)


def _inceptions(*names):
    def apply(x, prefix=""):
        for name in names:
            filters = _INCEPTIONS[name]
            module = _inception if filters[0] else _lowering_inception
            x = module(x, filters, f"{prefix}inception_{name}")
        return x

    return apply


def _inception(x, filters, name):
    one, reduce3, three, reduce_double, double, projection = filters
    branch1 = _conv(x, one, 1, f"{name}_1x1")
    branch3 = _conv(x, reduce3, 1, f"{name}_3x3_reduce")
    branch3 = _conv(branch3, three, 3, f"{name}_3x3")
    branch33 = _conv(x, reduce_double, 1, f"{name}_double_3x3_reduce")
    branch33 = _conv(branch33, double, 3, f"{name}_double_3x3_1")
    branch33 = _conv(branch33, double, 3, f"{name}_double_3x3_2")
    pool = _max_pool if name.endswith("5b") else _average_pool
    pooled = _conv(pool(x, f"{name}_pool"), projection, 1, f"{name}_pool_proj")
    branches = [branch1, branch3, branch33, pooled]
    return layers.Concatenate(name=f"{name}_output")(branches)


def _lowering_inception(x, filters, name):
    """Halves the sides: strides of 2 on both branches, and a pooling beside them."""
    _, reduce3, three, reduce_double, double, _ = filters
    branch3 = _conv(x, reduce3, 1, f"{name}_3x3_reduce")
    branch3 = _conv(branch3, three, 3, f"{name}_3x3", strides=2)
    branch33 = _conv(x, reduce_double, 1, f"{name}_double_3x3_reduce")
    branch33 = _conv(branch33, double, 3, f"{name}_double_3x3_1")
    branch33 = _conv(branch33, double, 3, f"{name}_double_3x3_2", strides=2)
    branches = [branch3, branch33, ceil_max_pool(x, f"{name}_pool")]
    return layers.Concatenate(name=f"{name}_output")(branches)


def _conv(x, filters, kernel_size, name, strides=1):
    """Convolution padded evenly, as Caffe pads, batch norm, ReLU."""
    if strides > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same" if strides == 1 else "valid",
        kernel_initializer="he_normal",
        name=name,
    )(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _average_pool(x, name):
    """Caffe's 3x3 average: zeros around the map count."""
    x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    return layers.AveragePooling2D(3, 1, name=name)(x)


def _max_pool(x, name):
    return layers.MaxPooling2D(3, 1, padding="same", name=name)(x)


BN_INCEPTION = Backbone(
    "bn_inception",
    VARIANT,
    preprocessing.CAFFE,
    stages(),
    first_convolution="conv1_7x7_s2",
)
