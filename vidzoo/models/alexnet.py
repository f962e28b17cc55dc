"""AlexNet, in three variants that share only their outline.

Source: Krizhevsky et al. 2012. `"caffe"` is Caffe's bvlc_alexnet, 227 pixels: two
groups in three convolutions, local response normalisation (LRN) before each pooling.
(Caffe's other one, bvlc_reference_caffenet, pools first: same shapes, other answers,
not this network.) `"paper"` is the dissertation's (section 3.3), 220 pixels: larger
kernels, no groups, pooling before LRN; what it leaves open is our decision, see
`docs/models/alexnet.md`. `"torchvision"` is Krizhevsky 2014, 224 pixels: fewer
channels, no groups, no LRN.
"""

from functools import partial

import keras
from keras import layers

from vidzoo.layers import local_response_normalization
from vidzoo.models import fully_connected, image_classifier
from vidzoo.models.backbone import Backbone
from vidzoo.weights import preprocessing
from vidzoo.weights.weights_file import WeightsFile

# variant: side of its images
_SIZES = {"caffe": 227, "paper": 220, "torchvision": 224}
VARIANTS = tuple(_SIZES)
_DROPOUTS = {"caffe": 0.5, "paper": 0.6, "torchvision": 0.5}


def AlexNet(
    num_classes: int = 1000,
    *,
    variant: str = "caffe",
    image_shape: tuple[int, int, int] | None = None,
    fc_size: int = 4096,
    dropout: float | None = None,
    weights: str | WeightsFile | None = None,
    name: str = "alexnet",
) -> keras.Model:
    """Builds an AlexNet: `(N, H, W, 3)` images to `(N, K)` logits.

    Args:
        num_classes: K.
        variant: `"caffe"`, `"paper"` or `"torchvision"`; weights fit their own only.
        image_shape: `(H, W, 3)`; None for the variant's own: 227, 220 or 224 pixels,
            which its public weights need, since fc6 reads a whole feature map.
        fc_size: units of fc6 and fc7.
        dropout: rate at each of the two; None for the variant's: 0.6 in the paper's,
            0.5 in the others.
        weights: None, `"imagenet"`, the name of a preset of this network, the path of
            a weights file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        ValueError: `variant` is unknown.
        WeightsError: the weights are of another network, variant, size or K.
    """
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {VARIANTS}. Received: {variant!r}.")
    size = _SIZES[variant]
    features = partial(
        fully_connected.features,
        fc_size=fc_size,
        dropout=_DROPOUTS[variant] if dropout is None else dropout,
        dropout_first=variant == "torchvision",
    )
    return image_classifier.build(
        ALEXNETS[variant],
        num_classes,
        image_shape or (size, size, 3),
        weights,
        name,
        features,
    )


def caffe_stages() -> dict:
    """bvlc_alexnet's stages: 55x55x96, 27x27x256, and 6x6x256 after `pool5`."""

    def conv1(x, prefix=""):
        x = _conv(x, 96, 11, f"{prefix}conv1", strides=4, padding="valid")
        return local_response_normalization(x)

    def conv2(x, prefix=""):
        x = _pool(x, f"{prefix}pool1")
        x = _two_groups(x, 256, 5, f"{prefix}conv2")
        return local_response_normalization(x)

    def conv5(x, prefix=""):
        x = _pool(x, f"{prefix}pool2")
        x = _conv(x, 384, 3, f"{prefix}conv3")
        x = _two_groups(x, 384, 3, f"{prefix}conv4")
        x = _two_groups(x, 256, 3, f"{prefix}conv5")
        return _pool(x, f"{prefix}pool5")

    return {"conv1": conv1, "conv2": conv2, "conv5": conv5}


def paper_stages() -> dict:
    """Section 3.3's stages: 53x53x96, 26x26x256, and 5x5x384 after the last pooling."""

    def conv1(x, prefix=""):
        return _conv(x, 96, 11, f"{prefix}conv1", strides=4, padding="valid")

    def conv2(x, prefix=""):
        x = local_response_normalization(_pool(x, f"{prefix}pool1"))
        return _conv(x, 256, 9, f"{prefix}conv2")

    def conv3(x, prefix=""):
        x = local_response_normalization(_pool(x, f"{prefix}pool2"))
        x = _conv(x, 384, 5, f"{prefix}conv3")
        return local_response_normalization(_pool(x, f"{prefix}pool3"))

    return {"conv1": conv1, "conv2": conv2, "conv3": conv3}


def torchvision_stages() -> dict:
    """The stages in torchvision: 55x55x64, 27x27x192, and 6x6x256 after `pool5`."""

    def conv1(x, prefix=""):
        x = layers.ZeroPadding2D(2, name=f"{prefix}conv1_pad")(x)
        return _conv(x, 64, 11, f"{prefix}conv1", strides=4, padding="valid")

    def conv2(x, prefix=""):
        x = _pool(x, f"{prefix}pool1")
        return _conv(x, 192, 5, f"{prefix}conv2")

    def conv5(x, prefix=""):
        x = _pool(x, f"{prefix}pool2")
        x = _conv(x, 384, 3, f"{prefix}conv3")
        x = _conv(x, 256, 3, f"{prefix}conv4")
        x = _conv(x, 256, 3, f"{prefix}conv5")
        return _pool(x, f"{prefix}pool5")

    return {"conv1": conv1, "conv2": conv2, "conv5": conv5}


def _conv(x, filters, kernel_size, name, strides=1, padding="same"):
    return layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _two_groups(x, filters, kernel_size, name):
    """A convolution in two groups: each half of the channels to half of the filters.

    Split, convolve, concatenate: a grouped convolution is slow on CPU.
    """
    half = x.shape[-1] // 2
    groups = [
        _conv(part, filters // 2, kernel_size, f"{name}_group{i}")
        for i, part in enumerate((x[..., :half], x[..., half:]), start=1)
    ]
    return layers.Concatenate(name=name)(groups)


def _pool(x, name):
    return layers.MaxPooling2D(3, 2, name=name)(x)


def _backbone(variant, preprocess, stages):
    return Backbone(
        "alexnet",
        variant,
        preprocess,
        stages,
        hidden=fully_connected.LAYERS,
        frame_features="map",
    )


ALEXNETS = {
    "caffe": _backbone("caffe", preprocessing.CAFFE, caffe_stages()),
    "paper": _backbone("paper", preprocessing.CAFFE, paper_stages()),
    "torchvision": _backbone(
        "torchvision", preprocessing.TORCHVISION, torchvision_stages()
    ),
}
