"""The mask of a clip, with a word to whoever masks all of it."""

import keras
from keras import ops

_MESSAGE = (
    "`mask` must be true for one frame or more of every clip; there is nothing to "
    "classify in one without. Leave such clips out. Clips:"
)


@keras.saving.register_keras_serializable(package="vidzoo")
class RealFrames(keras.layers.Layer):
    """Passes a mask on, unless it is false for all frames of a clip.

    Compiled by XLA, or traced by JAX, values cannot be looked at; such a clip then has
    NaN for logits.

    Input: bool `(N, T)`. Output: the same.

    Raises:
        ValueError: a clip has no real frame. In a TensorFlow graph it is an
            `InvalidArgumentError` of the same words.
    """

    def call(self, real):
        """See the class."""
        without = ops.logical_not(ops.any(real, axis=1))
        if keras.backend.backend() == "tensorflow":
            return _in_tensorflow(real, without)
        if not _is_traced(real):
            _check(ops.convert_to_numpy(without))
        return real

    def compute_output_spec(self, real):
        """Shape in, shape out."""
        return keras.KerasTensor(real.shape, "bool")


def _in_tensorflow(mask, without):
    import tensorflow as tf

    if tf.executing_eagerly():
        _check(without.numpy())
        return mask
    numbers = tf.reshape(tf.where(without), [-1])
    check = tf.debugging.Assert(~tf.reduce_any(without), [_MESSAGE, numbers])
    with tf.control_dependencies([check]):
        return tf.identity(mask)


def _is_traced(x):
    if keras.backend.backend() != "jax":
        return False
    import jax

    return isinstance(x, jax.core.Tracer)


def _check(without):
    if without.any():
        raise ValueError(f"{_MESSAGE} {without.nonzero()[0].tolist()}.")
