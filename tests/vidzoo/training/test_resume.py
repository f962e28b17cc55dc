"""Training stops and goes on, to the bits of a run that never stopped."""

import json

import pytest

from tests.vidzoo.training.toy import (
    HEAD,
    RECIPE,
    as_in_a_new_process,
    assert_equal_weights,
    batches,
    toy_model,
)
from vidzoo import models
from vidzoo.errors import CheckpointError
from vidzoo.training import Phase, Recipe, Stopped, checkpoint, train


class Interrupted(Exception):
    pass


def interrupted(batches_from, steps):
    """Batches that stop coming after so many steps."""

    def batches_until(first_step, num_steps):
        yield from batches_from(first_step, num_steps)[: steps - first_step]
        raise Interrupted

    return batches_until


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
            3, num_segments=2, backbone="toy", frame_shape=(32, 32, 3), dropout=0.5
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


@pytest.mark.parametrize("stop_after", [1, 2, 3, 5, 7])
def test_stopped_training_goes_on_from_its_last_step(stop_after, tmp_path):
    """Two phases of two epochs of two steps; asked to stop within and between them."""
    phase = Phase(2, 0.01, schedule="cosine", multipliers=HEAD)
    recipe = Recipe(phases=(phase, phase), batch_size=4)
    options = {"num_videos": 8}
    as_in_a_new_process(1)
    whole = toy_model()
    train(whole, batches(), recipe, run_folder=tmp_path / "whole", **options)

    steps = []
    as_in_a_new_process(1)
    with pytest.raises(Stopped, match=f"stopped after step {stop_after} of 8"):
        train(
            toy_model(),
            batches(),
            recipe,
            run_folder=tmp_path / "cut",
            should_stop=lambda: steps.append(0) or len(steps) == stop_after,
            **options,
        )
    assert len(steps) == stop_after
    newest = checkpoint.latest(tmp_path / "cut/checkpoints")
    assert checkpoint.step_of(newest) == stop_after

    as_in_a_new_process(2)
    resumed = toy_model()
    folder = tmp_path / "cut"
    train(resumed, batches(), recipe, run_folder=folder, resume=True, **options)
    assert_equal_weights(resumed, whole)
    logs = [log_of(tmp_path / name) for name in ("cut", "whole")]
    assert logs[0] == logs[1]  # the loss of a cut epoch, too
    assert [line["epoch"] for line in logs[0]] == [1, 2, 1, 2]


def log_of(folder):
    """What was measured in every epoch, without the seconds."""
    lines = (folder / "log.jsonl").read_text().splitlines()
    return [
        {k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines
    ]


def test_asked_to_stop_after_the_last_step_it_has_finished(tmp_path):
    recipe = RECIPE.replacing(batch_size=4)
    train(
        toy_model(),
        lambda first, last: batches()(first, last),
        recipe,
        num_videos=4,
        run_folder=tmp_path,
        should_stop=lambda: checkpoint.latest(tmp_path / "checkpoints") is not None,
    )
    assert len(log_of(tmp_path)) == 2
