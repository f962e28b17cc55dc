"""Any backbone with its head, as a classifier of single images."""

from collections.abc import Callable

import keras
from keras import layers

from vidzoo.layers import Preprocess
from vidzoo.models.backbone import Backbone
from vidzoo.weights import assign, load
from vidzoo.weights.weights_file import WeightsFile


def average_pool(x, *, weights_follow: bool):
    """`(N, H, W, C)` feature maps to `(N, C)` features; there are no weights."""
    return layers.GlobalAveragePooling2D(name="pool")(x)


def build(
    backbone: Backbone,
    num_classes: int,
    image_shape: tuple[int, int, int],
    weights: str | WeightsFile | None,
    name: str,
    features: Callable = average_pool,
) -> keras.Model:
    """Builds `(N, H, W, C)` images to `(N, K)` logits on a backbone.

    `features` makes one vector of the last stage's map, and is told by `weights_follow`
    whether the weights in it are set next.
    """
    weights_file = load.open_weights(weights, backbone.name, backbone.variant)
    settings = load.preprocess_settings(weights_file, backbone.preprocess)
    image = keras.Input(image_shape, name="image")
    x = Preprocess(**settings, name="preprocess")(image)
    for stage in backbone.stages.values():
        x = stage(x)
    x = features(x, weights_follow=weights_file is not None)
    logits = layers.Dense(num_classes, dtype="float32", name="head")(x)
    model = keras.Model(image, logits, name=name)
    if weights_file is not None:
        assign.assign_network(model, weights_file, backbone.name, backbone.variant)
    return model
