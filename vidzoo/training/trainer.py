"""The training loop: batches from anywhere, a recipe, a run folder."""

import json
import math
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo.atomic import write_text
from vidzoo.errors import CheckpointError, FlowError, VidzooError
from vidzoo.losses import (
    classification_loss,
    endpoint_error,
    is_flow,
    multitask_loss,
    prediction,
    share_unknown,
)
from vidzoo.training import checkpoint, devices, optimizer, parts
from vidzoo.training.events import EventWriter
from vidzoo.training.recipes import Phase, Recipe, epoch_length

LOG = "log.jsonl"
_STEPS_BETWEEN_READINGS = 10
_CHECKPOINTS_KEPT = 2
_DECAYED = ("kernel", "recurrent_kernel")


class Stopped(Exception):
    """Training was asked to stop, and has: a checkpoint of its last step is there."""

    def __init__(self, step: int, num_steps: int):
        super().__init__(f"stopped after step {step} of {num_steps}")


def train(
    model,
    batches_from: Callable[[int, int], Iterable[dict]],
    recipe: Recipe,
    *,
    num_videos: int,
    run_folder: Path,
    modality: str = "rgb",
    strategy: tf.distribute.Strategy | None = None,
    resume: bool = False,
    jit_compile: bool = False,
    on_step: Callable[[int, str], None] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
) -> None:
    """Trains `model` by `recipe`, leaving a log and a checkpoint per epoch.

    An epoch is `ceil(num_videos / batch_size)` steps; a phase that is counted in steps
    may end within one. `run_folder` gets `log.jsonl`, one line per epoch;
    `checkpoints/step-NNNNNNNN.npz`, one per epoch, of which the last two are kept; and
    `tensorboard/`.

    Args:
        model: a classifier as `vidzoo.models` builds them, built within
            `strategy.scope()`.
        batches_from: `(first_step, num_steps)` to batches, dictionaries with the
            modality, `(N, T, H, W, C)`, and `label`, int `(N,)` or multi-hot `(N, K)`;
            where flow is learned, `flow_target` too, `(N, T, H, W, 2)` in pixels, NaN
            where it is not known.
        recipe: what to do.
        num_videos: in the training split.
        run_folder: where the log and the checkpoints go.
        modality: what the model sees, a key of each batch.
        strategy: the devices that share each batch; one of them by default.
        resume: go on from the run folder's newest checkpoint, if there is one.
        jit_compile: compile the step with XLA; on one device only.
        on_step: called after readings with the number of steps done and a note.
        should_stop: asked after every step.

    Raises:
        VidzooError: the loss is no longer finite, or none of a batch's flow is known.
        FlowError: flow has another size than its clip.
        CheckpointError: the checkpoint to resume from is damaged, does not fit, or
            lies beyond the recipe's end.
        Stopped: `should_stop` said so; the last step is saved.
        ValueError: a phase names parts that the model has not.
    """
    strategy = strategy or tf.distribute.get_strategy()
    steps_per_epoch = epoch_length(num_videos, recipe)
    num_steps = recipe.num_steps(num_videos)
    newest = checkpoint.latest(run_folder / "checkpoints") if resume else None
    done = checkpoint.step_of(newest) if newest else 0
    if done > num_steps:
        raise CheckpointError(
            f"{newest}: is of step {done}, but the recipe ends after {num_steps}. "
            "Give the recipe of the first run."
        )
    _keep_lines(run_folder / LOG, done)
    learns_flow = learns_flow_by(model, recipe)
    names = (modality, "label", *(["flow_target"] if learns_flow else []))
    batches = _tuples(batches_from, done, num_steps, names)
    start = 0
    try:
        for number, phase in enumerate(recipe.phases, 1):
            end = start + phase.num_steps(steps_per_epoch)
            if done <= end:
                run = PhaseRun(
                    model, phase, steps_per_epoch, jit_compile, strategy, recipe
                )
                progress = _Progress(num_steps, start, end, steps_per_epoch, number)
                if start < done:
                    state = checkpoint.restore(newest, model, run.optimizer)
                    progress.resume(done, state)
                devices.spread_random_states(model, strategy)
                _run_phase(run, batches, progress, run_folder, on_step, should_stop)
            start = end
    finally:
        parts.reset(model)


def _tuples(batches_from, done, num_steps, names):
    # Nothing is made before it is asked for: a finished run that is resumed needs none.
    for batch in batches_from(done, num_steps):
        yield tuple(batch[name] for name in names)


def learns_flow_by(model, recipe: Recipe | None) -> bool:
    """Whether flow is among what a model learns by a recipe."""
    outputs = model.output
    is_predicted = isinstance(outputs, dict) and any(map(is_flow, outputs.values()))
    return is_predicted and (recipe is None or recipe.flow_weight > 0)


class PhaseRun:
    """One phase's optimizer and compiled step.

    Attributes:
        model: what is trained.
        optimizer: a `PhaseOptimizer`.
        readings: names of what a step answers: `loss`; `accuracy`, of a classifier;
            `epe` and `unknown`, the endpoint error in pixels at the highest resolution
            and the share of flow that is not known, where flow is learned.
        step: `(clip, label)` of a batch, or `(clip, label, flow_target)`, to scalar
            tensors, one for each reading; one step of training, on all devices.
    """

    def __init__(
        self,
        model,
        phase: Phase,
        steps_per_epoch: int,
        jit_compile: bool,
        strategy: tf.distribute.Strategy | None = None,
        recipe: Recipe | None = None,
    ):
        self.model = model
        self._phase = phase
        self._strategy = strategy or tf.distribute.get_strategy()
        self._loss = _loss_of(recipe or Recipe(phases=(phase,)))
        self.readings = _readings_of(model, recipe)
        self._num_devices = self._strategy.num_replicas_in_sync
        trained = parts.prepare(model, phase, synchronized=self._num_devices > 1)
        self._variables = [variable for variable, _ in trained]
        with self._strategy.scope():
            self.optimizer = optimizer.PhaseOptimizer(phase, steps_per_epoch, trained)
        self._compiled = tf.function(
            self._on_all_devices, autograph=False, jit_compile=jit_compile
        )

    def step(self, *batch):
        """See the class.

        Raises:
            FlowError: the flow has another size than the clip.
        """
        _check_flow(*batch)
        return self._compiled(*devices.shares(batch, self._strategy))

    def _on_all_devices(self, *batch):
        found = self._strategy.run(self._train_step, batch)
        if self._num_devices == 1:
            return found
        mean = tf.distribute.ReduceOp.MEAN
        return tuple(self._strategy.reduce(mean, x, axis=None) for x in found)

    def _train_step(self, clip, label, flow=None):
        """One device's share of a step; all shares are of one size."""
        with tf.GradientTape() as tape:
            outputs = self.model(clip, training=True)
            loss = self._loss(outputs, label, flow)
            share = loss / self._num_devices
        gradients = tape.gradient(
            share,
            [v.value for v in self._variables],
            # A decoder whose loss has no weight.
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = _sum_over_devices(gradients)
        if self._phase.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self._phase.clip_norm)
        self.optimizer.apply(
            [
                self._with_decay(gradient, variable)
                for gradient, variable in zip(gradients, self._variables, strict=True)
            ]
        )
        return self._read(loss, outputs, label, flow)

    def _read(self, loss, outputs, label, flow):
        values = {"loss": loss}
        if "accuracy" in self.readings:
            values["accuracy"] = _accuracy(prediction(outputs), label)
        if "epe" in self.readings:
            values["epe"] = endpoint_error(flow, outputs["flow"], _mean_over_devices)
            values["unknown"] = share_unknown(flow)
        return tuple(values[name] for name in self.readings)

    def _with_decay(self, gradient, variable):
        if self._phase.weight_decay and variable.name in _DECAYED:
            return gradient + self._phase.weight_decay * variable.value
        return gradient


def _loss_of(recipe):
    """What a recipe minimises, of outputs, labels and flow."""

    def loss(outputs, label, flow):
        if not isinstance(outputs, dict):
            return classification_loss(outputs, label, recipe.loss)
        return multitask_loss(
            outputs,
            label,
            flow,
            flow_weight=recipe.flow_weight,
            resolution_weights=recipe.resolution_weights,
            kind=recipe.loss,
            mean_count=_mean_over_devices,
        )

    return loss


def _readings_of(model, recipe):
    outputs = model.output
    classifies = not isinstance(outputs, dict) or "logits" in outputs
    learns_flow = learns_flow_by(model, recipe)
    return (
        "loss",
        *(["accuracy"] if classifies else []),
        *(["epe", "unknown"] if learns_flow else []),
    )


def _check_flow(clip, label, flow=None):
    del label
    if flow is not None and flow.shape[1:4] != clip.shape[1:4]:
        raise FlowError(
            f"the flow to learn is of {tuple(flow.shape[1:4])} (T, H, W), its clips of "
            f"{tuple(clip.shape[1:4])}. Give one field for each frame, of its size."
        )


def _sum_over_devices(gradients):
    return _over_devices(tf.distribute.ReduceOp.SUM, gradients)


def _mean_over_devices(count):
    return _over_devices(tf.distribute.ReduceOp.MEAN, count)


def _over_devices(operation, values):
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(operation, values)


def _accuracy(logits, label):
    """The share of clips whose first answer is right, or one of several right ones."""
    answers = tf.argmax(logits, axis=1, output_type=tf.int32)
    if label.shape.rank == 2:
        return tf.reduce_mean(tf.gather(label, answers, axis=1, batch_dims=1))
    return tf.reduce_mean(tf.cast(answers == tf.cast(label, tf.int32), tf.float32))


class _Progress:
    """Where a phase stands: its steps, its epochs, and the readings of this epoch."""

    def __init__(self, num_steps, start, end, steps_per_epoch, phase_number):
        self.num_steps, self.step, self.end = num_steps, start, end
        self.phase_number = phase_number
        self._start, self._steps_per_epoch = start, steps_per_epoch
        self.readings = []  # of every step of this epoch, as the run names them
        self.seconds = 0.0  # of this epoch, before it was resumed

    def resume(self, step, state):
        self.step = step
        self.readings = [tuple(reading) for reading in state["readings"]]
        self.seconds = state["seconds"]

    @property
    def is_epoch_end(self):
        steps = self.step - self._start
        return steps % self._steps_per_epoch == 0 or self.step == self.end

    @property
    def epoch(self):
        """The phase's epoch, from 1, to which the last step belongs."""
        return -(-(self.step - self._start) // self._steps_per_epoch)


def _run_phase(run, batches, progress, run_folder, on_step, should_stop):
    with EventWriter(run_folder / "tensorboard") as events:
        while progress.step < progress.end:
            started = time.monotonic() - progress.seconds
            unread = []
            while True:
                unread.append(run.step(*next(batches)))
                progress.step += 1
                stops = should_stop()
                at_end = progress.is_epoch_end
                if at_end or stops or len(unread) == _STEPS_BETWEEN_READINGS:
                    _read(unread, progress, run.readings, on_step)
                if at_end or stops:
                    break
            progress.seconds = time.monotonic() - started
            if at_end:
                _finish_epoch(run, progress, run_folder, events)
            else:
                _save(run, progress, run_folder)
            if stops and progress.step < progress.num_steps:
                raise Stopped(progress.step, progress.num_steps)


def _read(unread, progress, names, on_step):
    """Fetches the readings of the last steps; tells the caller."""
    new = [tuple(float(value) for value in reading) for reading in unread]
    unread.clear()
    progress.readings += new
    found = _means(progress, names)
    where = f"epoch {progress.epoch} of phase {progress.phase_number}"
    if not np.isfinite(found["loss"]):
        if any(dict(zip(names, each, strict=True)).get("unknown") == 1 for each in new):
            raise VidzooError(
                f"no flow of a batch is known (NaN) in {where}: nothing can be learned "
                "from it. Make the flow anew (`vidzoo flow RECORDS OUT`), or train the "
                "classifier alone (--flow_weight=0)."
            )
        raise VidzooError(
            f"the loss is {found['loss']} in {where}: training diverged. Train anew, "
            "elsewhere, with a lower learning rate."
        )
    if on_step:
        note = f"phase {progress.phase_number}, epoch {progress.epoch}: "
        note += ", ".join(_described(name, value) for name, value in found.items())
        on_step(progress.step, note)


def _means(progress, names):
    """The mean of each reading in this epoch."""
    return dict(zip(names, np.mean(progress.readings, axis=0), strict=True))


def _described(name, value):
    return f"flow unknown {value:.1%}" if name == "unknown" else f"{name} {value:.3f}"


def _finish_epoch(run, progress, run_folder, events):
    """Logs an epoch, saves a checkpoint, and begins the next one."""
    found = _means(progress, run.readings)
    measured = {
        "step": progress.step,
        "phase": progress.phase_number,
        "epoch": progress.epoch,
        **found,
        "learning_rate": run.optimizer.learning_rate,
        "seconds": progress.seconds,
    }
    # Before the checkpoint: whoever is killed between repeats the epoch, and the same
    # values replace these.
    first = progress.step - len(progress.readings) + 1
    for step, values in enumerate(progress.readings, first):
        named = zip(run.readings, values, strict=True)
        events.scalars(step, {f"step/{name}": value for name, value in named})
    names = (*run.readings, "learning_rate")
    events.scalars(progress.step, {f"epoch/{name}": measured[name] for name in names})
    _append_line(run_folder / LOG, measured)
    progress.readings, progress.seconds = [], 0.0
    _save(run, progress, run_folder)


def _save(run, progress, run_folder):
    folder = run_folder / "checkpoints"
    state = {"readings": progress.readings, "seconds": progress.seconds}
    file = folder / checkpoint.name_of(progress.step)
    checkpoint.save(file, run.model, run.optimizer, state)
    checkpoint.remove_all_but(folder, _CHECKPOINTS_KEPT)


def _keep_lines(path, num_steps):
    """Drops what a killed run logged of an epoch whose checkpoint it did not write."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if _logged_step(line) <= num_steps]
        write_text(path, "".join(kept))


def _logged_step(line):
    """The step of a line of the log; beyond any for one that a power cut left half."""
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return math.inf


def _append_line(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(values) + "\n")
        file.flush()
        os.fsync(file.fileno())
