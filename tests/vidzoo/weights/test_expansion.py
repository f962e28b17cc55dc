"""Network expansion: the same answer to a video of identical frames, but longer."""

from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.vidzoo.weights.networks import randomized, weights_of
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models.feature_pooling import (
    AGGREGATES,
    NETWORKS,
    fixed_length,
    network_name,
)
from vidzoo.models.frame_network import FEATURES
from vidzoo.weights import initialize

TOY = {"backbone": None, "frame_shape": (2, 3, 4), "fc_size": 5}
FRAME = np.random.default_rng(0).uniform(0, 1, (2, 1, 2, 3, 4)).astype(np.float32)
EVERY = [(p, a) for p in NETWORKS for a in AGGREGATES]
FIXED = [each for each in EVERY if fixed_length(*each)]


def pooling(kind, aggregate, num_frames, weights=None):
    return models.FeaturePooling(
        3,
        pooling=kind,
        aggregate=aggregate,
        num_frames=num_frames,
        weights=weights,
        **TOY,
    )


def file_of(kind, aggregate, num_frames):
    keras.utils.set_random_seed(0)
    model = randomized(pooling(kind, aggregate, num_frames))
    network = network_name(kind, aggregate)
    return model, weights_of(model, network, FEATURES, FEATURES)


def still(num_frames):
    return np.repeat(FRAME, num_frames, axis=1)


@pytest.mark.parametrize(
    "kind, aggregate, before, after",
    [(*each, 12, 30) for each in EVERY] + [(*each, 30, 120) for each in FIXED],
)
def test_a_still_video_gets_the_same_answer(kind, aggregate, before, after):
    model, weights_file = file_of(kind, aggregate, before)
    changed = initialize.expanded(weights_file, before, after)
    longer = pooling(kind, aggregate, after, changed)
    expected = np.asarray(model(still(before)))
    assert np.abs(expected).max() > 1e-2
    np.testing.assert_allclose(longer(still(after)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["conv", "late"])
@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_single_frames_start_many(kind, aggregate):
    model, weights_file = file_of(kind, aggregate, 1)
    changed = initialize.expanded(weights_file, 1, 30)
    found = pooling(kind, aggregate, 30, changed)(still(30))
    np.testing.assert_allclose(found, model(FRAME), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind, aggregate", EVERY)
def test_all_that_does_not_see_time_stays(kind, aggregate):
    _, weights_file = file_of(kind, aggregate, 30)
    changed = initialize.expanded(weights_file, 30, 120)
    arrays = weights_file.arrays
    differing = {n for n in arrays if arrays[n].shape != changed.arrays[n].shape}
    assert len(differing) == fixed_length(kind, aggregate)
    assert changed.arrays.keys() == arrays.keys()
    for name in arrays.keys() - differing:
        np.testing.assert_array_equal(changed.arrays[name], arrays[name])


def test_rows_are_repeated_in_order_and_divided():
    """5 windows to 23: of the first three there are 5, of the others 4."""
    _, weights_file = file_of("local", "max", 30)
    before = weights_file.arrays["head/kernel"]
    after = initialize.expanded(weights_file, 30, 120).arrays["head/kernel"]
    assert (before.shape, after.shape) == ((5 * 5, 3), (23 * 5, 3))
    assert after.dtype == before.dtype
    for window in range(23):
        source = window % 5
        rows = before[5 * source : 5 * source + 5] / (5 if source < 3 else 4)
        np.testing.assert_allclose(after[5 * window : 5 * window + 5], rows, rtol=1e-6)


@pytest.mark.parametrize("kind, aggregate", FIXED)
def test_without_expansion_they_do_not_fit(kind, aggregate):
    _, weights_file = file_of(kind, aggregate, 30)
    with pytest.raises(WeightsError, match="does not fit the model"):
        pooling(kind, aggregate, 120, weights_file)


def test_a_classifier_left_out_is_not_expanded():
    _, weights_file = file_of("local", "max", 30)
    headless = initialize.another_number_of_classes(weights_file)
    changed = initialize.expanded(headless, 30, 120)
    model = pooling("local", "max", 120, changed)
    kernel = model.get_layer("fc6").kernel
    np.testing.assert_array_equal(kernel, weights_file.arrays["fc6/kernel"])


@pytest.mark.parametrize("kind, aggregate", FIXED)
def test_refuses_weights_for_another_length(kind, aggregate):
    told = 50 if kind in ("conv", "late") else 40  # 7 windows
    _, weights_file = file_of(kind, aggregate, 30)
    message = r"npz: \w+/kernel has \d+ rows, which are not for \d+ frames \(\d+ side"
    with pytest.raises(WeightsError, match=message):
        initialize.expanded(weights_file, told, 120)


def test_refuses_a_length_that_divides_the_rows():
    """25 rows are five windows of five units, not one of 25."""
    _, weights_file = file_of("local", "max", 30)
    with pytest.raises(WeightsError, match=r"25 rows, .* for 10 frames \(1 side by"):
        initialize.expanded(weights_file, 10, 120)


def test_refuses_a_file_without_the_layer():
    _, weights_file = file_of("local", "max", 30)
    arrays = {n: a for n, a in weights_file.arrays.items() if n != "head/kernel"}
    with pytest.raises(WeightsError, match="head/kernel has 0 rows"):
        initialize.expanded(replace(weights_file, arrays=arrays), 30, 120)


@pytest.mark.parametrize("before, after", [(30, 12), (0, 30)])
def test_refuses_to_shrink(before, after):
    _, weights_file = file_of("conv", "max", 1)
    message = rf"must be >= `num_frames`.* Received: {after} and {before}\."
    with pytest.raises(ValueError, match=message):
        initialize.expanded(weights_file, before, after)


def test_refuses_fewer_frames_than_a_window():
    _, weights_file = file_of("local", "max", 30)
    message = r"`num_frames` must be >= 10 for local_pooling\. Received: 9\."
    with pytest.raises(ValueError, match=message):
        initialize.expanded(weights_file, 9, 30)
