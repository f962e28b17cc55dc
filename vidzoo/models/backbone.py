"""What a backbone is: a network up to its last feature map, stage by stage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Backbone:
    """A network up to its last feature map.

    Attributes:
        name: of the network; in `vidzoo.models.backbones.BACKBONES` the key, which
            tells variants by a suffix, e.g. `"resnet50_v1"`.
        variant: which of several networks of that name; weights name it too.
        preprocess: arguments of `Preprocess` when no weights say otherwise.
        stages: name -> function from a tensor `(N, H, W, C)` and a prefix for layer
            names to the stage's feature map. Each ends right before the next lowers the
            resolution: "the layers before reducing the spatial resolution" (section
            5.3.2) therefore mean the same for all backbones.
        hidden: layers that the network has between its last stage and its `head`, and
            that a network on this backbone has not.
        first_convolution: the layer that reads the preprocessed pixels.
        frame_features: what networks of full-length video (chapter 3) take of a frame:
            `"map"`, the last stage's map; `"average"`, its average over space; or
            `"output"`, the answer to it of the network's own classifier.
    """

    name: str
    variant: str
    preprocess: Mapping
    stages: Mapping[str, Callable]
    hidden: tuple[str, ...] = ()
    first_convolution: str = "conv1"
    frame_features: str = "average"

    def without_hidden(self, weights_file):
        """Weights of this network, without its hidden layers'; any other as they are.

        Args:
            weights_file: a `vidzoo.weights.WeightsFile`, or None.
        """
        if weights_file is None or weights_file.network != self.name:
            return weights_file
        arrays = {
            name: array
            for name, array in weights_file.arrays.items()
            if name.rpartition("/")[0] not in self.hidden
        }
        return replace(weights_file, arrays=arrays)
