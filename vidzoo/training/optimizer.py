"""A phase's optimizer and learning-rate schedule, as Keras objects."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from vidzoo.training.recipes import Phase


class PhaseOptimizer:
    """A phase's optimizers: one for each learning rate among the variables.

    Args:
        phase: which optimizer, at which rates.
        steps_per_epoch: batches in an epoch.
        trained: `(variable, factor)` pairs, as `parts.prepare` gives them: Keras
            variables, and the factor on their learning rate.
    """

    def __init__(self, phase: Phase, steps_per_epoch: int, trained):
        by_factor = {}
        for i, (variable, factor) in enumerate(trained):
            by_factor.setdefault(factor, []).append((i, variable))
        self.schedule = Schedule(phase, steps_per_epoch)
        self._groups = []
        for factor, members in sorted(by_factor.items()):
            positions, variables = zip(*members, strict=True)
            optimizer = _optimizer(phase, Schedule(phase, steps_per_epoch, factor))
            optimizer.build(list(variables))
            self._groups.append((optimizer, positions, list(variables)))

    @property
    def variables(self) -> list:
        """Everything a checkpoint must keep."""
        return [v for optimizer, _, _ in self._groups for v in optimizer.variables]

    @property
    def learning_rate(self) -> float:
        """At the next step, where no multiplier changes it."""
        optimizer, _, _ = self._groups[0]
        return float(self.schedule(optimizer.iterations))

    def apply(self, gradients) -> None:
        """Takes one step; called on every device, with the gradients of all of them.

        Args:
            gradients: in the order of the variables given at first.
        """
        # Keras adds up what each device passes; here each passes the same sum.
        count = tf.distribute.get_strategy().num_replicas_in_sync
        for optimizer, positions, variables in self._groups:
            optimizer.apply([gradients[i] / count for i in positions], variables)


def _optimizer(phase, schedule):
    if phase.optimizer == "sgd":
        return keras.optimizers.SGD(schedule, momentum=phase.momentum)
    return keras.optimizers.Adam(schedule)


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate at a step: warm-up, then as the phase's schedule has it."""

    def __init__(self, phase: Phase, steps_per_epoch: int, factor: float = 1.0):
        self._phase = phase
        self._steps_per_epoch = steps_per_epoch
        self._factor = factor

    def __call__(self, step):
        """The rate at `step` (0, 1, …) of the phase."""
        phase = self._phase
        step = ops.cast(step, "float32")
        epoch = step / self._steps_per_epoch
        rate = phase.learning_rate * self._factor
        if phase.schedule == "cosine":
            done = ops.minimum(step / phase.num_steps(self._steps_per_epoch), 1.0)
            rate = rate * 0.5 * (1.0 + ops.cos(np.pi * done))
        elif phase.schedule == "exponential":
            rate = rate * ops.power(phase.decay_rate, epoch)
        elif phase.schedule == "step":
            for boundary in phase.decay_epochs:
                rate = rate * ops.where(epoch >= boundary, 0.1, 1.0)
            for boundary in phase.decay_steps:
                rate = rate * ops.where(step >= boundary, 0.1, 1.0)
        if phase.warmup_epochs:
            warmup_steps = phase.warmup_epochs * self._steps_per_epoch
            rate = rate * ops.minimum((step + 1.0) / warmup_steps, 1.0)
        return rate
