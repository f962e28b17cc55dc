"""What a weights file says, before it is in a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class WeightsFile:
    """Weights as read from a file, not yet in a model.

    Attributes:
        path: the file.
        network: `"tsn"`, `"tdn"`, or a backbone's name if it is the backbone alone.
        backbone: a backbone's name.
        variant: the backbone's variant, e.g. `"v1.5"`.
        preprocess: arguments of `Preprocess` that the weights expect.
        arrays: `layer/variable` -> array, lazy (`vidzoo.weights.lazy`) or NumPy's.
        differences: the layers in which a TDN takes differences; None for an
            initialisation, which fits a TDN with any.
        preset: the public weights that these are, by their names, or were made of
            without training; None if they are neither.
        left_out: classifiers left out on purpose: layer -> number of its classes. A
            model keeps its own fresh ones.
    """

    path: Path
    network: str
    backbone: str
    variant: str
    preprocess: Mapping = field(repr=False)
    arrays: Mapping = field(repr=False)
    differences: tuple[str, ...] | None = ()
    preset: str | None = None
    left_out: Mapping[str, int] = field(default_factory=dict)
