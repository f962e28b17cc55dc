"""How a network is trained, as data: a recipe is phases, a phase is one optimizer."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

from vidzoo.losses import KINDS as LOSSES
from vidzoo.losses import RESOLUTION_WEIGHTS

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "step", "cosine", "exponential")
BATCH_NORMS = ("train", "partial", "frozen")
CROPS = ("corner", "multi-scale", "random")


@dataclass(frozen=True)
class Phase:
    """One stretch of training under one optimizer and one schedule.

    A **part** of a network is all layers whose names start alike up to the first `_`,
    e.g. `"image"` and `"difference"`, without the classifiers, whose layers' names end
    in `head`: each is a part of its own, `"image_head"`, and all together are
    `"head"`.

    Attributes:
        epochs: passes over the training videos; None where `steps` is given.
        learning_rate: at the start.
        steps: batches, in place of `epochs`.
        optimizer: `"sgd"` or `"adam"`.
        schedule: `"constant"`; `"step"`, divided by ten at each of `decay_epochs` or
            `decay_steps`; `"cosine"`, down to zero; or `"exponential"`, times
            `decay_rate` in every epoch, step by step.
        decay_epochs: for `"step"`.
        decay_steps: for `"step"`, in a phase that is counted in steps.
        decay_rate: for `"exponential"`.
        per_frame: whether `learning_rate` is for one frame, and is multiplied by the
            number of a clip's (section 3.3.3, of LSTMs); see `Recipe.for_frames`.
        warmup_epochs: the rate first rises linearly over so many.
        momentum: of SGD.
        weight_decay: L2, added to the gradient of kernels after clipping, as TSN's
            release in Caffe does; biases and batch norm have none.
        clip_norm: upper limit of the gradient's global norm; None for no limit.
        multipliers: part -> factor on its learning rate; 1 for parts not named.
        frozen: parts that do not train: their weights stay as they are to the bit, and
            their batch norm works as in inference.
        batch_norm: of the other parts: `"train"`, statistics of each batch; `"partial"`
            (section 5.4.2), moving statistics fixed and used in every batch norm but
            the first of each part; `"frozen"`, in all. Scales and offsets train in each
            case.

    Raises:
        ValueError: a value is unknown or out of range.
    """

    epochs: int | None
    learning_rate: float
    steps: int | None = None
    optimizer: str = "sgd"
    schedule: str = "constant"
    decay_epochs: tuple[float, ...] = ()
    decay_steps: tuple[int, ...] = ()
    decay_rate: float = 1.0
    per_frame: bool = False
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float | None = None
    multipliers: Mapping[str, float] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    batch_norm: str = "train"

    def __post_init__(self):
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        _check_choice("batch_norm", self.batch_norm, BATCH_NORMS)
        lengths = [n for n in (self.epochs, self.steps) if n is not None]
        if len(lengths) != 1:
            raise ValueError(
                "A phase has either `epochs` or `steps`. "
                f"Received: {self.epochs} and {self.steps}."
            )
        is_finite = math.isfinite(self.learning_rate)
        if (
            lengths[0] < 1
            or not (is_finite and self.learning_rate > 0)
            or self.warmup_epochs < 0
        ):
            raise ValueError(
                "`epochs` or `steps` must be >= 1, `learning_rate` > 0 and "
                f"`warmup_epochs` >= 0. Received: {lengths[0]}, {self.learning_rate} "
                f"and {self.warmup_epochs}."
            )
        if self.weight_decay < 0 or not 0 <= self.momentum < 1:
            raise ValueError(
                "`weight_decay` must be >= 0 and `momentum` in [0, 1). "
                f"Received: {self.weight_decay} and {self.momentum}."
            )
        if not 0 < self.decay_rate <= 1:
            raise ValueError(
                f"`decay_rate` must be above 0, at most 1. Received: {self.decay_rate}."
            )
        if self.clip_norm is not None and self.clip_norm <= 0:
            raise ValueError(f"`clip_norm` must be > 0. Received: {self.clip_norm}.")
        negative = {k: v for k, v in self.multipliers.items() if v <= 0}
        if negative:
            raise ValueError(
                "`multipliers` must be > 0; to keep a part as it is, name it in "
                f"`frozen`. Received: {negative}."
            )

    def num_steps(self, steps_per_epoch: int) -> int:
        """The phase's length in batches."""
        return self.steps or self.epochs * steps_per_epoch


@dataclass(frozen=True)
class Recipe:
    """Phases in order, and what holds for all of them.

    Attributes:
        phases: one after the other.
        batch_size: clips in a global batch, shared by all devices.
        num_segments: snippets in a clip, of networks on snippets.
        num_frames: frames in a clip, of networks of full-length video (chapter 3).
        fps: of those, frames per second that they see; None for all that are stored.
        first: of those, frames that they see of a video at most, of which a clip's are
            an excerpt; shorter videos are repeated from their start. None for all.
        snippet_length: neighbouring images in a snippet (section 5.3.4): 1 frame of
            RGB, 5 of optical flow.
        dropout: rate before the classifiers.
        crop: `"corner"` (TSN's corners and scales), `"multi-scale"` (the same scales,
            anywhere) or `"random"`.
        flip: whether clips are mirrored at random; wrong where left and right matter.
        crop_scales: for all crops but `"random"`, of the stored frame's short side.
        color_jitter: whether brightness, contrast and saturation are drawn per clip.
        loss: `"softmax"`, or for videos with several labels `"sigmoid"` or
            `"shared-softmax"` (`vidzoo.losses.classification_loss`).
        flow_weight: lambda of networks that predict flow (Eq. 4.2), with the endpoint
            error in pixels; 0 trains their classifier alone.
        resolution_weights: alpha of those that predict it at several resolutions
            (Eq. 4.3), the lowest first.

    Raises:
        ValueError: a value is unknown or out of range.
    """

    phases: tuple[Phase, ...]
    batch_size: int = 16
    num_segments: int = 3
    num_frames: int = 30
    fps: float | None = None
    first: int | None = None
    snippet_length: int = 1
    dropout: float = 0.5
    crop: str = "corner"
    flip: bool = True
    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.65625)
    color_jitter: bool = False
    loss: str = "softmax"
    flow_weight: float = 1.0
    resolution_weights: tuple[float, ...] = RESOLUTION_WEIGHTS

    def __post_init__(self):
        _check_choice("crop", self.crop, CROPS)
        _check_choice("loss", self.loss, LOSSES)
        names = ("batch_size", "num_segments", "snippet_length", "num_frames")
        counts = [getattr(self, name) for name in names]
        if min(counts) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                f"{', '.join(f'`{name}`' for name in names)} must be >= 1 and "
                f"`dropout` in [0, 1). Received: {', '.join(map(str, counts))} and "
                f"{self.dropout}."
            )
        flow_weights = (self.flow_weight, *self.resolution_weights)
        if not (min(flow_weights) >= 0 and math.isfinite(sum(flow_weights))):
            raise ValueError(
                "`flow_weight` and `resolution_weights` must be >= 0. Received: "
                f"{self.flow_weight} and {tuple(self.resolution_weights)}."
            )
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise ValueError(f"`fps` must be above 0. Received: {self.fps}.")
        if self.first is not None and self.first < self.num_frames:
            raise ValueError(
                f"`first` must be at least `num_frames`, {self.num_frames}; shorter "
                f"videos are repeated. Received: {self.first}."
            )

    def as_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    def num_steps(self, num_videos: int) -> int:
        """The recipe's length in batches, on so many training videos."""
        steps_per_epoch = epoch_length(num_videos, self)
        return sum(phase.num_steps(steps_per_epoch) for phase in self.phases)

    def for_frames(self, num_frames: int) -> "Recipe":
        """This recipe with the learning rates of clips of so many frames.

        Rates that are for one frame are multiplied by their number, once and for all.
        """
        phases = tuple(
            replace(
                phase, learning_rate=phase.learning_rate * num_frames, per_frame=False
            )
            if phase.per_frame
            else phase
            for phase in self.phases
        )
        return replace(self, phases=phases)

    def replacing(self, **changes) -> "Recipe":
        """This recipe with other values.

        A phase's value is set in every phase; a list gives each phase its own. With
        another number of `epochs` or `steps` the rate falls at the same parts of a
        phase as before. A `learning_rate` that is given is not one for each frame.

        Raises:
            ValueError: a list is not as long as there are phases, or `epochs` is given
                for phases that are counted in steps, or the other way round.
        """
        of_a_phase = {f.name for f in fields(Phase)}
        of_recipe = {k: v for k, v in changes.items() if k not in of_a_phase}
        phases = list(self.phases)
        for name in changes.keys() & of_a_phase:
            values = changes[name]
            if not isinstance(values, list) or len(values) == 1:
                value = values[0] if isinstance(values, list) else values
                values = [value] * len(phases)
            if len(values) != len(phases):
                raise ValueError(
                    f"`{name}` has {len(values)} values, the recipe {len(phases)} "
                    "phases. Give one value, or one for each phase."
                )
            if name in ("epochs", "steps") and getattr(phases[0], name) is None:
                other = "steps" if name == "epochs" else "epochs"
                raise ValueError(
                    f"this recipe's phases are counted in {other}, not in {name}. "
                    f"Give --{other}."
                )
            phases = [
                replace(phase, **{name: value} | _rescaled(phase, name, value))
                for phase, value in zip(phases, values, strict=True)
            ]
        return replace(self, phases=tuple(phases), **of_recipe)


def epoch_length(num_videos: int, recipe: Recipe) -> int:
    """Steps in an epoch: enough batches for every video, rounded up."""
    return -(-num_videos // recipe.batch_size)


def _rescaled(phase, name, value):
    """What else changes with a phase's value: where its rate falls, or its meaning."""
    if name == "epochs":
        scale = value / phase.epochs
        return {"decay_epochs": tuple(scale * at for at in phase.decay_epochs)}
    if name == "steps":
        scale = value / phase.steps
        return {"decay_steps": tuple(round(scale * at) for at in phase.decay_steps)}
    if name == "learning_rate":
        return {"per_frame": False}
    return {}


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {value}.")
