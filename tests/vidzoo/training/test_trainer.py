"""The training loop: what a step does, and that it can stop and go on."""

import json

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.zoo import named_outputs
from vidzoo import models
from vidzoo.errors import CheckpointError, VidzooError
from vidzoo.training import Phase, Recipe, checkpoint, parts, train
from vidzoo.training.optimizer import PhaseOptimizer

CLIP = (2, 8, 8, 3)
HEAD = {"head": 2.0}


def toy_model(dropout=0.5):
    """Convolution, batch norm and a classifier with dropout: traced in no time."""
    clip = keras.Input(CLIP)
    x = ops.reshape(clip, (-1, *CLIP[1:])) / 255.0
    x = layers.Conv2D(4, 3, name="image_conv")(x)
    x = layers.BatchNormalization(name="image_bn")(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout, name="image_dropout")(x)
    x = layers.Dense(3, name="image_head")(x)
    return keras.Model(clip, ops.mean(ops.reshape(x, (-1, 2, 3)), axis=1))


def batches(clip=CLIP, batch_size=4, num=40, classes=3):
    random = np.random.default_rng(5)
    made = [
        {
            "rgb": random.integers(0, 256, (batch_size, *clip), dtype=np.uint8),
            "label": random.integers(0, classes, batch_size).astype(np.int32),
        }
        for _ in range(num)
    ]
    return lambda first_step, num_steps: made[first_step:num_steps]


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


RECIPE = Recipe(phases=(Phase(2, 0.05, schedule="step", decay_epochs=(1,)),))


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


class Interrupted(Exception):
    pass


def interrupted(batches_from, steps):
    """Batches that stop coming after so many steps."""

    def batches_until(first_step, num_steps):
        yield from batches_from(first_step, num_steps)[: steps - first_step]
        raise Interrupted

    return batches_until


def as_in_a_new_process(seed=0):
    """Keras numbers unnamed layers and random states from 0 again."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def assert_equal_weights(model, other):
    for one, two in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)


@pytest.mark.parametrize(
    "optimizer, stop_after",  # in epoch 2; in 3; at the start of 4
    [("sgd", 3), ("sgd", 5), ("sgd", 6), ("adam", 3)],
)
def test_resumed_training_ends_at_the_same_bits(optimizer, stop_after, tmp_path):
    """Two phases of two epochs of two steps, with dropout and momentum."""
    phase = Phase(2, 0.01, optimizer=optimizer, schedule="cosine", multipliers=HEAD)
    recipe = Recipe(phases=(phase, phase), batch_size=4)

    def run(folder, batches_from, seed, resume=False):
        as_in_a_new_process(seed)
        model = toy_model()
        train(
            model,
            batches_from,
            recipe,
            num_videos=8,
            run_folder=tmp_path / folder,
            resume=resume,
        )
        return model

    whole = run("whole", batches(), seed=1)
    with pytest.raises(Interrupted):
        run("cut", interrupted(batches(), stop_after), seed=1)
    resumed = run("cut", batches(), seed=2, resume=True)
    assert_equal_weights(resumed, whole)
    lines = (tmp_path / "cut/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4, 6, 8]
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 1, 2]


def test_a_resumed_tsn_ends_at_the_same_bits(tmp_path):
    recipe = Recipe(phases=(Phase(2, 0.01),), batch_size=2)
    made = batches(clip=(2, 32, 32, 3), batch_size=2, num=4)

    def run(folder, batches_from, seed, resume=False):
        as_in_a_new_process(seed)
        model = models.TSN(
            3, num_segments=2, backbone="tiny", frame_shape=(32, 32, 3), dropout=0.5
        )
        folder = tmp_path / folder
        train(
            model, batches_from, recipe, num_videos=4, run_folder=folder, resume=resume
        )
        return model

    whole = run("whole", made, seed=1)
    with pytest.raises(Interrupted):
        run("cut", interrupted(made, 3), seed=1)
    resumed = run("cut", made, seed=2, resume=True)
    assert_equal_weights(resumed, whole)


def test_a_run_killed_while_saving_logs_each_epoch_once(tmp_path, monkeypatch):
    recipe = RECIPE.replacing(batch_size=4)
    options = {"num_videos": 8, "run_folder": tmp_path}
    save = checkpoint.save

    def killed(path, model, optimizer, state):
        if checkpoint.step_of(path) == 4:
            raise Interrupted
        save(path, model, optimizer, state)

    monkeypatch.setattr(checkpoint, "save", killed)
    as_in_a_new_process()
    with pytest.raises(Interrupted):
        train(toy_model(), batches(), recipe, **options)
    monkeypatch.setattr(checkpoint, "save", save)
    as_in_a_new_process()
    train(toy_model(), batches(), recipe, **options, resume=True)
    lines = (tmp_path / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


def test_compiled_with_xla_takes_the_same_step(tmp_path):
    # Without dropout: XLA draws other random numbers.
    _, plain = one_step(tmp_path / "a", dropout=0.0)
    _, compiled = one_step(tmp_path / "b", dropout=0.0, jit_compile=True)
    for name in plain:
        np.testing.assert_allclose(
            compiled[name], plain[name], rtol=1e-3, atol=1e-5, err_msg=name
        )


def test_resuming_a_finished_run_restores_it(tmp_path):
    recipe = RECIPE.replacing(batch_size=4)
    as_in_a_new_process()
    model = toy_model()
    train(model, batches(), recipe, num_videos=8, run_folder=tmp_path)
    as_in_a_new_process()
    again = toy_model()
    train(again, batches(), recipe, num_videos=8, run_folder=tmp_path, resume=True)
    assert_equal_weights(again, model)


def test_resuming_beyond_the_recipes_end_is_an_error(tmp_path):
    recipe = RECIPE.replacing(batch_size=4)
    as_in_a_new_process()
    train(toy_model(), batches(), recipe, num_videos=8, run_folder=tmp_path)
    as_in_a_new_process()
    shorter = recipe.replacing(epochs=1)
    with pytest.raises(CheckpointError, match="of step 4, but the recipe ends after 2"):
        train(
            toy_model(),
            batches(),
            shorter,
            num_videos=8,
            run_folder=tmp_path,
            resume=True,
        )


def test_resume_without_a_checkpoint_starts_at_the_beginning(tmp_path):
    recipe = RECIPE.replacing(batch_size=4)
    train(
        toy_model(), batches(), recipe, num_videos=4, run_folder=tmp_path, resume=True
    )
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2


# Checkpoints


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
    checkpoint.save(tmp_path / "a/step-00000002.npz", model, optimizer, {"epoch": 1})
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
        models.TSN(3, num_segments=2, backbone="tiny", frame_shape=(32, 32, 3)),
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
