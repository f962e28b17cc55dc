"""The backbones that video networks stand on, by name.

A backbone is its stages, in order, each ending right before the next lowers the
resolution: "the layers before reducing the spatial resolution" (section 5.3.2)
therefore mean the same for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vidzoo.models import googlenet, resnet, tiny


@dataclass(frozen=True)
class Backbone:
    """A network up to its last feature map.

    Attributes:
        stages: name -> function from a tensor `(N, H, W, C)` and a prefix for layer
            names to the stage's feature map.
        variant: which of several networks of that name; weights name it too.
        preprocess: arguments of `Preprocess` when no weights say otherwise.
    """

    stages: Mapping[str, Callable]
    variant: str
    preprocess: Mapping


BACKBONES = {
    "resnet18": Backbone(resnet.stages(18), resnet.VARIANT, resnet.PREPROCESS),
    "resnet34": Backbone(resnet.stages(34), resnet.VARIANT, resnet.PREPROCESS),
    "resnet50": Backbone(resnet.stages(50), resnet.VARIANT, resnet.PREPROCESS),
    "googlenet": Backbone(googlenet.stages(), googlenet.VARIANT, googlenet.PREPROCESS),
    "tiny": Backbone(tiny.stages(), tiny.VARIANT, tiny.PREPROCESS),
}


def get(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if name not in BACKBONES:
        raise ValueError(
            f"`backbone` must be one of {tuple(BACKBONES)}. Received: {name!r}."
        )
    return BACKBONES[name]
