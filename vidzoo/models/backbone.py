"""What a backbone is: a network up to its last feature map, stage by stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Backbone:
    """A network up to its last feature map.

    Attributes:
        name: key of `vidzoo.models.backbones.BACKBONES`.
        variant: which of several networks of that name; weights name it too.
        preprocess: arguments of `Preprocess` when no weights say otherwise.
        stages: name -> function from a tensor `(N, H, W, C)` and a prefix for layer
            names to the stage's feature map. Each ends right before the next lowers the
            resolution: "the layers before reducing the spatial resolution" (section
            5.3.2) therefore mean the same for all backbones.
    """

    name: str
    variant: str
    preprocess: Mapping
    stages: Mapping[str, Callable]
