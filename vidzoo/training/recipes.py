"""How a network is trained, as data: a recipe is phases, a phase is one optimizer."""

import math
from dataclasses import asdict, dataclass, replace

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "step", "cosine")
CROPS = ("corner", "random")


@dataclass(frozen=True)
class Phase:
    """One stretch of training under one optimizer and one schedule.

    Attributes:
        epochs: passes over the training videos.
        learning_rate: at the start.
        optimizer: `"sgd"` or `"adam"`.
        schedule: `"constant"`; `"step"`, divided by ten at each of `decay_epochs`; or
            `"cosine"`, down to zero.
        decay_epochs: for `"step"`.
        warmup_epochs: the rate first rises linearly over so many.
        momentum: of SGD.
        weight_decay: L2, added to the gradient of kernels after clipping, as Caffe and
            Torch do; biases and batch norm have none.
        clip_norm: upper limit of the gradient's global norm; None for no limit.
        head_multiplier: factor on the classifiers' learning rate.

    Raises:
        ValueError: a value is unknown or out of range.
    """

    epochs: int
    learning_rate: float
    optimizer: str = "sgd"
    schedule: str = "constant"
    decay_epochs: tuple[float, ...] = ()
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float | None = None
    head_multiplier: float = 1.0

    def __post_init__(self):
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(
                f"`optimizer` must be one of {OPTIMIZERS}. Received: {self.optimizer}."
            )
        if self.schedule not in SCHEDULES:
            raise ValueError(
                f"`schedule` must be one of {SCHEDULES}. Received: {self.schedule}."
            )
        is_finite = math.isfinite(self.learning_rate)
        if (
            self.epochs < 1
            or not (is_finite and self.learning_rate > 0)
            or self.warmup_epochs < 0
        ):
            raise ValueError(
                "`epochs` must be >= 1, `learning_rate` > 0 and `warmup_epochs` >= 0. "
                f"Received: {self.epochs}, {self.learning_rate} and "
                f"{self.warmup_epochs}."
            )
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(f"`clip_norm` must be > 0. Received: {self.clip_norm}.")


@dataclass(frozen=True)
class Recipe:
    """Phases in order, and what holds for all of them.

    Attributes:
        phases: one after the other.
        batch_size: clips in a global batch.
        dropout: rate before the classifiers.
        crop: `"corner"` (TSN's corners and scales) or `"random"`.
        flip: whether clips are mirrored at random; wrong where left and right matter.
        crop_scales: for `"corner"`, of the stored frame's short side.

    Raises:
        ValueError: a value is unknown or out of range.
    """

    phases: tuple[Phase, ...]
    batch_size: int = 16
    dropout: float = 0.5
    crop: str = "corner"
    flip: bool = True
    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.65625)

    def __post_init__(self):
        if self.crop not in CROPS:
            raise ValueError(f"`crop` must be one of {CROPS}. Received: {self.crop}.")
        if self.batch_size < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                "`batch_size` must be >= 1 and `dropout` in [0, 1). "
                f"Received: {self.batch_size} and {self.dropout}."
            )

    def as_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    def replacing(self, **changes) -> "Recipe":
        """This recipe with other values; those of a phase are set in its phases."""
        of_phase = {k: v for k, v in changes.items() if k in Phase.__annotations__}
        of_recipe = {k: v for k, v in changes.items() if k not in of_phase}
        phases = tuple(replace(phase, **of_phase) for phase in self.phases)
        return replace(self, phases=phases, **of_recipe)


RECIPES = {
    # A pretrained backbone on a small data set, on a small machine: features move
    # little, the classifier fast. Chosen on a fifth of jhmdb10's training videos.
    "finetune": Recipe(
        phases=(
            Phase(
                epochs=8,
                learning_rate=1e-4,
                schedule="cosine",
                weight_decay=5e-4,
                clip_norm=5.0,
                head_multiplier=30.0,
            ),
        ),
        batch_size=16,
        dropout=0.8,
        crop_scales=(1.0, 0.9375, 0.875),
    ),
    # TSN's own, from random weights: many videos, corner crops at four scales.
    "scratch": Recipe(
        phases=(
            Phase(
                epochs=45,
                learning_rate=0.01,
                schedule="step",
                decay_epochs=(20, 40),
                weight_decay=5e-4,
                clip_norm=40.0,
            ),
        ),
        batch_size=32,
        dropout=0.5,
    ),
    # A tiny backbone from random weights, where left and right are classes.
    "motion-shapes": Recipe(
        phases=(
            Phase(
                epochs=8,
                learning_rate=2e-3,
                optimizer="adam",
                schedule="cosine",
                warmup_epochs=0.5,
                clip_norm=5.0,
            ),
        ),
        batch_size=32,
        dropout=0.0,
        crop="random",
        flip=False,
    ),
}
