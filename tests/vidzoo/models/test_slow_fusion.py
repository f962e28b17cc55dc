"""Slow Fusion: its size by hand, its fusion in time, and its weights."""

import keras
import numpy as np
import pytest

from tests.vidzoo.models.test_backbones import num_trainable
from tests.vidzoo.weights.networks import randomized
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models import slow_fusion
from vidzoo.weights import save_weights

SHAPE = (35, 35, 3)
NAMES = {
    "network": slow_fusion.NETWORK,
    "backbone": slow_fusion.NETWORK,
    "variant": slow_fusion.VARIANT,
}


def build(num_frames=10, **options):
    keras.utils.set_random_seed(0)
    return models.SlowFusion(
        3, num_frames=num_frames, **{"frame_shape": SHAPE, "fc_size": 8} | options
    )


def pixels(num_frames=10):
    random = np.random.default_rng(0)
    return random.integers(0, 256, (2, num_frames, *SHAPE)).astype(np.float32)


@pytest.mark.parametrize("num_frames", [10, 15])
def test_full_size_by_hand(num_frames, undrawn):
    model = models.SlowFusion(487, num_frames=num_frames)
    convolutions = (
        (96 * 4 * 11 * 11 * 3 + 96)
        + (256 * 2 * 5 * 5 * 96 + 256)
        + (384 * 2 * 3 * 3 * 256 + 384)
        + (384 * 3 * 3 * 384 + 384)
        + (256 * 3 * 3 * 384 + 256)
    )
    # 170 pixels: 54, 27, 13, 6; and of 10 or 15 frames one map is left.
    hidden = (6 * 6 * 256 + 1) * 4096 + (4096 + 1) * 4096
    by_hand = convolutions + hidden + (4096 + 1) * 487
    assert num_trainable(model) == by_hand == 61_880_263


@pytest.mark.parametrize("num_frames, left", [(10, (4, 2, 1)), (15, (6, 3, 1))])
def test_fuses_frames_slowly(num_frames, left, undrawn):
    model = models.SlowFusion(487, num_frames=num_frames)
    sides = (54, 27, 13)
    for number, (length, side) in enumerate(zip(left, sides, strict=True), 1):
        shape = model.get_layer(f"conv{number}").output.shape
        assert shape[:-1] == (None, length, side, side)


def test_first_layer_sees_four_frames_every_second():
    model = randomized(build())
    seen = keras.Model(model.input, model.get_layer("conv1").output)
    clip = pixels()
    other = clip.copy()
    other[:, 5] = 255 - other[:, 5]
    changed = np.abs(np.asarray(seen(clip)) - np.asarray(seen(other)))
    # Of frames 0-3, 2-5, 4-7, 6-9.
    assert (changed.max((0, 2, 3, 4)) > 0).tolist() == [False, True, True, False]


def test_order_of_frames_matters():
    model, clip = randomized(build()), pixels()
    found = np.asarray(model(clip))
    assert np.abs(found - np.asarray(model(clip[:, ::-1]))).max() > 1e-3


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"num_frames": 9},
            r"`num_frames` must be >= 10; loop shorter videos\. Received: 9\.",
        ),
        ({"frame_shape": (34, 50, 3)}, r"35 pixels or more each way\. .*\(34, 50, 3\)"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_weights_come_back(tmp_path):
    model = randomized(build())
    save_weights(tmp_path / "weights.npz", model, **NAMES)
    loaded = build(weights=tmp_path / "weights.npz")
    np.testing.assert_array_equal(loaded(pixels()), model(pixels()))


def test_weights_for_another_length_are_refused(tmp_path):
    """Of 18 frames conv3 leaves two maps, so fc6 reads twice as many."""
    save_weights(tmp_path / "weights.npz", build(), **NAMES)
    with pytest.raises(WeightsError, match=r"In the file only: fc6/kernel \(256, 8\)"):
        build(18, weights=tmp_path / "weights.npz")
