"""The layers whose maps are searched by: those of table 2.1, by the paper's names."""

from vidzoo.models import backbones
from vidzoo.models.backbone import Backbone

# name in table 2.1 -> the stage or layer of the network whose output it is. Two errata
# of the table: VGG-16 has no conv2_3, and the size printed for conv2-norm2, 28x28, is
# that of its map after pool2.
_TABLES = {
    "googlenet": {
        "pool1-norm1": "conv1",
        "conv2-norm2": "pool2",
        **{
            f"inception_{name}": f"inception_{name}_output"
            for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
        },
    },
    "vgg16": {
        f"conv{stage}_{number}": f"conv{stage}_{number}"
        for stage, count in ((2, 2), (3, 3), (4, 3), (5, 3))
        for number in range(1, count + 1)
    },
}
# Section 2.4.4: network -> data set -> the layer that was best on it.
BEST_LAYERS = {
    "googlenet": {
        "holidays": "inception_3a",
        "oxford": "inception_5b",
        "paris": "inception_4e",
    },
    "vgg16": {"holidays": "conv4_2", "oxford": "conv5_1", "paris": "conv5_2"},
}


def layer_names(network: str) -> tuple[str, ...]:
    """The layers that a network's images can be described by, low to high.

    Those of table 2.1 for GoogLeNet and VGG-16; the stages of any other backbone.

    Args:
        network: a key of `vidzoo.models.backbones.BACKBONES`.

    Raises:
        ValueError: there is no such network.

    Example:
        >>> layer_names("googlenet")[:3]
        ('pool1-norm1', 'conv2-norm2', 'inception_3a')
        >>> layer_names("resnet50")
        ('conv1', 'res2', 'res3', 'res4', 'res5')
    """
    return tuple(sources(network))


def sources(network: str) -> dict[str, str]:
    """A layer's name -> the stage, or else Keras layer, whose output it is.

    Raises:
        ValueError: there is no such network.
    """
    stages = find(network).stages
    return _TABLES.get(network) or {name: name for name in stages}


def find(network: str) -> Backbone:
    """The network of that name.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if network not in backbones.BACKBONES:
        raise ValueError(
            f"`network` must be one of {tuple(backbones.BACKBONES)}. "
            f"Received: {network!r}."
        )
    return backbones.BACKBONES[network]
