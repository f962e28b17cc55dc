"""A tiny residual network with ResNet's five stage names, for demos and tests.

Small frames on a CPU in minutes; not a network of the literature.
"""

from dataclasses import replace

from keras import layers

from vidzoo.models import resnet
from vidzoo.models.backbone import Backbone

VARIANT = "v1"
PREPROCESS = {
    "channel_order": "rgb",
    "scale": 1 / 127.5,
    "mean": (1.0, 1.0, 1.0),
    "std": (1.0, 1.0, 1.0),
}


def stages() -> dict:
    """The five stages: one basic block each, 16 to 128 channels, 1/32 at the end."""
    return {
        "conv1": _stem,
        "res2": resnet.stage(resnet.basic_block, "res2", 16, 1, 1),
        "res3": resnet.stage(resnet.basic_block, "res3", 32, 1, 2),
        "res4": resnet.stage(resnet.basic_block, "res4", 64, 1, 2),
        "res5": resnet.stage(resnet.basic_block, "res5", 128, 1, 2),
    }


def _stem(x, prefix=""):
    x = resnet.conv_bn(x, 16, 5, 2, f"{prefix}conv1")
    x = layers.ReLU(name=f"{prefix}conv1_relu")(x)
    return layers.MaxPooling2D(2, name=f"{prefix}pool1")(x)


TINY = Backbone("tiny", VARIANT, PREPROCESS, stages(), frame_features="map")
# As GoogLeNet and ResNet have it, in networks of full-length video.
TINY_AVERAGE = replace(TINY, frame_features="average")
