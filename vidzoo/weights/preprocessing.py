"""What public weights expect of pixels: arguments of `vidzoo.layers.Preprocess`."""

import math
from collections.abc import Mapping

# torchvision's: RGB in 0..1, then ImageNet's mean and standard deviation.
TORCHVISION = {
    "channel_order": "rgb",
    "scale": 1 / 255,
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
# Caffe's: blue first, ImageNet's mean colour subtracted, not scaled. bvlc_alexnet was
# tested with a mean image, of which this is the average colour.
CAFFE = {
    "channel_order": "bgr",
    "scale": 1.0,
    "mean": (104.0, 117.0, 123.0),
    "std": (1.0, 1.0, 1.0),
}
# The same with the mean to three decimals: VGG's, and what keras.applications calls
# "caffe".
CAFFE_PRECISE = CAFFE | {"mean": (103.939, 116.779, 123.68)}
# torchvision's for Kinetics-400.
TORCHVISION_KINETICS = {
    "channel_order": "rgb",
    "scale": 1 / 255,
    "mean": (0.43216, 0.394666, 0.37645),
    "std": (0.22803, 0.22145, 0.216989),
}
# C3D's: blue first. The origin subtracts a mean clip, one value per pixel and frame;
# this is that clip's average, as its users report it.
C3D = CAFFE | {"mean": (90.25, 97.66, 101.41)}
# kinetics-i3d's: -1..1, for RGB and for flow as 8-bit images at a bound of 20 pixels.
I3D = {
    "rgb": {
        "channel_order": "rgb",
        "scale": 1 / 127.5,
        "mean": (1.0, 1.0, 1.0),
        "std": (1.0, 1.0, 1.0),
    },
    "flow": {
        "channel_order": "rgb",
        "scale": 1 / 127.5,
        "mean": (1.0, 1.0),
        "std": (1.0, 1.0),
    },
}
# What 8-bit flow images hold where nothing moves: 127.5, rounded.
ZERO_FLOW = 128


def flow(rgb: Mapping) -> dict:
    """What a flow network expects that starts from weights for RGB: `(x, y)` images.

    Zero flow, 128, becomes 0. Both components are divided by the mean of the three
    colours' standard deviations, and none is swapped for weights that want blue first.
    Source: TSN (Wang et al. 2016), whose Caffe networks subtract 128 from flow and
    whose PyTorch code averages the deviations (it subtracts 127.5 for torchvision's
    weights; ours is 128 for all).

    Args:
        rgb: arguments of `Preprocess` that the weights for RGB expect.
    """
    std = sum(rgb["std"]) / len(rgb["std"])
    return {
        "channel_order": "rgb",
        "scale": rgb["scale"],
        "mean": (ZERO_FLOW * rgb["scale"],) * 2,
        "std": (std,) * 2,
    }


def flow_image(rgb: Mapping) -> dict:
    """The same for flow as a colour image `(x, y, 0)`, x in place of red.

    The third channel, stored as 0, is 0 to the network too, "so that it gives no
    effect" (dissertation section 3.3.4).

    Args:
        rgb: as in `flow`.
    """
    settings = flow(rgb)
    mean, std = (*settings["mean"], 0.0), (*settings["std"], settings["std"][0])
    if rgb["channel_order"] == "bgr":
        mean = mean[::-1]  # in the weights' order
    return settings | {
        "channel_order": rgb["channel_order"],
        "mean": mean,
        "std": std,
    }


def modality(settings: Mapping) -> str | None:
    """What kind of input a preprocessing is for; weights say it by nothing else.

    `"flow"` has the two values of an `(x, y)` image, `"flow_image"` zero flow's twice
    and 0 for the third channel, `"rgb"` three others. None for any other number.

    Args:
        settings: arguments of `Preprocess`, which may leave out what it knows itself.
    """
    mean = tuple(settings.get("mean", (0.0, 0.0, 0.0)))
    if len(mean) == 2:
        return "flow"
    if len(mean) != 3:
        return None
    x, y, third = mean[::-1] if settings.get("channel_order") == "bgr" else mean
    zero = ZERO_FLOW * settings.get("scale", 1.0)
    is_flow = third == 0 and math.isclose(x, zero) and math.isclose(y, zero)
    return "flow_image" if is_flow else "rgb"


def of_modality(name: str, rgb: Mapping) -> Mapping:
    """The preprocessing of a network that starts from random weights.

    Args:
        name: `"rgb"`, `"flow"` or `"flow_image"`.
        rgb: what its backbone expects of RGB.
    """
    return {"rgb": dict, "flow": flow, "flow_image": flow_image}[name](rgb)
