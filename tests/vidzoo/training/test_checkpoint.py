"""Checkpoints bring everything back, or change nothing."""

import numpy as np
import pytest
from keras import ops

from tests.vidzoo.training.toy import HEAD, assert_equal_weights, batches, toy_model
from tests.zoo import named_outputs
from vidzoo import models
from vidzoo.errors import CheckpointError
from vidzoo.training import Phase, checkpoint, parts
from vidzoo.training.optimizer import PhaseOptimizer


def optimizer_of(model, **phase):
    phase = Phase(**{"epochs": 1, "learning_rate": 0.1} | phase)
    return PhaseOptimizer(phase, 1, parts.prepare(model, phase))


def test_checkpoint_brings_everything_back(tmp_path):
    model = toy_model()
    optimizer = optimizer_of(model, multipliers=HEAD)
    random = np.random.default_rng(0)
    gradients = [random.normal(size=v.shape) for v in model.trainable_variables]
    optimizer.apply([ops.cast(gradient, "float32") for gradient in gradients])
    clip = batches()(0, 1)[0]["rgb"]
    model(clip, training=True)  # moves the dropout's random state, and batch norm's
    expected = [np.array(v) for v in (*model.variables, *optimizer.variables)]
    checkpoint.save(tmp_path / "a/step-00000002.npz", model, optimizer, {"x": 1})
    next_answer = named_outputs(model(clip, training=True))["logits"]

    for variable in (*model.variables, *optimizer.variables):
        variable.assign(ops.zeros_like(variable))
    state = checkpoint.restore(tmp_path / "a/step-00000002.npz", model, optimizer)
    assert state == {"x": 1}
    variables = (*model.variables, *optimizer.variables)
    for variable, value in zip(variables, expected, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)
    again = named_outputs(model(clip, training=True))["logits"]
    np.testing.assert_array_equal(again, next_answer)


def test_checkpoint_fits_the_same_model_built_later_in_one_process(tmp_path):
    """As in a notebook: train, interrupt, build again, resume."""
    first = toy_model()
    checkpoint.save(tmp_path / "step-00000002.npz", first, optimizer_of(first), {})
    second = toy_model()
    checkpoint.restore(tmp_path / "step-00000002.npz", second, optimizer_of(second))
    assert_equal_weights(second, first)


def test_checkpoint_of_another_model(tmp_path):
    model, other = (
        toy_model(),
        models.TSN(3, num_segments=2, backbone="toy", frame_shape=(32, 32, 3)),
    )
    path = tmp_path / "step-00000002.npz"
    checkpoint.save(path, other, optimizer_of(other), {})
    before = [np.array(v) for v in model.variables]
    message = r"is of another model or recipe: \d+ variables differ; first: model/0/"
    with pytest.raises(CheckpointError, match=message):
        checkpoint.restore(path, model, optimizer_of(model))
    for variable, value in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable, value)


def test_checkpoint_of_another_optimizer(tmp_path):
    model = toy_model()
    path = tmp_path / "step-00000002.npz"
    checkpoint.save(path, model, optimizer_of(model), {})
    with pytest.raises(CheckpointError, match="first: optimizer/.* there, .* here"):
        checkpoint.restore(path, model, optimizer_of(model, optimizer="adam"))


def test_damaged_checkpoints(tmp_path):
    model = toy_model()
    path = tmp_path / "step-00000002.npz"
    checkpoint.save(path, model, optimizer_of(model), {})
    whole = path.read_bytes()
    without_state = tmp_path / "other.npz"
    np.savez(without_state, x=np.zeros(3))
    for damaged in (b"", b"text", whole[: len(whole) // 2], without_state.read_bytes()):
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError, match="step-00000002.npz: not a readable"):
            checkpoint.restore(path, model, optimizer_of(model))


def test_latest_is_the_newest_whole_one(tmp_path):
    assert checkpoint.latest(tmp_path / "none") is None
    for name in ("step-00000002.npz", "step-00000010.npz", ".step-00000011.npz.x1"):
        (tmp_path / name).touch()
    assert checkpoint.latest(tmp_path).name == "step-00000010.npz"
