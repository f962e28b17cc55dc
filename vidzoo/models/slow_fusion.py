"""Slow Fusion: an AlexNet over time, whose first three convolutions fuse frames.

The comparison system of the dissertation's table 3.5: Karpathy et al. 2014,
"Large-scale Video Classification with Convolutional Neural Networks", section 3.1 and
figure 1. What it leaves open is our decision: `docs/models/slow_fusion.md`.
"""

import keras
from keras import layers

from vidzoo.layers import Preprocess, local_response_normalization
from vidzoo.models import fully_connected
from vidzoo.weights import assign, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile

NETWORK = "slow_fusion"
VARIANT = "sports1m"
# filters, extent in time, side of the kernel, stride in time, stride in space
_FUSING = ((96, 4, 11, 2, 3), (256, 2, 5, 2, 1), (384, 2, 3, 2, 1))
_SMALLEST = 10  # frames, of which the third convolution still sees two maps
_SMALLEST_SIDE = 35  # pixels, of which the last pooling still sees 2x2


def SlowFusion(
    num_classes: int,
    *,
    num_frames: int = 10,
    frame_shape: tuple[int, int, int] = (170, 170, 3),
    fc_size: int = 4096,
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "slow_fusion",
) -> keras.Model:
    """Builds a Slow Fusion network: `(N, T, H, W, 3)` clips to `(N, K)` logits.

    Args:
        num_classes: K.
        num_frames: T, consecutive frames: 10 in its source; table 3.5 says 15.
        frame_shape: `(H, W, 3)`.
        fc_size: units of fc6 and fc7.
        dropout: rate after each of the two.
        weights: None, the path of a weights file of this network, or weights already
            read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        ValueError: there are fewer than 10 frames, or they are too small.
        WeightsError: the weights are of another network, size, K or T.
    """
    if num_frames < _SMALLEST:
        raise ValueError(
            f"`num_frames` must be >= {_SMALLEST}; loop shorter videos. "
            f"Received: {num_frames}."
        )
    if min(frame_shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"`frame_shape` must be {_SMALLEST_SIDE} pixels or more each way. "
            f"Received: {frame_shape}."
        )
    weights_file = load.open_weights(weights, NETWORK, VARIANT)
    settings = load.preprocess_settings(weights_file, preprocessing.CAFFE)
    clip = keras.Input((num_frames, *frame_shape), name="clip")
    x = Preprocess(**settings, name="preprocess")(clip)
    for number, (filters, extent, side, *strides) in enumerate(_FUSING, 1):
        x = _conv(x, filters, (extent, side, side), strides, f"conv{number}")
        if number < 3:
            x = _pool(_normalized(x), f"pool{number}")
    x = _conv(x, 384, (1, 3, 3), (1, 1), "conv4")
    x = _pool(_conv(x, 256, (1, 3, 3), (1, 1), "conv5"), "pool5")
    x = fully_connected.features(
        x, fc_size, dropout, weights_follow=weights_file is not None
    )
    logits = layers.Dense(num_classes, dtype="float32", name="head")(x)
    model = keras.Model(clip, logits, name=name)
    if weights_file is not None:
        assign.assign_network(model, weights_file, NETWORK, VARIANT)
    return model


def _conv(x, filters, kernel, strides, name):
    """Valid in time; in space the first alone, the others keep the size."""
    in_time, in_space = strides
    half = 0 if name == "conv1" else kernel[1] // 2
    x = layers.ZeroPadding3D((0, half, half), name=f"{name}_pad")(x)
    return layers.Conv3D(
        filters,
        kernel,
        (in_time, in_space, in_space),
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _normalized(x):
    return local_response_normalization(x, size=5, alpha=5e-4, bias=2.0, beta=0.5)


def _pool(x, name):
    return layers.MaxPooling3D((1, 2, 2), name=name)(x)
