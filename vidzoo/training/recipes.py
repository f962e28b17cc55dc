"""How a network is trained, as data: a recipe is phases, a phase is one optimizer."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace

OPTIMIZERS = ("sgd", "adam")
SCHEDULES = ("constant", "step", "cosine")
BATCH_NORMS = ("train", "partial", "frozen")
CROPS = ("corner", "multi-scale", "random")
LOSSES = ("softmax", "sigmoid")


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
            `decay_steps`; or `"cosine"`, down to zero.
        decay_epochs: for `"step"`.
        decay_steps: for `"step"`, in a phase that is counted in steps.
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
        num_segments: snippets in a clip.
        snippet_length: neighbouring images in a snippet (section 5.3.4): 1 frame of
            RGB, 5 of optical flow.
        dropout: rate before the classifiers.
        crop: `"corner"` (TSN's corners and scales), `"multi-scale"` (the same scales,
            anywhere) or `"random"`.
        flip: whether clips are mirrored at random; wrong where left and right matter.
        crop_scales: for all crops but `"random"`, of the stored frame's short side.
        color_jitter: whether brightness, contrast and saturation are drawn per clip.
        loss: `"softmax"`, or `"sigmoid"` for videos with several labels.

    Raises:
        ValueError: a value is unknown or out of range.
    """

    phases: tuple[Phase, ...]
    batch_size: int = 16
    num_segments: int = 3
    snippet_length: int = 1
    dropout: float = 0.5
    crop: str = "corner"
    flip: bool = True
    crop_scales: tuple[float, ...] = (1.0, 0.875, 0.75, 0.65625)
    color_jitter: bool = False
    loss: str = "softmax"

    def __post_init__(self):
        _check_choice("crop", self.crop, CROPS)
        _check_choice("loss", self.loss, LOSSES)
        counts = (self.batch_size, self.num_segments, self.snippet_length)
        if min(counts) < 1 or not 0 <= self.dropout < 1:
            raise ValueError(
                "`batch_size`, `num_segments` and `snippet_length` must be >= 1 and "
                f"`dropout` in [0, 1). Received: {', '.join(map(str, counts))} and "
                f"{self.dropout}."
            )

    def as_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)

    def num_steps(self, num_videos: int) -> int:
        """The recipe's length in batches, on so many training videos."""
        steps_per_epoch = epoch_length(num_videos, self)
        return sum(phase.num_steps(steps_per_epoch) for phase in self.phases)

    def replacing(self, **changes) -> "Recipe":
        """This recipe with other values.

        A phase's value is set in every phase; a list gives each phase its own. With
        another number of `epochs` or `steps` the rate falls at the same parts of a
        phase as before.

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


def _rescaled(phase, name, length):
    """Where the rate falls in a phase of another length, as a change of that phase."""
    if name == "epochs":
        scale = length / phase.epochs
        return {"decay_epochs": tuple(scale * at for at in phase.decay_epochs)}
    if name == "steps":
        scale = length / phase.steps
        return {"decay_steps": tuple(round(scale * at) for at in phase.decay_steps)}
    return {}


def _check_choice(name, value, choices):
    if value not in choices:
        raise ValueError(f"`{name}` must be one of {choices}. Received: {value}.")


def _in_two_phases(tsn, *, learning_rate, steps, frozen=("image",)):
    """TDN's recipe from TSN's (section 5.3.4): its phase, then all parts together."""
    (phase,) = tsn.phases
    joint = replace(
        phase,
        learning_rate=learning_rate,
        steps=steps,
        schedule="constant",
        decay_steps=(),
    )
    return replace(tsn, phases=(replace(phase, frozen=frozen), joint))


# The paper's (section 5.4.2): SGD with momentum 0.9, batches of 128, weight decay 5e-4,
# dropout 0.8, corner crops, scale and colour jitter, partial batch norm. Its numbers of
# iterations follow TSN's for RGB: 0.001, divided by ten every 2,000, 4,500 in all.
# Gradients are clipped as TSN's release does. How long a TDN is then trained as a whole
# on HMDB51 and ACT, and at what rate, the source does not say: a third as long again,
# as on FCVID, at a tenth of the first rate.
_TSN_PHASE = Phase(
    epochs=None,
    learning_rate=0.001,
    steps=4500,
    schedule="step",
    decay_steps=(2000, 4000),
    weight_decay=5e-4,
    clip_norm=40.0,
    batch_norm="partial",
)
_TSN = Recipe(phases=(_TSN_PHASE,), batch_size=128, dropout=0.8, color_jitter=True)

# The flow stream (sections 5.3.4 and 5.4.2): five flow fields in a snippet, no colours
# to jitter. Where the source is silent it follows TSN's release for flow: 0.005,
# divided by ten at 12,000 and 18,000, 20,000 in all, gradients clipped at 20, corner
# crops without the smallest scale. Dropout is the source's, 0.8, where that release has
# 0.7; its five-fold rate of the first convolution is left out, as the source has none.
# A TDN's image subnetwork is a trained flow TSN, so its classifier is frozen too.
_FLOW_SNIPPET = 5
_FLOW_TSN = replace(
    _TSN,
    phases=(
        replace(
            _TSN_PHASE,
            learning_rate=0.005,
            steps=20_000,
            decay_steps=(12_000, 18_000),
            clip_norm=20.0,
        ),
    ),
    snippet_length=_FLOW_SNIPPET,
    crop_scales=(1.0, 0.875, 0.75),
    color_jitter=False,
)
_TRAINED = ("image", "image_head")
_UCF101 = {
    "tsn": {"rgb": _TSN, "flow": _FLOW_TSN},
    "tdn": {
        "rgb": _in_two_phases(_TSN, learning_rate=1e-4, steps=1500),
        "flow": _in_two_phases(
            _FLOW_TSN, learning_rate=5e-4, steps=6667, frozen=_TRAINED
        ),
    },
}
_HMDB51 = {
    network: {name: replace(recipe, num_segments=2) for name, recipe in each.items()}
    for network, each in _UCF101.items()
}

# FCVID (section 5.4.2): many videos, so none of the small-data practice: no dropout, no
# corner crops, all batch norm trained, weight decay 1e-4; several labels a video. The
# source trains it on RGB alone; for flow, its settings are ours.
_FCVID_PHASE = Phase(
    epochs=None,
    learning_rate=0.01,
    steps=30_000,
    schedule="step",
    decay_steps=(10_000, 20_000),
    weight_decay=1e-4,
    clip_norm=40.0,
)
_FCVID_TSN = Recipe(
    phases=(_FCVID_PHASE,),
    batch_size=128,
    dropout=0.0,
    crop="random",
    loss="sigmoid",
)
_FCVID_FLOW_TSN = replace(_FCVID_TSN, snippet_length=_FLOW_SNIPPET)
_FCVID_JOINT = {"learning_rate": 1e-4, "steps": 10_000}
_FCVID = {
    "tsn": {"rgb": _FCVID_TSN, "flow": _FCVID_FLOW_TSN},
    "tdn": {
        "rgb": _in_two_phases(_FCVID_TSN, **_FCVID_JOINT),
        "flow": _in_two_phases(_FCVID_FLOW_TSN, frozen=_TRAINED, **_FCVID_JOINT),
    },
}

# A pretrained backbone on a small data set, on a small machine: features move little,
# the classifier fast. Chosen on jhmdb10's training videos (docs/models/tdn.md); both
# networks see every video twelve times. Gradients are clipped where TSN's release clips
# them: a limit of 5 held the networks back.
_FINETUNE_TSN = Recipe(
    phases=(
        Phase(
            epochs=12,
            learning_rate=3e-4,
            schedule="cosine",
            weight_decay=5e-4,
            clip_norm=40.0,
            multipliers={"head": 10.0},
        ),
    ),
    batch_size=16,
    dropout=0.8,
    crop_scales=(1.0, 0.9375, 0.875),
)
# The difference subnetwork starts far from what it was trained on: it wants more and
# larger steps, and stronger augmentation, than the image subnetwork.
_FINETUNE_TDN = Recipe(
    phases=(
        Phase(
            epochs=8,
            learning_rate=2e-3,
            schedule="cosine",
            weight_decay=5e-4,
            clip_norm=40.0,
            multipliers={"head": 0.5},
            frozen=("image",),
        ),
        Phase(
            epochs=4,
            learning_rate=3e-4,
            schedule="cosine",
            weight_decay=5e-4,
            clip_norm=40.0,
            multipliers={"difference": 2.0, "head": 3.0},
        ),
    ),
    batch_size=8,
    dropout=0.8,
)


def _finetune_flow(rgb, **changes):
    """RGB's recipe with snippets of flow, whose statistics a small set cannot tell."""
    changes |= {"batch_norm": "partial"}
    phases = tuple(replace(phase, **changes) for phase in rgb.phases)
    return replace(rgb, phases=phases, snippet_length=_FLOW_SNIPPET)


# TSN's own, from random weights: many videos, corner crops at four scales.
_SCRATCH = Recipe(
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
)
# A tiny backbone from random weights, where left and right are classes.
_MOTION_SHAPES = Recipe(
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
)

_SCRATCH_EACH = {
    "rgb": _SCRATCH,
    "flow": replace(_SCRATCH, snippet_length=_FLOW_SNIPPET),
}
# Clips of 8 frames have 7 flow fields, and one field tells all motions apart.
_MOTION_SHAPES_EACH = {"rgb": _MOTION_SHAPES, "flow": _MOTION_SHAPES}

# Two-stream ConvNets (Simonyan & Zisserman 2014, section 3.3): one snippet a video, of
# one frame or of ten fields. The weight decay, which it does not state, is TSN's.
_TWO_STREAM = Recipe(
    phases=(
        Phase(
            epochs=None,
            learning_rate=0.01,
            steps=80_000,
            schedule="step",
            decay_steps=(50_000, 70_000),
            weight_decay=5e-4,
        ),
    ),
    batch_size=256,
    num_segments=1,
    dropout=0.9,
    crop="random",
)
_TWO_STREAM_FIELDS = 10


def _of_one_snippet(rgb):
    """A recipe for CNN-M-2048 by modality, of TSN's on RGB."""
    rgb = replace(rgb, num_segments=1)
    return {"rgb": rgb, "flow": replace(rgb, snippet_length=_TWO_STREAM_FIELDS)}


# name -> network -> modality -> recipe
RECIPES: Mapping[str, Mapping[str, Mapping[str, Recipe]]] = {
    "finetune": {
        "tsn": {
            "rgb": _FINETUNE_TSN,
            # Of 3e-4, 1e-3 and 3e-3: docs/models/two_stream.md.
            "flow": _finetune_flow(_FINETUNE_TSN, learning_rate=1e-3),
        },
        "tdn": {"rgb": _FINETUNE_TDN, "flow": _finetune_flow(_FINETUNE_TDN)},
        "cnn_m_2048": _of_one_snippet(_FINETUNE_TSN),
    },
    "scratch": {
        "tsn": _SCRATCH_EACH,
        "tdn": _SCRATCH_EACH,
        "cnn_m_2048": _of_one_snippet(_SCRATCH),
    },
    "motion-shapes": {"tsn": _MOTION_SHAPES_EACH, "tdn": _MOTION_SHAPES_EACH},
    "hmdb51": _HMDB51,
    "act": _UCF101,
    "ucf101": _UCF101,
    "fcvid": _FCVID,
    "two-stream": {
        "cnn_m_2048": {
            "rgb": replace(_TWO_STREAM, color_jitter=True),
            "flow": replace(_TWO_STREAM, snippet_length=_TWO_STREAM_FIELDS),
        }
    },
}
