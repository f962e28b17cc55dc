"""The backbones that video networks stand on, by name."""

from collections.abc import Mapping

from vidzoo.models import (
    alexnet,
    bn_inception,
    googlenet,
    resnet,
    resnet3d,
    tiny,
    vgg,
)
from vidzoo.models.backbone import Backbone

BACKBONES = {
    "resnet18": resnet.RESNET18,
    "resnet34": resnet.RESNET34,
    "resnet50": resnet.RESNET50,
    "resnet101": resnet.RESNET101,
    "resnet152": resnet.RESNET152,
    "resnet50_v1": resnet.RESNET50_V1,
    "resnet101_v1": resnet.RESNET101_V1,
    "resnet152_v1": resnet.RESNET152_V1,
    "vgg16": vgg.VGG_16,
    "alexnet_caffe": alexnet.ALEXNETS["caffe"],
    "alexnet_paper": alexnet.ALEXNETS["paper"],
    "alexnet_torchvision": alexnet.ALEXNETS["torchvision"],
    "googlenet": googlenet.GOOGLENET,
    "bn_inception": bn_inception.BN_INCEPTION,
    "tiny": tiny.TINY,
    "tiny_average": tiny.TINY_AVERAGE,
}
# Of clips `(N, T, H, W, C)`: the encoders of chapter 4.
BACKBONES_3D = {"resnet3d": resnet3d.RESNET3D, "tiny3d": resnet3d.TINY3D}
ALIASES = {"alexnet": "alexnet_paper"}  # the dissertation has one AlexNet, its own


def get(name: str, known: Mapping[str, Backbone] = BACKBONES) -> Backbone:
    """The backbone of that name.

    Args:
        name: a key of `known`, or an alias of one.
        known: `BACKBONES` or `BACKBONES_3D`.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    name = ALIASES.get(name, name)
    if name not in known:
        raise ValueError(
            f"`backbone` must be one of {tuple(known)}. Received: {name!r}."
        )
    return known[name]
