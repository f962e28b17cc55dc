"""The training loop: what a step does, and that it can stop and go on."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.vidzoo.training.toy import CLIP, RECIPE, batches, toy_model
from vidzoo import models
from vidzoo.errors import FlowError, VidzooError
from vidzoo.training import Phase, Recipe, train


def one_step(run_folder, jit_compile=False, dropout=0.5, **phase):
    """The change of every trainable weight in one step of plain SGD at rate 0.1."""
    keras.utils.set_random_seed(3)
    model = toy_model(dropout)
    before = {v.path: np.array(v) for v in model.trainable_variables}
    settings = {"epochs": 1, "learning_rate": 0.1, "momentum": 0.0} | phase
    recipe = Recipe(phases=(Phase(**settings),), batch_size=4)
    train(
        model,
        batches(),
        recipe,
        num_videos=4,
        run_folder=run_folder,
        jit_compile=jit_compile,
    )
    return before, {
        v.path: np.array(v) - before[v.path] for v in model.trainable_variables
    }


@pytest.fixture(scope="module")
def plain_step(tmp_path_factory):
    return one_step(tmp_path_factory.mktemp("plain"))


def test_weight_decay_is_l2_on_kernels_alone(plain_step, tmp_path):
    before, plain = plain_step
    _, decayed = one_step(tmp_path, weight_decay=0.2)
    kernels = {name for name in plain if name.endswith("kernel")}
    assert kernels == {"image_conv/kernel", "image_head/kernel"}
    for name in plain:
        pull = -0.1 * 0.2 * before[name] if name in kernels else 0.0
        np.testing.assert_allclose(
            decayed[name], plain[name] + pull, atol=1e-6, err_msg=name
        )


def global_norm(steps):
    return np.sqrt(sum(np.sum(step**2.0) for step in steps.values()))


def test_clip_norm_limits_the_global_norm(plain_step, tmp_path):
    _, plain = plain_step
    limit = 0.5 * global_norm(plain) / 0.1
    _, clipped = one_step(tmp_path / "a", clip_norm=float(limit))
    assert global_norm(clipped) == pytest.approx(0.1 * limit, rel=1e-4)
    for name in plain:
        np.testing.assert_allclose(clipped[name], plain[name] / 2, atol=1e-6)
    _, free = one_step(tmp_path / "b", clip_norm=float(4 * limit))
    for name in plain:
        np.testing.assert_allclose(free[name], plain[name], atol=1e-6)


def test_weight_decay_comes_after_clipping(plain_step, tmp_path):
    before, plain = plain_step
    limit = 0.5 * global_norm(plain) / 0.1
    _, found = one_step(tmp_path, clip_norm=float(limit), weight_decay=0.2)
    name = "image_conv/kernel"
    expected = plain[name] / 2 - 0.1 * 0.2 * before[name]
    np.testing.assert_allclose(found[name], expected, atol=1e-6)


def test_a_multiplier_multiplies_its_parts_step_alone(plain_step, tmp_path):
    _, plain = plain_step
    _, doubled = one_step(tmp_path, multipliers={"head": 2.0})
    for name in plain:
        factor = 2 if name.startswith("image_head") else 1
        np.testing.assert_allclose(
            doubled[name], factor * plain[name], rtol=1e-4, atol=1e-6, err_msg=name
        )


def test_adam_takes_steps_of_the_learning_rate(tmp_path):
    _, steps = one_step(tmp_path, optimizer="adam")
    head = np.abs(steps["image_head/bias"])
    np.testing.assert_allclose(head, 0.1, rtol=1e-3)


# The run folder


def test_log_has_a_line_per_epoch(tmp_path):
    seen = []
    train(
        toy_model(),
        batches(),
        RECIPE.replacing(batch_size=4),
        num_videos=50,  # 13 steps
        run_folder=tmp_path,
        on_step=lambda done, note: seen.append((done, note)),
    )
    log = (tmp_path / "log.jsonl").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert set(lines[0]) == {
        *("step", "phase", "epoch", "loss", "accuracy", "learning_rate", "seconds")
    }
    assert all(0 <= line["accuracy"] <= 1 and line["loss"] > 0 for line in lines)
    assert [done for done, _ in seen] == [10, 13, 23, 26]
    assert seen[-1][1].startswith("phase 1, epoch 2: loss ")
    names = sorted(file.name for file in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000013.npz", "step-00000026.npz"]


def test_tensorboard_gets_every_step_and_epoch(tmp_path):
    """The event files, read back as TFRecords of `Event`."""
    recipe = RECIPE.replacing(batch_size=4)
    train(toy_model(), batches(), recipe, num_videos=12, run_folder=tmp_path)
    (file,) = (tmp_path / "tensorboard").iterdir()
    found = {}
    for record in tf.data.TFRecordDataset(str(file)):
        event = tf.compat.v1.Event.FromString(record.numpy())
        for value in event.summary.value:
            assert value.metadata.plugin_data.plugin_name == "scalars"
            number = float(tf.make_ndarray(value.tensor))
            found.setdefault(value.tag, {})[event.step] = number
    assert set(found) == {
        *("step/loss", "step/accuracy"),
        *("epoch/loss", "epoch/accuracy", "epoch/learning_rate"),
    }
    assert list(found["step/loss"]) == [1, 2, 3, 4, 5, 6]
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    for line, first in zip(map(json.loads, lines), (1, 4), strict=True):
        losses = [found["step/loss"][step] for step in range(first, first + 3)]
        assert np.mean(losses) == pytest.approx(line["loss"])
        assert found["epoch/loss"][line["step"]] == pytest.approx(line["loss"])
    rates = list(found["epoch/learning_rate"].values())
    assert rates == pytest.approx([0.005, 0.005])  # divided by ten after epoch 1


def test_only_the_last_two_checkpoints_are_kept(tmp_path):
    recipe = RECIPE.replacing(epochs=4, batch_size=4)
    train(toy_model(), batches(), recipe, num_videos=4, run_folder=tmp_path)
    names = sorted(file.name for file in (tmp_path / "checkpoints").iterdir())
    assert names == ["step-00000003.npz", "step-00000004.npz"]


def test_diverged_training_stops(tmp_path):
    made = batches()(0, 3)
    made[1]["rgb"] = np.full((4, *CLIP), np.nan, np.float32)
    made = [batch | {"rgb": batch["rgb"].astype(np.float32)} for batch in made]
    with pytest.raises(
        VidzooError, match="loss is nan in epoch 1 of phase 1: training"
    ):
        train(
            toy_model(),
            lambda first, last: made[first:last],
            RECIPE.replacing(epochs=1, batch_size=4),
            num_videos=12,
            run_folder=tmp_path,
        )
    assert not list(tmp_path.rglob("step-*.npz"))


def test_compiled_with_xla_takes_the_same_step(tmp_path):
    # Without dropout: XLA draws other random numbers.
    _, plain = one_step(tmp_path / "a", dropout=0.0)
    _, compiled = one_step(tmp_path / "b", dropout=0.0, jit_compile=True)
    for name in plain:
        np.testing.assert_allclose(
            compiled[name], plain[name], rtol=1e-3, atol=1e-5, err_msg=name
        )


def flow_step(run_folder, flow):
    """One step of a network that learns flow and classes of two clips."""
    keras.utils.set_random_seed(3)
    model = models.ActionFlowNet2F(3, backbone="toy", frame_shape=(32, 32, 6))
    clip = np.random.default_rng(5).integers(0, 256, (2, 1, 32, 32, 6), np.uint8)
    batch = {"rgb": clip, "label": np.array([0, 2], np.int32), "flow_target": flow}
    recipe = Recipe(phases=(Phase(1, 1e-3),), batch_size=2)
    train(model, lambda *_: [batch], recipe, num_videos=2, run_folder=run_folder)
    return json.loads((run_folder / "log.jsonl").read_text())


def test_flow_of_which_nothing_is_known_ends_the_training(tmp_path):
    flow = np.full((2, 1, 32, 32, 2), np.nan, np.float32)
    with pytest.raises(VidzooError, match="no flow of a batch is known.*epoch 1"):
        flow_step(tmp_path / "none", flow)
    flow[1] = 1.0  # the other clip's is enough
    logged = flow_step(tmp_path / "half", flow)
    assert np.isfinite([logged["loss"], logged["epe"]]).all()
    assert logged["unknown"] == 0.5


def test_flow_has_the_size_of_its_clip(tmp_path):
    flow = np.zeros((2, 1, 16, 16, 2), np.float32)
    with pytest.raises(FlowError, match=r"of \(1, 16, 16\).*clips of \(1, 32, 32\)"):
        flow_step(tmp_path, flow)
