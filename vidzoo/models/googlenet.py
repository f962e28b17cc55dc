"""GoogLeNet as Caffe published it (bvlc_googlenet): no batch norm, LRN, 5x5 branch.

Source: Szegedy et al. 2015, "Going Deeper with Convolutions"; the network of the
dissertation's chapters 2 and 3. torchvision's GoogLeNet is another network.
"""

import keras
from keras import layers

from vidzoo.layers import local_response_normalization
from vidzoo.models import image_classifier
from vidzoo.models.backbone import Backbone
from vidzoo.weights import preprocessing
from vidzoo.weights.weights_file import WeightsFile

VARIANT = "bvlc"
# name: 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection (Table 1 there)
_INCEPTIONS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


def GoogLeNet(
    num_classes: int = 1000,
    *,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "googlenet",
) -> keras.Model:
    """Builds GoogLeNet: `(N, H, W, 3)` images to `(N, K)` logits.

    The two auxiliary classifiers, which serve training from scratch alone, are left
    out, as in Caffe's deploy network.

    Args:
        num_classes: K.
        image_shape: `(H, W, 3)`, any size.
        weights: None, `"imagenet"`, the name of a preset of this network, the path of
            a weights file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        WeightsError: the weights are of another network, variant or K.
    """
    return image_classifier.build(GOOGLENET, num_classes, image_shape, weights, name)


def stages() -> dict:
    """The five stages, as functions of a tensor and a name prefix."""
    return {
        "conv1": _conv1,
        "conv2": _conv2,
        "inception_3": _inceptions("pool2", "3a", "3b"),
        "inception_4": _inceptions("pool3", "4a", "4b", "4c", "4d", "4e"),
        "inception_5": _inceptions("pool4", "5a", "5b"),
    }


def _conv1(x, prefix=""):
    x = layers.ZeroPadding2D(3, name=f"{prefix}conv1_pad")(x)
    x = _conv(x, 64, 7, f"{prefix}conv1_7x7_s2", strides=2, padding="valid")
    x = ceil_max_pool(x, f"{prefix}pool1")
    return local_response_normalization(x)


def _conv2(x, prefix=""):
    x = _conv(x, 64, 1, f"{prefix}conv2_3x3_reduce")
    x = _conv(x, 192, 3, f"{prefix}conv2_3x3")
    return local_response_normalization(x)


def _inceptions(pool, *names):
    def apply(x, prefix=""):
        x = ceil_max_pool(x, f"{prefix}{pool}")
        for name in names:
            x = _inception(x, _INCEPTIONS[name], f"{prefix}inception_{name}")
        return x

    return apply


def _inception(x, filters, name):
    one, reduce3, three, reduce5, five, projection = filters
    branch1 = _conv(x, one, 1, f"{name}_1x1")
    branch3 = _conv(x, reduce3, 1, f"{name}_3x3_reduce")
    branch3 = _conv(branch3, three, 3, f"{name}_3x3")
    branch5 = _conv(x, reduce5, 1, f"{name}_5x5_reduce")
    branch5 = _conv(branch5, five, 5, f"{name}_5x5")
    pooled = layers.MaxPooling2D(3, 1, padding="same", name=f"{name}_pool")(x)
    pooled = _conv(pooled, projection, 1, f"{name}_pool_proj")
    branches = [branch1, branch3, branch5, pooled]
    return layers.Concatenate(name=f"{name}_output")(branches)


def _conv(x, filters, kernel_size, name, strides=1, padding="same"):
    return layers.Conv2D(
        filters, kernel_size, strides, padding=padding, activation="relu", name=name
    )(x)


def ceil_max_pool(x, name):
    """Caffe's 3x3 max-pool of stride 2: rounds up, so an even side gets one more row.

    Zeros serve as padding, since every value is positive after a ReLU.
    """
    bottom, right = (1 - x.shape[1] % 2), (1 - x.shape[2] % 2)
    if bottom or right:
        x = layers.ZeroPadding2D(((0, bottom), (0, right)), name=f"{name}_pad")(x)
    return layers.MaxPooling2D(3, 2, name=name)(x)


GOOGLENET = Backbone(
    "googlenet",
    VARIANT,
    preprocessing.CAFFE,
    stages(),
    first_convolution="conv1_7x7_s2",
    frame_features="output",
)
