"""Every model once, at toy size; `tests/vidzoo/models/test_zoo.py` runs over it.

A new model gets all of those tests for one row here. The module needs no TensorFlow:
other backends build the same rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from tests import toy_backbones  # noqa: F401 - puts them beside the others
from vidzoo import models


@dataclass(frozen=True)
class Entry:
    """A model at toy size.

    Attributes:
        name: the public builder's, and what is special.
        build: builds it.
        input: shape of a batch of its input, or of each of its inputs by name.
        logits: shape of each of its outputs for that batch, or of each by name.
        num_values: that input values have, from 0; fewer than pixels' for features
            that would saturate what reads them.
    """

    name: str
    build: Callable
    input: tuple[int, ...] | dict[str, tuple[int, ...]]
    logits: tuple[int, ...] | dict[str, tuple[int, ...]]
    num_values: int = 256

    def pixels(self, seed=0, dtype=np.uint8):
        """A batch of random pixels: one array, or one for each input.

        A mask is true for all frames of the first clip, and for fewer of those after.
        """
        random = np.random.default_rng(seed)

        def draw(shape):
            values = random.integers(0, self.num_values, shape, dtype=np.uint8)
            return values.astype(dtype)

        if not isinstance(self.input, dict):
            return draw(self.input)
        batch = {name: draw(shape) for name, shape in self.input.items()}
        if "mask" in batch:
            num_clips, num_frames = self.input["mask"]
            lengths = num_frames - 3 * np.arange(num_clips)
            batch["mask"] = np.arange(num_frames) < lengths[:, None]
        return batch

    def shape(self, output):
        """Of the output of that name."""
        return self.logits[output] if isinstance(self.logits, dict) else self.logits

    def symbolic_shape(self, output):
        """As the model has it: any number of clips, and of frames if these vary."""
        _, *shape = self.shape(output)
        if len(shape) == 2 and isinstance(self.input, dict):
            shape[0] = None
        return (None, *shape)

    def flow(self):
        """True flow of a batch, `(N, T, H, W, 2)`, for networks that predict it."""
        random = np.random.default_rng(1)
        return random.normal(0, 3, (*self.input[:4], 2)).astype(np.float32)

    def labels(self, output="logits"):
        """A class for every clip, or for each of its frames: 1, 4, 1, 4, ..."""
        *shape, _ = self.shape(output)
        of_clips = np.array([1, 4])[np.arange(shape[0]) % 2]
        return np.broadcast_to(of_clips.reshape(-1, *[1] * (len(shape) - 1)), shape)


_TOY = {"backbone": "toy", "frame_shape": (32, 32, 3), "num_segments": 3}
_TOY_FLOW = _TOY | {"modality": "flow", "frame_shape": (32, 32, 4)}


def _two_stream():
    """Of two kinds: a TSN on RGB, a TDN, whose outputs are several, on flow."""
    return models.TwoStream(models.TSN(7, **_TOY), models.TDN(7, **_TOY_FLOW))


_FRAMES = {"backbone": "toy", "frame_shape": (32, 32, 3), "fc_size": 16}
# Stored feature maps in place of frames.
_MAPS = {"backbone": None, "frame_shape": (2, 3, 6), "fc_size": 16}
_LSTM = {"num_layers": 2, "num_cells": 6}


def _with_mask(*clip):
    return {"clip": clip, "mask": clip[:2]}


_OF_FULL_LENGTH = (
    Entry(
        "FeaturePooling-open",
        partial(models.FeaturePooling, 7, num_frames=None, **_FRAMES),
        _with_mask(2, 5, 32, 32, 3),
        (2, 7),
    ),
    *(
        Entry(
            f"FeaturePooling-{pooling}",
            partial(models.FeaturePooling, 7, pooling=pooling, num_frames=15, **_MAPS),
            (2, 15, 2, 3, 6),
            (2, 7),
        )
        for pooling in ("conv", "late", "slow", "local", "time_domain_conv")
    ),
    *(
        Entry(
            f"FeaturePooling-{aggregate}",
            partial(
                models.FeaturePooling,
                7,
                pooling="slow",
                aggregate=aggregate,
                num_frames=15,
                **_MAPS,
            ),
            (2, 15, 2, 3, 6),
            (2, 7),
        )
        for aggregate in ("average", "fc")
    ),
    Entry(
        "FeaturePooling-slow-open",
        partial(models.FeaturePooling, 7, pooling="slow", num_frames=None, **_MAPS),
        _with_mask(2, 15, 2, 3, 6),
        (2, 7),
    ),
    Entry(
        "LSTMClassifier",
        partial(models.LSTMClassifier, 7, num_frames=3, **_MAPS, **_LSTM),
        (2, 3, 2, 3, 6),
        {"logits": (2, 7), "frames": (2, 3, 7)},
        num_values=3,
    ),
    Entry(
        "LSTMClassifier-open",
        partial(
            models.LSTMClassifier,
            7,
            num_frames=None,
            activation="sigmoid",
            backbone=None,
            frame_shape=(9,),
            **_LSTM,
        ),
        _with_mask(2, 5, 9),
        {"logits": (2, 7), "frames": (2, 5, 7)},
        num_values=3,
    ),
    Entry(
        "SingleFrame",
        partial(models.SingleFrame, 7, **_FRAMES),
        (2, 1, 32, 32, 3),
        (2, 7),
    ),
    Entry(
        "SingleFrame-open",
        partial(
            models.SingleFrame, 7, num_frames=None, backbone=None, frame_shape=(9,)
        ),
        _with_mask(2, 5, 9),
        (2, 7),
    ),
    Entry(
        "SlowFusion",
        partial(models.SlowFusion, 7, frame_shape=(35, 35, 3), fc_size=32),
        (2, 10, 35, 35, 3),
        (2, 7),
    ),
)

_CLIP = {"backbone": "toy3d", "num_frames": 8, "frame_shape": (32, 32, 3)}
_PAIR = {"backbone": "toy", "frame_shape": (32, 32, 6)}
_FLOW_OF_CLIP = {"flow": (2, 8, 8, 8, 2)}
_FLOW_OF_PAIR = {
    "flow_res5": (2, 1, 1, 1, 2),
    "flow_res4": (2, 1, 2, 2, 2),
    "flow_res3": (2, 1, 4, 4, 2),
    "flow": (2, 1, 8, 8, 2),
}

_OF_FLOW = (
    Entry(
        "ActionFlowNet",
        partial(models.ActionFlowNet, 7, **_CLIP),
        (2, 8, 32, 32, 3),
        {"logits": (2, 7)} | _FLOW_OF_CLIP,
    ),
    Entry(
        "ActionFlowNet-classifier",
        partial(models.ActionFlowNet, 7, decoder=False, **_CLIP),
        (2, 8, 32, 32, 3),
        {"logits": (2, 7)},
    ),
    Entry(
        "ActionFlowNet2F",
        partial(models.ActionFlowNet2F, 7, **_PAIR),
        (2, 1, 32, 32, 6),
        {"logits": (2, 7)} | _FLOW_OF_PAIR,
    ),
    Entry(
        "FlowNet3D",
        partial(models.FlowNet3D, **_CLIP),
        (2, 8, 32, 32, 3),
        _FLOW_OF_CLIP,
    ),
    Entry(
        "FlowNet2F",
        partial(models.FlowNet2F, **_PAIR),
        (2, 1, 32, 32, 6),
        _FLOW_OF_PAIR,
    ),
    *(
        Entry(
            f"StackedFlowClassifier{name}",
            partial(models.StackedFlowClassifier, 7, upsample=upsample, **_PAIR),
            (2, 1, 32, 32, 6),
            (2, 7),
        )
        for name, upsample in (("", False), ("-upsample", True))
    ),
)

ZOO = (
    *_OF_FULL_LENGTH,
    *_OF_FLOW,
    Entry("TSN", partial(models.TSN, 7, **_TOY), (2, 3, 32, 32, 3), (2, 7)),
    Entry("TDN", partial(models.TDN, 7, **_TOY), (2, 3, 32, 32, 3), (2, 7)),
    *(
        Entry(
            f"TDN-{merge}",
            partial(models.TDN, 7, difference_merge=merge, **_TOY),
            (2, 3, 32, 32, 3),
            (2, 7),
        )
        for merge in ("conv", "gate")
    ),
    Entry("TSN-flow", partial(models.TSN, 7, **_TOY_FLOW), (2, 3, 32, 32, 4), (2, 7)),
    Entry("TDN-flow", partial(models.TDN, 7, **_TOY_FLOW), (2, 3, 32, 32, 4), (2, 7)),
    Entry(
        "TSN-flow_image",
        partial(
            models.TSN,
            7,
            backbone="toy",
            modality="flow_image",
            frame_shape=(32, 32, 2),
        ),
        (2, 3, 32, 32, 2),
        (2, 7),
    ),
    Entry(
        "TwoStream",
        _two_stream,
        {"rgb": (2, 3, 32, 32, 3), "flow": (2, 3, 32, 32, 4)},
        (2, 7),
    ),
    *(
        Entry(
            f"CNNM2048-{modality}",
            partial(
                models.CNNM2048,
                7,
                modality=modality,
                num_segments=2,
                frame_shape=(64, 64, channels),
                fc_sizes=(32, 16),
                dropout=0.5,
            ),
            (2, 2, 64, 64, channels),
            (2, 7),
        )
        for modality, channels in (("rgb", 3), ("flow", 4))
    ),
    *(
        Entry(
            name,
            partial(getattr(models, name), 7, image_shape=(64, 64, 3)),
            (2, 64, 64, 3),
            (2, 7),
        )
        for name in ("BNInception", "GoogLeNet", "ResNet18", "ResNet50")
    ),
    Entry(
        "ResNet50-v1",
        partial(models.ResNet50, 7, variant="v1", image_shape=(64, 64, 3)),
        (2, 64, 64, 3),
        (2, 7),
    ),
    *(
        Entry(
            f"AlexNet-{variant}",
            partial(
                models.AlexNet,
                7,
                variant=variant,
                image_shape=(99, 99, 3),
                fc_size=32,
            ),
            (2, 99, 99, 3),
            (2, 7),
        )
        for variant in ("caffe", "paper", "torchvision")
    ),
    Entry(
        "VGG16",
        partial(models.VGG16, 7, image_shape=(32, 32, 3), fc_size=32),
        (2, 32, 32, 3),
        (2, 7),
    ),
    Entry(
        "C3D",
        partial(models.C3D, 7, frame_shape=(32, 32, 3), fc_size=32),
        (2, 16, 32, 32, 3),
        (2, 7),
    ),
    *(
        Entry(
            f"ResNet3D-{variant}",
            partial(
                models.ResNet3D,
                7,
                variant=variant,
                num_frames=8,
                frame_shape=(32, 32, 3),
            ),
            (2, 8, 32, 32, 3),
            (2, 7),
        )
        for variant in ("torchvision", "actionflownet")
    ),
    *(
        Entry(
            f"I3D-{modality}",
            partial(
                models.I3D, 7, modality=modality, num_frames=16, frame_size=(32, 32)
            ),
            (2, 16, 32, 32, channels),
            (2, 7),
        )
        for modality, channels in (("rgb", 3), ("flow", 2))
    ),
)


def named_outputs(outputs):
    """A model's outputs as NumPy arrays, by name."""
    if not isinstance(outputs, dict):
        outputs = {"logits": outputs}
    return {name: np.asarray(value) for name, value in outputs.items()}
