"""The losses of flow, and of flow beside classification, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from vidzoo import losses

RANDOM = np.random.default_rng(0)
LABELS = np.array([0, 2])
SIZES = {"flow_res5": 2, "flow_res4": 4, "flow_res3": 8, "flow": 16}


def flow(size, num_frames=3):
    return RANDOM.normal(0, 3, (2, num_frames, size, size, 2)).astype("float32")


def with_unknown(values, share=0.4):
    values = values.copy()
    values[RANDOM.random(values.shape[:-1]) < share] = np.nan
    return values


def mean_distance(true, predicted):
    """Eq. 4.1 place by place, its sums as means over what is known."""
    factor = true.shape[2] // predicted.shape[2]
    distances = []
    for n, t, y, x in np.ndindex(predicted.shape[:-1]):
        area = true[n, t, y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        known = area[~np.isnan(area).any(axis=-1)].astype(np.float64)
        if len(known):
            distances.append(np.linalg.norm(known.mean(axis=0) - predicted[n, t, y, x]))
    return np.mean(distances)


def cross_entropy(logits):
    log_sum = np.log(np.exp(logits.astype(np.float64)).sum(axis=1))
    return (log_sum - logits[np.arange(2), LABELS]).mean()


@pytest.mark.parametrize("size", [4, 8, 16])
def test_endpoint_error_is_the_mean_distance(size):
    true, predicted = flow(16), flow(size)
    found = float(losses.endpoint_error(true, predicted))
    assert found == pytest.approx(mean_distance(true, predicted), rel=1e-5)


@pytest.mark.parametrize("size", [4, 16])
def test_unknown_flow_does_not_count(size):
    true, predicted = with_unknown(flow(16)), flow(size)
    true[0, 1, :8] = np.nan  # areas of which nothing is known
    found = float(losses.endpoint_error(true, predicted))
    assert found == pytest.approx(mean_distance(true, predicted), rel=1e-5)


def test_half_a_vector_is_unknown():
    true, predicted = flow(8), flow(8)
    true[0, 0, 0, 0, 1] = np.nan
    found = float(losses.endpoint_error(true, predicted))
    assert found == pytest.approx(mean_distance(true, predicted), rel=1e-5)


def test_hand_computed():
    true = np.zeros((1, 1, 2, 2, 2), "float32")
    predicted = np.array([[[[[3.0, 4.0]]]]], "float32")
    assert float(losses.endpoint_error(true, predicted)) == pytest.approx(5.0)


def test_several_resolutions_are_weighed():
    true = flow(16)
    outputs = {name: flow(size) for name, size in SIZES.items()}
    weights = (0.1, 0.2, 0.3, 0.4)
    expected = sum(
        weight * mean_distance(true, outputs[name])
        for weight, name in zip(weights, SIZES, strict=True)
    )
    found = float(losses.flow_loss(outputs, true, weights))
    assert found == pytest.approx(expected, rel=1e-5)
    shuffled = {name: outputs[name] for name in reversed(SIZES)}
    assert float(losses.flow_loss(shuffled, true, weights)) == pytest.approx(found)


def test_one_resolution_has_the_last_weight():
    true, outputs = flow(16), {"flow": flow(8)}
    found = float(losses.flow_loss(outputs, true, (9.0, 9.0, 9.0, 0.5)))
    assert found == pytest.approx(0.5 * mean_distance(true, outputs["flow"]), rel=1e-5)


@pytest.mark.parametrize("flow_weight", [0.0, 0.3, 2.0])
def test_both_tasks_are_summed(flow_weight):
    logits = RANDOM.normal(0, 3, (2, 4)).astype("float32")
    true, predicted = flow(16), flow(8)
    found = float(
        losses.multitask_loss(
            {"logits": logits, "flow": predicted}, LABELS, true, flow_weight=flow_weight
        )
    )
    expected = cross_entropy(logits) + flow_weight * mean_distance(true, predicted)
    assert found == pytest.approx(expected, rel=1e-5)


def test_one_task_alone():
    logits, true, predicted = flow(2)[:, 0, 0], flow(16), flow(8)
    found = losses.multitask_loss({"logits": logits[..., 0]}, LABELS * 0, None)
    expected = losses.classification_loss(logits[..., 0], LABELS * 0)
    assert float(found) == pytest.approx(float(expected))
    found = losses.multitask_loss({"flow": predicted}, LABELS, true)
    assert float(found) == pytest.approx(mean_distance(true, predicted), rel=1e-5)


def test_perfect_prediction_costs_nothing_and_moves_nothing():
    true = flow(16)
    outputs = {name: tf.constant(shrunk(true, size)) for name, size in SIZES.items()}
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = losses.flow_loss(outputs, true)
    # Averages of areas are computed in another order here than there.
    assert float(loss) == pytest.approx(0, abs=1e-5)
    with tf.GradientTape() as tape:
        same = tf.constant(true)
        tape.watch(same)
        loss = losses.endpoint_error(true, same)
    assert float(loss) == 0
    assert np.all(tape.gradient(loss, same).numpy() == 0)


def shrunk(values, size):
    factor = values.shape[2] // size
    shape = (*values.shape[:2], size, factor, size, factor, 2)
    return values.reshape(shape).mean(axis=(3, 5))


def test_gradient_has_unit_length_where_known():
    true, predicted = with_unknown(flow(4)), tf.constant(flow(4))
    with tf.GradientTape() as tape:
        tape.watch(predicted)
        loss = losses.endpoint_error(true, predicted)
    lengths = np.linalg.norm(tape.gradient(loss, predicted).numpy(), axis=-1)
    known = ~np.isnan(true[..., 0])
    np.testing.assert_allclose(lengths[known], 1 / known.sum(), rtol=1e-5)
    assert np.all(lengths[~known] == 0)


def test_without_weight_flow_moves_nothing():
    logits = tf.constant(RANDOM.normal(0, 3, (2, 4)).astype("float32"))
    predicted = tf.constant(flow(8))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([logits, predicted])
        outputs = {"logits": logits, "flow": predicted}
        both = losses.multitask_loss(outputs, LABELS, flow(16), flow_weight=0)
        alone = losses.classification_loss(logits, LABELS)
    assert tape.gradient(both, predicted) is None
    np.testing.assert_array_equal(
        tape.gradient(both, logits), tape.gradient(alone, logits)
    )


def test_nothing_known_is_nan():
    unknown = np.full((2, 3, 8, 8, 2), np.nan, "float32")
    assert np.isnan(float(losses.endpoint_error(unknown, flow(8))))
    assert float(losses.share_unknown(unknown)) == 1
    unknown[0, :, :, :4] = 0
    assert float(losses.share_unknown(unknown)) == 0.75


@pytest.mark.parametrize("size", [12, 8, 15])
def test_flow_of_another_size_is_refused(size):
    with pytest.raises(ValueError, match=rf"\(16, 16\). Received: \({size}, {size}\)"):
        losses.endpoint_error(flow(size), flow(16))
    tall = np.zeros((2, 3, 32, 16, 2), "float32")
    with pytest.raises(ValueError, match=r"Received: \(32, 16\); .* other frames"):
        losses.endpoint_error(tall, flow(16))


def test_more_resolutions_than_weights_are_refused():
    outputs = {name: flow(size) for name, size in SIZES.items()}
    with pytest.raises(ValueError, match=r"at least 4, .* Received: \(1.0, 2.0\)"):
        losses.flow_loss(outputs, flow(16), (1.0, 2.0))
