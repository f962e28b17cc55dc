"""C3D: 3x3x3 convolutions over 16 frames, to action logits.

Source: Tran et al. 2015, "Learning Spatiotemporal Features with 3D Convolutional
Networks"; a comparison system of the dissertation's chapter 4. Layer names are those of
its Caffe network, trained on Sports-1M. That one subtracts a mean clip; ours subtracts
a colour, see `docs/models/c3d.md`.
"""

import keras
from keras import layers

from vidzoo.layers import Preprocess
from vidzoo.models import fully_connected
from vidzoo.weights import assign, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile

VARIANT = "sports1m"
# stage: its convolutions, their filters, and time x space of the pooling behind them
_STAGES = {
    "1": (("conv1a",), 64, (1, 2)),
    "2": (("conv2a",), 128, (2, 2)),
    "3": (("conv3a", "conv3b"), 256, (2, 2)),
    "4": (("conv4a", "conv4b"), 512, (2, 2)),
    "5": (("conv5a", "conv5b"), 512, (2, 2)),
}


def C3D(
    num_classes: int = 487,
    *,
    num_frames: int = 16,
    frame_shape: tuple[int, int, int] = (112, 112, 3),
    fc_size: int = 4096,
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "c3d",
) -> keras.Model:
    """Builds C3D: `(N, T, H, W, 3)` clips to `(N, K)` logits.

    Args:
        num_classes: K.
        num_frames: T consecutive frames, 1 or more.
        frame_shape: `(H, W, 3)`; public weights fit 16 frames of 112x112 alone, since
            their fc6 reads a whole 1x4x4 map.
        fc_size: units of fc6 and fc7.
        dropout: rate after each of the two.
        weights: None, the name of a preset of this network, the path of a weights
            file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        WeightsError: the weights are of another network, size or K.
    """
    weights_file = load.open_weights(weights, "c3d", VARIANT)
    settings = load.preprocess_settings(weights_file, preprocessing.C3D)
    clip = keras.Input((num_frames, *frame_shape), name="clip")
    x = Preprocess(**settings, name="preprocess")(clip)
    for number, (names, filters, pooling) in _STAGES.items():
        for convolution in names:
            x = _conv(x, filters, convolution)
        x = _ceil_max_pool(x, *pooling, f"pool{number}")
    follows = weights_file is not None
    x = fully_connected.features(x, fc_size, dropout, weights_follow=follows)
    logits = layers.Dense(num_classes, dtype="float32", name="head")(x)
    model = keras.Model(clip, logits, name=name)
    if weights_file is not None:
        assign.assign_network(model, weights_file, "c3d", VARIANT)
    return model


def _conv(x, filters, name):
    return layers.Conv3D(
        filters,
        3,
        padding="same",
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _ceil_max_pool(x, time, space, name):
    """Caffe's max-pool: rounds up, so an odd side gets one more row.

    At 112 pixels that is pool5 alone, 7x7 to 4x4. Zeros serve as padding, since every
    value is positive after a ReLU.
    """
    strides = (time, space, space)
    padding = [(0, -x.shape[i + 1] % strides[i]) for i in range(3)]
    if any(after for _, after in padding):
        x = layers.ZeroPadding3D(padding, name=f"{name}_pad")(x)
    return layers.MaxPooling3D(strides, name=name)(x)
