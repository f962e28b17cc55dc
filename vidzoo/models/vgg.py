"""VGG-16: thirteen 3x3 convolutions and three fully connected layers.

Source: Simonyan & Zisserman 2015, configuration D; the network of the dissertation's
chapter 2. Caffe's (VGG_ILSVRC_16_layers), keras.applications' and torchvision's are
this one network with different weights.
"""

from functools import partial

import keras
from keras import layers

from vidzoo.models import fully_connected, image_classifier
from vidzoo.models.backbone import Backbone
from vidzoo.weights import preprocessing
from vidzoo.weights.weights_file import WeightsFile

VARIANT = "D"
# stage: filters, convolutions
_STAGES = {
    "conv1": (64, 2),
    "conv2": (128, 2),
    "conv3": (256, 3),
    "conv4": (512, 3),
    "conv5": (512, 3),
}


def VGG16(
    num_classes: int = 1000,
    *,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    fc_size: int = 4096,
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "vgg16",
) -> keras.Model:
    """Builds VGG-16: `(N, H, W, 3)` images to `(N, K)` logits.

    Args:
        num_classes: K.
        image_shape: `(H, W, 3)`, 32 or more each; public weights fit 224x224 alone,
            since their fc6 reads a whole 7x7 map.
        fc_size: units of fc6 and fc7.
        dropout: rate after each of the two.
        weights: None, `"imagenet"`, the name of a preset of this network, the path of
            a weights file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        WeightsError: the weights are of another network, size or K.
    """
    features = partial(fully_connected.features, fc_size=fc_size, dropout=dropout)
    return image_classifier.build(
        VGG_16, num_classes, image_shape, weights, name, features
    )


def stages() -> dict:
    """The five stages, as functions of a tensor and a name prefix.

    Sizes at 224 pixels: 224x224x64, 112x112x128, 56x56x256, 28x28x512, and 7x7x512
    after `pool5`, which belongs to the last.
    """
    return {name: partial(_stage, name=name) for name in _STAGES}


def _stage(x, prefix="", *, name):
    """A max-pool, but in the first stage, and two or three convolutions."""
    filters, count = _STAGES[name]
    number = int(name[-1])
    if number > 1:
        x = layers.MaxPooling2D(2, name=f"{prefix}pool{number - 1}")(x)
    for i in range(count):
        x = layers.Conv2D(
            filters,
            3,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=f"{prefix}{name}_{i + 1}",
        )(x)
    if number == len(_STAGES):
        x = layers.MaxPooling2D(2, name=f"{prefix}pool{number}")(x)
    return x


VGG_16 = Backbone(
    "vgg16",
    VARIANT,
    preprocessing.CAFFE_PRECISE,
    stages(),
    hidden=fully_connected.LAYERS,
    first_convolution="conv1_1",
    frame_features="map",
)
