"""Frames that went through a network one by one, back in their clips."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="vidzoo")
class SplitTime(keras.layers.Layer):
    """Undoes the merging of N and T, where T may differ from batch to batch.

    Input: `(N*T, ...)`, and something of shape `(N, T, ...)`.

    Output: `(N, T, ...)`, the values of the first, in its precision.

    Example:
        >>> clip = ops.zeros((2, 3, 5))
        >>> tuple(SplitTime()(ops.zeros((6, 4)), clip).shape)
        (2, 3, 4)
    """

    def __init__(self, **kwargs):
        super().__init__(autocast=False, **kwargs)

    def call(self, x, clip):
        """See the class."""
        return ops.reshape(x, (-1, ops.shape(clip)[1], *x.shape[1:]))

    def compute_output_spec(self, x, clip):
        """Time as in `clip`, all else as in `x`."""
        return keras.KerasTensor((*clip.shape[:2], *x.shape[1:]), x.dtype)
