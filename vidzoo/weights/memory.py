"""Setting variables without memory beyond their own values.

To draw a layer's first random weights takes TensorFlow three times their size, and to
set them from an array two copies of it. Where one layer is most of its network, as
VGG-16's fc6 is, that would be the peak of loading. Only such large ones are treated
apart: TensorFlow keeps the memory that random weights were in, for those to come.
"""

import math

import keras
import numpy as np
from keras import ops

from vidzoo.weights.lazy import LazyArray

# Bytes: fc7 of VGG-16, AlexNet and C3D has just as many; no convolution has half.
_LARGE = 2**26
# TensorFlow ends the process on memory that begins at no multiple of so many bytes.
_ALIGNMENT = 64
# Kinds of number that NumPy and TensorFlow can hold in the same memory.
_SHARED = ("float16", "float32", "float64")


def unset(shape, dtype=None):
    """An initialiser for weights that are set next: zeros, drawn from nowhere.

    On TensorFlow, large ones take no memory before something is written.
    """
    dtype = dtype or keras.config.floatx()
    if not _is_shared(shape, dtype):
        return ops.zeros(shape, dtype)
    return _tensor(_aligned(np.zeros, shape, dtype))


def assign(variable, array: np.ndarray | LazyArray) -> None:
    """As `variable.assign(array)`, with a single copy of a large array.

    Args:
        variable: a Keras variable.
        array: of its shape, in any precision; it is not kept. A lazy one is read, in
            the variable's precision.
    """
    is_lazy = isinstance(array, LazyArray)
    if _is_shared(array.shape, variable.dtype):
        values = _aligned(np.empty, array.shape, variable.dtype)
        if is_lazy:
            array.read_into(values)
        else:
            values[...] = array
        array = _tensor(values)
    elif is_lazy:
        array = array.read(variable.dtype if variable.dtype in _SHARED else None)
    variable.assign(array)


def _is_shared(shape, dtype):
    """Whether an array can become a variable's values as it is."""
    if keras.backend.backend() != "tensorflow" or dtype not in _SHARED:
        return False
    import tensorflow as tf

    return _num_bytes(shape, dtype) >= _LARGE and tf.executing_eagerly()


def _num_bytes(shape, dtype):
    return math.prod(shape) * np.dtype(dtype).itemsize


def _tensor(values):
    """The array as a tensor in the same memory; nobody else may keep the array."""
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(values.__dlpack__())


def _aligned(make, shape, dtype):
    """An array made by `np.zeros` or `np.empty`, at an address TensorFlow can use."""
    num_bytes = _num_bytes(shape, dtype)
    room = make(num_bytes + _ALIGNMENT, np.uint8)
    start = -room.ctypes.data % _ALIGNMENT
    return room[start : start + num_bytes].view(dtype).reshape(shape)
