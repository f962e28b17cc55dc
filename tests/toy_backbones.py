"""Backbones with the tiny ones' stages and channels, and a fraction of their layers.

Where a test is not about the backbone, most of its time goes into tracing one: with
`toy` and `toy3d` in place of `tiny` and `tiny3d` it takes less than half. Importing
this module puts them beside the others.
"""

from dataclasses import replace
from functools import partial

from keras import layers

from vidzoo.models import backbones, tiny
from vidzoo.models.backbone import Backbone

# Of the stages behind the first: filters, in those of the first; stride.
_STAGES = {"res2": (1, 1), "res3": (2, 2), "res4": (4, 2), "res5": (8, 2)}


def _stem(x, prefix="", *, convolution, filters, kernel_size, strides):
    x = convolution(
        filters,
        kernel_size,
        strides,
        padding="same",
        use_bias=False,
        name=f"{prefix}conv1",
    )(x)
    # Two batch norms in all: partial batch norm trains the first one only.
    x = layers.BatchNormalization(name=f"{prefix}conv1_bn")(x)
    return layers.ReLU(name=f"{prefix}conv1_relu")(x)


def _stage(x, prefix="", *, convolution, filters, name):
    times, strides = _STAGES[name]
    is_last = name == "res5"
    x = convolution(
        times * filters,
        3,
        strides,
        padding="same",
        use_bias=not is_last,
        kernel_initializer="he_normal",
        name=f"{prefix}{name}_conv",
    )(x)
    if is_last:
        x = layers.BatchNormalization(name=f"{prefix}{name}_bn")(x)
    return layers.ReLU(name=f"{prefix}{name}_relu")(x)


def _backbone(name, convolution, filters, **stem):
    both = {"convolution": convolution, "filters": filters}
    stages = {"conv1": partial(_stem, **both, **stem)} | {
        stage: partial(_stage, **both, name=stage) for stage in _STAGES
    }
    return Backbone(name, "v1", tiny.PREPROCESS, stages, frame_features="map")


_TOY = _backbone("toy", layers.Conv2D, 16, kernel_size=5, strides=4)
TOYS = {"toy": _TOY, "toy_average": replace(_TOY, frame_features="average")}
TOYS_3D = {
    "toy3d": _backbone(
        "toy3d", layers.Conv3D, 8, kernel_size=(3, 5, 5), strides=(1, 4, 4)
    )
}
backbones.BACKBONES.update(TOYS)
backbones.BACKBONES_3D.update(TOYS_3D)
