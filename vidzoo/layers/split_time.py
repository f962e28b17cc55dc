"""Frames that went through a network one by one, back in their clips."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="vidzoo")
class SplitTime(keras.layers.Layer):
    """Undoes the merging of N and T, where T may differ from batch to batch.

    Input: `(N*T, ...)`, and something of shape `(N, T, ...)`.

    Output: `(N, T, ...)`, the values of the first.

    Example:
        >>> clip = ops.zeros((2, 3, 5))
        >>> tuple(SplitTime()(ops.zeros((6, 4)), clip).shape)
        (2, 3, 4)
    """

    def call(self, x, clip):
        """See the class."""
        return ops.reshape(x, (-1, ops.shape(clip)[1], *x.shape[1:]))

    def compute_output_shape(self, x_shape, clip_shape):
        """Time as in `clip`, all else as in `x`."""
        return (*clip_shape[:2], *x_shape[1:])
