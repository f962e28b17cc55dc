"""Clips of any length with their masks, and a word to whoever masks too much."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="vidzoo")
class RealFrames(keras.layers.Layer):
    """Passes clips and their masks on, if these are true for enough frames, the first.

    Compiled by XLA, or traced by JAX, values cannot be looked at; a clip without enough
    real frames then has logits that are not finite.

    Args:
        minimum: real frames that a clip must have.
        **kwargs: of `keras.layers.Layer`.

    Input: `(N, T, ...)`, and bool `(N, T)`. Output: the same.

    Raises:
        ValueError: the two differ in T, T is below `minimum`, or a mask is not as
            above. The last is in a TensorFlow graph an `InvalidArgumentError` of the
            same words.
    """

    def __init__(self, minimum: int = 1, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.minimum = minimum

    def call(self, clip, real):
        """See the class."""
        self._check_lengths(clip.shape[1], real.shape[1])
        count = ops.sum(ops.cast(real, "int32"), axis=1)
        after_a_gap = ops.any(real[:, 1:] & ~real[:, :-1], axis=1)
        unfit = (count < self.minimum) | after_a_gap
        if keras.backend.backend() == "tensorflow":
            return self._checked_in_tensorflow(clip, real, unfit)
        if not _is_traced(unfit):
            self._check(ops.convert_to_numpy(unfit))
        return clip, real

    def compute_output_spec(self, clip, real):
        """Shapes in, shapes out."""
        return (
            keras.KerasTensor(clip.shape, clip.dtype),
            keras.KerasTensor(real.shape, "bool"),
        )

    def get_config(self):
        """See `keras.layers.Layer.get_config`."""
        return super().get_config() | {"minimum": self.minimum}

    def _check_lengths(self, num_frames, length_of_mask):
        if None in (num_frames, length_of_mask):
            return
        if num_frames != length_of_mask:
            raise ValueError(
                "`clip` and `mask` must have as many frames. "
                f"Received: {num_frames} and {length_of_mask}."
            )
        if num_frames < self.minimum:
            raise ValueError(
                f"`clip` must have {self.minimum} frames or more; loop shorter videos. "
                f"Received: {num_frames}."
            )

    def _message(self):
        return (
            f"`mask` must be true for {self.minimum} or more of every clip's frames, "
            "all of them before any for which it is false. Leave clips without frames "
            "out, loop shorter ones. Clips:"
        )

    def _check(self, unfit):
        if unfit.any():
            raise ValueError(f"{self._message()} {unfit.nonzero()[0].tolist()}.")

    def _checked_in_tensorflow(self, clip, real, unfit):
        import tensorflow as tf

        if tf.executing_eagerly():
            self._check(unfit.numpy())
            return clip, real
        numbers = tf.reshape(tf.where(unfit), [-1])
        check = tf.debugging.Assert(
            ~tf.reduce_any(unfit), [self._message(), numbers], summarize=8
        )
        lengths = tf.shape(clip)[1], tf.shape(real)[1]
        message = "`clip` and `mask` must have as many frames. Received:"
        same = tf.debugging.Assert(tf.equal(*lengths), [message, *lengths])
        with tf.control_dependencies([check, same]):
            return tf.identity(clip), tf.identity(real)


def _is_traced(x):
    if keras.backend.backend() != "jax":
        return False
    import jax

    return isinstance(x, jax.core.Tracer)
