"""The training loop: batches from anywhere, a recipe, a run folder."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo.atomic import write_text
from vidzoo.errors import CheckpointError, VidzooError
from vidzoo.losses import classification_loss, prediction
from vidzoo.training import checkpoint, optimizer
from vidzoo.training.recipes import Phase, Recipe

_STEPS_BETWEEN_READINGS = 10
_CHECKPOINTS_KEPT = 2


def train(
    model,
    batches_from: Callable[[int, int], Iterable[dict]],
    recipe: Recipe,
    *,
    num_videos: int,
    run_folder: Path,
    resume: bool = False,
    jit_compile: bool = False,
    on_step: Callable[[int, str], None] | None = None,
) -> None:
    """Trains `model` by `recipe`, leaving a log and a checkpoint per epoch.

    An epoch is `ceil(num_videos / batch_size)` steps. `run_folder` gets `log.jsonl`,
    one line per epoch, and `checkpoints/epoch-NNN.npz`, of which the last two are kept.

    Args:
        model: a classifier as `vidzoo.models` builds them.
        batches_from: `(first_step, num_steps)` to batches, dictionaries with `rgb`
            `(N, T, H, W, C)` and `label` int `(N,)`.
        recipe: what to do.
        num_videos: in the training split.
        run_folder: where the log and the checkpoints go.
        resume: go on from the run folder's newest checkpoint, if there is one.
        jit_compile: compile the step with XLA.
        on_step: called after readings with the number of steps done and a note.

    Raises:
        VidzooError: the loss is no longer finite.
        CheckpointError: the checkpoint to resume from is damaged, does not fit, or
            lies beyond the recipe's end.
    """
    steps_per_epoch = epoch_length(num_videos, recipe)
    num_epochs = sum(phase.epochs for phase in recipe.phases)
    newest = checkpoint.latest(run_folder / "checkpoints") if resume else None
    done = _epoch_of(newest) if newest else 0
    if done > num_epochs:
        raise CheckpointError(
            f"{newest}: is of epoch {done}, but the recipe ends after {num_epochs}. "
            "Give the recipe of the first run."
        )
    _keep_lines(run_folder / "log.jsonl", done)
    batches = iter(batches_from(done * steps_per_epoch, num_epochs * steps_per_epoch))
    epoch = 0
    for phase in recipe.phases:
        run = PhaseRun(model, phase, steps_per_epoch, jit_compile)
        if newest and epoch < done <= epoch + phase.epochs:
            checkpoint.restore(newest, model, run.optimizer)
        for _ in range(phase.epochs):
            epoch += 1
            if epoch <= done:
                continue
            started = time.monotonic()
            measured = run.epoch(batches, epoch, on_step)
            measured |= {"epoch": epoch, "seconds": time.monotonic() - started}
            _append_line(run_folder / "log.jsonl", measured)
            file = run_folder / "checkpoints" / f"epoch-{epoch:04d}.npz"
            checkpoint.save(file, model, run.optimizer, {"epoch": epoch})
            for old in sorted(file.parent.glob("epoch-*.npz"))[:-_CHECKPOINTS_KEPT]:
                old.unlink()


def epoch_length(num_videos: int, recipe: Recipe) -> int:
    """Steps in an epoch: enough batches for every video, rounded up."""
    return -(-num_videos // recipe.batch_size)


class PhaseRun:
    """One phase's optimizer and compiled step.

    Attributes:
        optimizer: a `PhaseOptimizer`.
        step: `(clip, label)` of a batch to its `(loss, accuracy)`, two scalar tensors;
            one step of training.
    """

    def __init__(self, model, phase: Phase, steps_per_epoch: int, jit_compile: bool):
        self._model = model
        self._phase = phase
        self._steps_per_epoch = steps_per_epoch
        trainable = model.trainable_variables
        self.optimizer = optimizer.PhaseOptimizer(phase, steps_per_epoch, trainable)
        self.step = tf.function(self._train_step, jit_compile=jit_compile)

    def epoch(self, batches, epoch, on_step):
        """Runs one epoch; returns its mean loss and training accuracy."""
        readings, unread = [], []
        for step in range(1, self._steps_per_epoch + 1):
            batch = next(batches)
            unread.append(self.step(batch["rgb"], batch["label"]))
            if step % _STEPS_BETWEEN_READINGS == 0 or step == self._steps_per_epoch:
                readings += [[float(value) for value in reading] for reading in unread]
                unread = []
                loss, accuracy = np.mean(readings, axis=0)
                if not np.isfinite(loss):
                    raise VidzooError(
                        f"the loss is {loss} in epoch {epoch}: training diverged. "
                        "Train anew, elsewhere, with a lower learning rate."
                    )
                if on_step:
                    note = f"epoch {epoch}: loss {loss:.3f}, accuracy {accuracy:.3f}"
                    on_step((epoch - 1) * self._steps_per_epoch + step, note)
        rate = self.optimizer.learning_rate
        return {"loss": loss, "accuracy": accuracy, "learning_rate": rate}

    def _train_step(self, clip, label):
        variables = self._model.trainable_variables
        with tf.GradientTape() as tape:
            outputs = self._model(clip, training=True)
            loss = classification_loss(outputs, label)
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        if self._phase.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._phase.clip_norm)
        self.optimizer.apply(
            [
                self._with_decay(gradient, variable)
                for gradient, variable in zip(gradients, variables, strict=True)
            ]
        )
        answers = tf.argmax(prediction(outputs), axis=1, output_type=label.dtype)
        return loss, tf.reduce_mean(tf.cast(answers == label, tf.float32))

    def _with_decay(self, gradient, variable):
        if self._phase.weight_decay and variable.name == "kernel":
            return gradient + self._phase.weight_decay * variable.value
        return gradient


def _epoch_of(file):
    return int(file.stem.removeprefix("epoch-"))


def _keep_lines(path, num_epochs):
    """Drops what a killed run logged of an epoch whose checkpoint it did not write."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        write_text(path, "".join(lines[:num_epochs]))


def _append_line(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
