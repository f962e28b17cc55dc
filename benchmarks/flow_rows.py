"""The rows of table 4.1 as networks of motion shapes' size, and what starts them."""

from dataclasses import dataclass
from functools import partial

from benchmarks.motion_clips import SIZE
from vidzoo import models

NUM_CLASSES = 8
_PAIR = {"backbone": "tiny", "frame_shape": (SIZE, SIZE, 6)}
_CLIP = {"backbone": "tiny3d", "frame_shape": (SIZE, SIZE, 3)}


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        build: makes the network, given `weights`.
        network: its name in weights files.
        start: what it starts from, a key of `PRETRAINED`; None for random weights.
        kind: of its clips: `"pair"`, `"clip"` or `"frame"`.
        frozen: parts that stay as they are.
        learning_rate: Adam's, of what the rows start from.
        batch_size: N. On motion shapes the FlowNet on pairs does not leave zero flow in
            batches of 16; one on 16 frames has so many fields in each clip.
    """

    build: partial
    network: str
    start: str | None
    kind: str
    frozen: tuple[str, ...] = ()
    learning_rate: float = 1e-3
    batch_size: int = 16


PRETRAINED = {
    "flownet2f": Row(
        partial(models.FlowNet2F, **_PAIR), "flownet2f", None, "pair", batch_size=64
    ),
    "chairs": Row(partial(models.FlowNet2F, **_PAIR), "flownet2f", None, "chairs"),
    "flownet3d": Row(
        partial(models.FlowNet3D, **_CLIP),
        "flownet3d",
        None,
        "clip",
        learning_rate=3e-3,
    ),
    "appearance": Row(
        partial(
            models.TSN,
            4,
            num_segments=1,
            backbone="tiny",
            frame_shape=(SIZE, SIZE, 3),
            dropout=0.0,
        ),
        "tsn",
        None,
        "shape",
        learning_rate=3e-4,
    ),
}
_DROPOUT = {"dropout": 0.5}
_2F = partial(models.ActionFlowNet2F, NUM_CLASSES, **_PAIR, **_DROPOUT)
_3D = partial(models.ActionFlowNet, NUM_CLASSES, **_CLIP, **_DROPOUT)
_STACKED = partial(models.StackedFlowClassifier, NUM_CLASSES, **_PAIR, **_DROPOUT)
_FRAME = partial(
    models.TSN,
    NUM_CLASSES,
    num_segments=1,
    backbone="tiny",
    frame_shape=(SIZE, SIZE, 3),
    **_DROPOUT,
)
_ALONE = {"decoder": False}
ROWS = {
    "2F scratch": Row(partial(_2F, **_ALONE), "actionflownet2f", None, "pair"),
    "2F FlowNet fine-tune": Row(
        partial(_2F, **_ALONE), "actionflownet2f", "flownet2f", "pair"
    ),
    "2F stacked": Row(_STACKED, "stacked_flow", "flownet2f", "pair", ("flownet",)),
    "ActionFlowNet-2F": Row(_2F, "actionflownet2f", "flownet2f", "pair"),
    "ActionFlowNet-2F (FlyingChairs)": Row(_2F, "actionflownet2f", "chairs", "pair"),
    "1F appearance": Row(_FRAME, "tsn", "appearance", "frame"),
    "16F scratch": Row(partial(_3D, **_ALONE), "actionflownet", None, "clip"),
    "16F FlowNet fine-tune": Row(
        partial(_3D, **_ALONE), "actionflownet", "flownet3d", "clip"
    ),
    "ActionFlowNet": Row(_3D, "actionflownet", "flownet3d", "clip"),
}
