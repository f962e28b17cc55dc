"""Every model once, at toy size; `tests/vidzoo/models/test_zoo.py` runs over it.

A new model gets all of those tests for one row here. The module needs no TensorFlow:
other backends build the same rows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from vidzoo import models


@dataclass(frozen=True)
class Entry:
    """A model at toy size.

    Attributes:
        name: the public builder's, and what is special.
        build: builds it.
        input: shape of a batch of its input, or of each of its inputs by name.
        logits: shape of each of its outputs for that batch.
    """

    name: str
    build: Callable
    input: tuple[int, ...] | dict[str, tuple[int, ...]]
    logits: tuple[int, ...]

    def pixels(self, seed=0, dtype=np.uint8):
        """A batch of random pixels: one array, or one for each input."""
        random = np.random.default_rng(seed)

        def draw(shape):
            return random.integers(0, 256, shape, dtype=np.uint8).astype(dtype)

        if isinstance(self.input, dict):
            return {name: draw(shape) for name, shape in self.input.items()}
        return draw(self.input)


_TOY = {"backbone": "tiny", "frame_shape": (32, 32, 3), "num_segments": 3}
_TOY_FLOW = _TOY | {"modality": "flow", "frame_shape": (32, 32, 4)}


def _two_stream():
    """Of two kinds: a TSN on RGB, a TDN, whose outputs are several, on flow."""
    return models.TwoStream(models.TSN(7, **_TOY), models.TDN(7, **_TOY_FLOW))


ZOO = (
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
            backbone="tiny",
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
