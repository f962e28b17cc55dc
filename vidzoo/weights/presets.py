"""Named weights, each with everything needed to use them: a table of records."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Preset:
    """One set of public weights.

    Attributes:
        name: of these weights.
        network: key of `vidzoo.models.backbones.BACKBONES`, or another network's name.
        variant: which of the networks of that name.
        url: where the origin publishes them.
        sha1: of the origin's file, as the origin states it.
        num_parameters: of the whole network with its classifier.
        arguments: of the builder.
        preprocess: arguments of `vidzoo.layers.Preprocess`.
        licence: as the origin states it.
        citation: whom to cite.
        scores: as the origin states them, with their protocol.
        expected: a known answer: name of an ImageNet photo, its class, that logit.
    """

    name: str
    network: str
    variant: str
    url: str
    sha1: str
    num_parameters: int
    arguments: Mapping
    preprocess: Mapping
    licence: str
    citation: str
    scores: str
    expected: tuple[str, int, float]


PRESETS = {
    "googlenet_bvlc": Preset(
        name="googlenet_bvlc",
        network="googlenet",
        variant="bvlc",
        url="http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
        sha1="405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        num_parameters=6_998_552,
        arguments={"num_classes": 1000},
        preprocess={
            "channel_order": "bgr",
            "scale": 1.0,
            "mean": (104.0, 117.0, 123.0),
            "std": (1.0, 1.0, 1.0),
        },
        licence="unrestricted use (BVLC)",
        citation="Szegedy et al., Going Deeper with Convolutions, CVPR 2015",
        scores="ImageNet validation, centre crop: top-1 68.7 %, top-5 88.9 % (BVLC)",
        expected=("n01440764_tench.JPEG", 0, 21.836),
    ),
}
