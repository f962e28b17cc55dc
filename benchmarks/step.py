"""One step of training, or one forward pass, on random clips in memory.

On TensorFlow these are the very step of `vidzoo train` and the forward pass of
`vidzoo evaluate`. `vidzoo.training` needs TensorFlow, so other backends run Keras' own
`train_on_batch` and `predict_on_batch`. Clips start in the host's memory, as they do
in training: bringing them to the device is part of a step.
"""

import keras
import numpy as np

from benchmarks.timing import Workload
from vidzoo.losses import classification_loss, prediction
from vidzoo.training import RECIPES

RECIPE = "finetune"


def train(
    model, clip_shape: tuple[int, ...], *, jit_compile: bool, seed: int
) -> Workload:
    """One training step: forward, loss, backward, optimizer.

    Args:
        model: a classifier as `vidzoo.models` builds them.
        clip_shape: `(N, T, H, W, C)`.
        jit_compile: compile the step with the backend's compiler.
        seed: of the clips and labels.
    """
    num_classes = prediction(model.output).shape[-1]
    clip, label = _random_batch(clip_shape, num_classes, seed)
    if keras.backend.backend() == "tensorflow":
        step = _vidzoo_step(model, clip, label, jit_compile)
        loop = f"the step of `vidzoo train`, recipe {RECIPE}"
    else:
        step = _keras_step(model, clip, label, jit_compile)
        loop = "keras train_on_batch, SGD with momentum and clipping"
        loop += "" if jit_compile else ", not compiled"
    return Workload(step, loop, _describe(clip_shape), model.count_params())


def infer(
    model, clip_shape: tuple[int, ...], *, jit_compile: bool, seed: int
) -> Workload:
    """One forward pass, without dropout; arguments as of `train`."""
    clip, _ = _random_batch(clip_shape, 1, seed)
    if keras.backend.backend() == "tensorflow":
        step = _vidzoo_forward(model, clip, jit_compile)
        loop = "the forward pass of `vidzoo evaluate`"
    else:
        model.compile(jit_compile=jit_compile)
        step = _calling(model.predict_on_batch, clip)
        loop = "keras predict_on_batch" + ("" if jit_compile else ", not compiled")
    return Workload(step, loop, _describe(clip_shape), model.count_params())


def _vidzoo_step(model, clip, label, jit_compile):
    import tensorflow as tf

    from vidzoo.training.trainer import PhaseRun

    phase = RECIPES[RECIPE]["tsn"]["rgb"].phases[0]
    run = PhaseRun(model, phase, steps_per_epoch=1000, jit_compile=jit_compile)
    with tf.device("CPU:0"):  # where tf.data leaves its batches
        clip, label = tf.constant(clip), tf.constant(label)

    def step():
        loss, _ = run.step(clip, label)
        return float(loss)  # waits for the device

    return step


def _vidzoo_forward(model, clip, jit_compile):
    import tensorflow as tf

    forward = tf.function(
        lambda clip: prediction(model(clip, training=False)), jit_compile=jit_compile
    )
    with tf.device("CPU:0"):
        clip = tf.constant(clip)
    return lambda: forward(clip).numpy()  # waits for the device


class _Classifier(keras.Model):
    """A network under vidzoo's loss, for Keras' own training loop."""

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return classification_loss(y_pred, y)


def _keras_step(model, clip, label, jit_compile):
    classifier = _Classifier(model.input, model.output, name=model.name)
    phase = RECIPES[RECIPE]["tsn"]["rgb"].phases[0]
    optimizer = keras.optimizers.SGD(
        phase.learning_rate, phase.momentum, global_clipnorm=phase.clip_norm
    )
    classifier.compile(optimizer, jit_compile=jit_compile)
    # Its answer, the loss as a Python number, waits for the device.
    return _calling(classifier.train_on_batch, clip, label)


def _calling(function, *arguments):
    return lambda: function(*arguments)


def _random_batch(clip_shape, num_classes, seed):
    generator = np.random.default_rng(seed)
    clip = generator.integers(0, 256, clip_shape, dtype=np.uint8)
    label = generator.integers(0, num_classes, clip_shape[0], dtype=np.int32)
    return clip, label


def _describe(clip_shape):
    return f"random uint8 clips {tuple(clip_shape)} in host memory"
