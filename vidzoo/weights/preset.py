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
    non_commercial: bool = False
