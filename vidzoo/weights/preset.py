"""What a preset is: public weights, and the files that hold them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RemoteFile:
    """One file of a preset, where its origin publishes it.

    Attributes:
        url: its last part is the file's name.
        digest: as the origin states it: algorithm, colon, hex digits (of sha256 also
            the first eight alone), or None. VGG's is stated by others alone, I3D's
            index files' was computed from the origin's files.
        size: in bytes, or None where it is not known for sure.
    """

    url: str
    digest: str | None = None
    size: int | None = None

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rpartition("/")[2]

    def facts(self) -> str:
        """What is known of the file's content, for messages."""
        known = [self.digest] if self.digest else []
        known += [f"{self.size} bytes"] if self.size is not None else []
        return ", ".join(known) or "no digest and no size known"


@dataclass(frozen=True)
class Answer:
    """What a network answers to the test pattern (`vidzoo.weights.pattern`).

    Attributes:
        label: the class with the largest logit.
        logit: of that class.
        norm: Euclidean, of all logits.
    """

    label: int
    logit: float
    norm: float


@dataclass(frozen=True)
class ClipAnswer:
    """What the origin prints of its network's answer to a clip that it publishes.

    Attributes:
        url: of the clip, a NumPy file of floats in -1..1.
        shape: of the clip, `(1, T, H, W, C)`.
        norm: Euclidean, of all logits.
        logits: class -> logit, of the highest ones.
    """

    url: str
    shape: tuple[int, ...]
    norm: float
    logits: Mapping[int, float]

    @property
    def name(self) -> str:
        """The clip's file name."""
        return self.url.rpartition("/")[2]


@dataclass(frozen=True)
class Accuracy:
    """A score on ImageNet's validation photographs, one centre crop of each.

    Attributes:
        top1: in percent, or None where it is not stated.
        top5: in percent.
        source: who states it.
        resize: what precedes the crop: `"warp"` to 256x256, or `"short side"` to 256.
    """

    top1: float | None
    top5: float
    source: str
    resize: str = "short side"


@dataclass(frozen=True)
class Preset:
    """One set of public weights.

    Attributes:
        name: of these weights.
        network: key of `vidzoo.models.backbones.BACKBONES`, or another network's name.
        variant: which of the networks of that name.
        files: what the origin publishes. The first is the one to open; the others lie
            beside it.
        converter: module of `vidzoo.weights.convert` that knows the origin's names.
        num_parameters: of the whole network with its classifier, trainable ones.
        arguments: of the builder.
        preprocess: arguments of `vidzoo.layers.Preprocess`.
        licence: as the origin states it.
        citation: whom to cite.
        scores: as the origin states them, with their protocol.
        expected: the answer that tells that they work as at the origin, computed there
            or by a twin of the origin's network; None where none is known.
        clip: the answer that the origin publishes to a clip; None where it does not.
        accuracy: on ImageNet; None where these classes are others.
        non_commercial: whether the licence must be accepted before they are fetched.
    """

    name: str
    network: str
    variant: str
    files: tuple[RemoteFile, ...]
    converter: str
    num_parameters: int
    arguments: Mapping
    preprocess: Mapping
    licence: str
    citation: str
    scores: str
    expected: Answer | None = None
    clip: ClipAnswer | None = None
    accuracy: Accuracy | None = None
    non_commercial: bool = False
