"""The backbones that video networks stand on, by name."""

from vidzoo.models import alexnet, bn_inception, googlenet, resnet, tiny, vgg
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
ALIASES = {"alexnet": "alexnet_paper"}  # the dissertation has one AlexNet, its own


def get(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    name = ALIASES.get(name, name)
    if name not in BACKBONES:
        raise ValueError(
            f"`backbone` must be one of {tuple(BACKBONES)}. Received: {name!r}."
        )
    return BACKBONES[name]
