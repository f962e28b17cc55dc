"""What trains in a phase, and whose batch norm moves: on a real TDN, to the bit."""

import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.training import Phase, Recipe, parts, train

CLIP = (2, 32, 32, 3)
SMALL = {"num_segments": 2, "backbone": "toy", "frame_shape": CLIP[1:]}
STATISTICS = ("moving_mean", "moving_variance")


def batches(first_step, num_steps):
    random = np.random.default_rng(5)
    for _ in range(num_steps):
        yield {
            "rgb": random.integers(0, 256, (4, *CLIP), dtype=np.uint8),
            "label": random.integers(0, 3, 4).astype(np.int32),
        }


def moved(model, run_folder, *phases):
    """Names of the variables that each phase of two steps changed to any extent.

    Keras names a variable of a layer by the layer: `image_conv1_bn/moving_mean`.
    """
    changes = []
    for number, phase in enumerate(phases):
        before = {v.path: np.array(v) for v in model.variables}
        train(
            model,
            batches,
            Recipe(phases=(phase,), batch_size=4),
            num_videos=8,
            run_folder=run_folder / str(number),
        )
        changes.append(
            {
                v.path
                for v in model.variables
                if not np.array_equal(before[v.path], v) and "seed" not in v.path
            }
        )
    return changes if len(changes) > 1 else changes[0]


def names(model, keep):
    return {v.path for v in model.variables if "seed" not in v.path and keep(v.path)}


def phase(**values):
    return Phase(1, 0.05, **values)


def test_phase_one_leaves_the_image_subnetwork_and_phase_two_moves_it(tmp_path):
    model = models.TDN(3, **SMALL)
    first, second = moved(model, tmp_path, phase(frozen=("image",)), phase())
    everything = names(model, lambda name: True)
    image = names(model, lambda name: name.startswith("image_"))
    head = {"image_head/kernel", "image_head/bias"}
    assert head < image
    assert any(name.endswith(STATISTICS) for name in image)
    assert first == everything - image | head
    assert second == everything


def test_frozen_batch_norm_answers_as_in_inference(tmp_path):
    """Training's loss then equals the loss of the model's own inference."""
    model = models.TSN(3, dropout=0.0, **SMALL)
    for layer in model.layers:  # statistics that differ from any batch's
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_mean.assign(layer.moving_mean + 0.5)
    clip = next(batches(0, 1))["rgb"]
    expected = np.array(model(clip, training=False))
    batch_statistics = np.array(model(clip, training=True))
    assert np.abs(batch_statistics - expected).max() > 1e-4
    for values in ({"frozen": ("image",)}, {"batch_norm": "frozen"}):
        parts.prepare(model, phase(**values))
        np.testing.assert_array_equal(model(clip, training=True), expected)


def test_partial_batch_norm_moves_the_first_statistics_alone(tmp_path):
    model = models.TDN(3, **SMALL)
    found = moved(model, tmp_path, phase(batch_norm="partial"))
    statistics = {name for name in found if name.endswith(STATISTICS)}
    assert statistics == {
        f"{part}_conv1_bn/{name}"
        for part in ("image", "difference")
        for name in STATISTICS
    }
    trained = names(model, lambda name: not name.endswith(STATISTICS))
    assert found - statistics == trained  # scales and offsets, too


def test_frozen_batch_norm_moves_no_statistics(tmp_path):
    model = models.TSN(3, **SMALL)
    found = moved(model, tmp_path, phase(batch_norm="frozen"))
    assert found == names(model, lambda name: not name.endswith(STATISTICS))


def test_a_classifier_can_be_frozen_with_its_subnetwork(tmp_path):
    model = models.TDN(3, **SMALL)
    found = moved(model, tmp_path, phase(frozen=("image", "image_head")))
    assert found == names(model, lambda name: not name.startswith("image_"))


def test_training_leaves_the_model_trainable(tmp_path):
    model = models.TSN(3, **SMALL)
    count = len(model.trainable_variables)
    moved(model, tmp_path, phase(frozen=("image",)))
    assert len(model.trainable_variables) == count


def test_multipliers_of_parts():
    few = phase(multipliers={"difference": 2.0, "head": 3.0, "image_head": 5.0})
    factors = {
        name: parts.learning_rate_factor(name, few)
        for name in (
            "image_conv1",
            "difference_res2_block1_conv1",
            "difference_head",
            "image_head",
            "conv1_merge",
        )
    }
    assert list(factors.values()) == [1.0, 2.0, 3.0, 5.0, 1.0]


@pytest.mark.parametrize(
    "values, message",
    [
        ({"frozen": ("picture",)}, r"`frozen` .*'difference'.* \['picture'\]"),
        ({"multipliers": {"haed": 2.0}}, r"`multipliers` .* Received: \['haed'\]"),
        ({"frozen": ("image", "difference", "head")}, "leaves nothing to train"),
    ],
)
def test_unknown_parts(values, message):
    with pytest.raises(ValueError, match=message):
        parts.prepare(models.TDN(3, **SMALL), phase(**values))
