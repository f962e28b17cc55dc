"""The recipes by name: the papers', and ours for small data and small machines."""

from collections.abc import Mapping
from dataclasses import replace

from vidzoo.training.recipes import Phase, Recipe


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


# Full-length video (sections 3.3.3 and 3.4.1): SGD with momentum 0.9, weight decay 5e-4
# and a rate of 1e-5, for an LSTM times the number of its frames, which decays
# exponentially; dropout 0.6; of 300 frames, one a second, 30 or 120, of which 220x220
# of 256x256 are shown, mirrored or not. How fast the rate decays, for how long and in
# what batches, the source does not say. Its softmax is over several labels; here
# they share it evenly.
_FULL_LENGTH_PHASE = Phase(
    epochs=10,
    learning_rate=1e-5,
    schedule="exponential",
    decay_rate=0.8,
    weight_decay=5e-4,
)
_SPORTS1M = Recipe(
    phases=(_FULL_LENGTH_PHASE,),
    batch_size=32,
    fps=1.0,
    first=300,
    dropout=0.6,
    crop="random",
    loss="shared-softmax",
)
# Sports-1M's networks on UCF101 (section 3.4.2): its best rate, for all but LSTMs.
_UCF101_FRAMES = replace(_SPORTS1M, fps=6.0, first=None, loss="softmax")
# A pretrained backbone on a small data set, as above; all layers that the backbone has
# not are fresh (docs/models/feature_pooling.md).
_FINETUNE_FRAMES = Recipe(
    phases=_FINETUNE_TSN.phases,
    batch_size=16,
    num_frames=8,
    dropout=0.6,
    crop_scales=(1.0, 0.9375, 0.875),
)
# Final layers on stored features (table 3.2, "(fc)"), on a small data set: the paper's
# optimizer, at a rate of its own (docs/models/feature_pooling.md); for an LSTM Adam,
# which SGD did not move.
_FEATURES = Recipe(
    phases=(
        Phase(
            epochs=40,
            learning_rate=3e-3,
            schedule="cosine",
            weight_decay=5e-4,
            clip_norm=5.0,
        ),
    ),
    batch_size=16,
    num_frames=25,
    dropout=0.6,
)
_FEATURES_LSTM = replace(
    _FEATURES,
    phases=(
        Phase(
            epochs=30,
            learning_rate=1e-3,
            optimizer="adam",
            schedule="cosine",
            clip_norm=5.0,
        ),
    ),
)
# Chapter 4 (section 4.4.2): Adam, 1e-4, 40,000 batches of 128; multi-scale crops and
# mirroring, and for action recognition colour jitter; dropout 0.5. HMDB51 starts from
# weights trained on UCF101. The stacked model's FlowNet stays as it was trained.
_ACTION_FLOW = Recipe(
    phases=(Phase(epochs=None, steps=40_000, learning_rate=1e-4, optimizer="adam"),),
    batch_size=128,
    dropout=0.5,
    crop="multi-scale",
    color_jitter=True,
)
# The same for small data sets and small machines.
_ACTION_FLOW_SMALL = replace(
    _ACTION_FLOW,
    phases=(
        Phase(
            epochs=30,
            learning_rate=3e-4,
            optimizer="adam",
            schedule="cosine",
            warmup_epochs=0.5,
            clip_norm=5.0,
        ),
    ),
    batch_size=16,
    crop_scales=(1.0, 0.9375, 0.875),
)


def _of_one_image(recipe):
    """A TSN's that sees one frame, or one field, of a video, by modality."""
    one = replace(recipe, num_segments=1)
    return {"rgb": one, "flow": replace(one, color_jitter=False)}


def _action_flow(recipe):
    """A recipe for each network of chapter 4, by modality."""
    (phase,) = recipe.phases
    frozen = (replace(phase, frozen=("flownet",)),)
    over_time = {"num_frames": 16, "fps": None, "first": None}
    of_pairs = {"num_segments": 1, "snippet_length": 2}
    flow = {"color_jitter": False}
    changes = {
        "actionflownet": over_time,
        "flownet3d": over_time | flow,
        "actionflownet2f": of_pairs,
        "flownet2f": of_pairs | flow,
        "stacked_flow": of_pairs | {"phases": frozen},
    }
    return {name: {"rgb": replace(recipe, **each)} for name, each in changes.items()}


_FRAME_NETWORKS = ("feature_pooling", "lstm_classifier", "single_frame", "slow_fusion")


def _full_length(recipe):
    """A recipe for each network of full-length video, by modality."""
    phases = tuple(
        replace(phase, per_frame=phase.schedule == "exponential")
        for phase in recipe.phases
    )
    changes = {
        "feature_pooling": {"phases": _faster(recipe.phases, "fc6", "fc7")},
        "lstm_classifier": {"phases": _faster(phases, "lstm")},
        "single_frame": {"num_frames": 1},
        # Consecutive frames, as its source has them.
        "slow_fusion": {"num_frames": 10, "fps": None, "first": None, "dropout": 0.5},
    }
    return {
        network: _of_frames(replace(recipe, **changes[network]), network)
        for network in _FRAME_NETWORKS
    }


def _faster(phases, *parts):
    """Phases in which these parts learn as fast as the classifier."""
    return tuple(
        replace(
            phase,
            multipliers={
                **phase.multipliers,
                **dict.fromkeys(parts, phase.multipliers.get("head", 1.0)),
            },
        )
        for phase in phases
    )


def _of_frames(recipe, network):
    return (
        {"rgb": recipe}
        if network == "slow_fusion"
        else {"rgb": recipe, "flow": recipe, "features": recipe}
    )


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
        **_full_length(_FINETUNE_FRAMES),
        **_action_flow(_ACTION_FLOW_SMALL),
    },
    "scratch": {
        "tsn": _SCRATCH_EACH,
        "tdn": _SCRATCH_EACH,
        "cnn_m_2048": _of_one_snippet(_SCRATCH),
        **_full_length(_SCRATCH),
        **_action_flow(_ACTION_FLOW_SMALL),
    },
    "motion-shapes": {
        "tsn": _MOTION_SHAPES_EACH,
        "tdn": _MOTION_SHAPES_EACH,
        **_full_length(_MOTION_SHAPES),
        **_action_flow(_MOTION_SHAPES),
    },
    "hmdb51": _HMDB51 | _action_flow(_ACTION_FLOW),
    "act": _UCF101,
    "ucf101": _UCF101 | _full_length(_UCF101_FRAMES) | _action_flow(_ACTION_FLOW),
    "fcvid": _FCVID,
    "sports1m": _full_length(_SPORTS1M),
    "features": _full_length(_FEATURES)
    | {"lstm_classifier": _of_frames(_FEATURES_LSTM, "lstm_classifier")},
    "action-flow": {"tsn": _of_one_image(_ACTION_FLOW)} | _action_flow(_ACTION_FLOW),
    "two-stream": {
        "cnn_m_2048": {
            "rgb": replace(_TWO_STREAM, color_jitter=True),
            "flow": replace(_TWO_STREAM, snippet_length=_TWO_STREAM_FIELDS),
        }
    },
}
