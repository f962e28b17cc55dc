"""I3D: Inception-v1 inflated to space and time, to action logits.

Source: Carreira & Zisserman 2017, "Quo Vadis, Action Recognition?", as DeepMind's
kinetics-i3d has it; a comparison system of the dissertation's chapters 4 and 5.
Paddings are TensorFlow's `"same"`, whose two sides differ where a stride is 2.
"""

import keras
from keras import layers, ops

from vidzoo.layers import Preprocess
from vidzoo.weights import assign, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile

# modality: channels
MODALITIES = {"rgb": 3, "flow": 2}
# name: 1x1, 3x3 reduce, 3x3, second 3x3 reduce, second 3x3, pool projection. What is a
# 5x5 in Inception-v1 is a 3x3 here.
_MIXED = {
    "mixed_3b": (64, 96, 128, 16, 32, 32),
    "mixed_3c": (128, 128, 192, 32, 96, 64),
    "mixed_4b": (192, 96, 208, 16, 48, 64),
    "mixed_4c": (160, 112, 224, 24, 64, 64),
    "mixed_4d": (128, 128, 256, 24, 64, 64),
    "mixed_4e": (112, 144, 288, 32, 64, 64),
    "mixed_4f": (256, 160, 320, 32, 128, 128),
    "mixed_5b": (256, 160, 320, 32, 128, 128),
    "mixed_5c": (384, 192, 384, 48, 128, 128),
}
_MIN_FRAMES = 9


def I3D(
    num_classes: int = 400,
    *,
    modality: str = "rgb",
    num_frames: int = 64,
    frame_size: tuple[int, int] = (224, 224),
    dropout: float = 0.5,
    weights: str | WeightsFile | None = None,
    name: str = "i3d",
) -> keras.Model:
    """Builds an I3D: `(N, T, H, W, C)` clips to `(N, K)` logits.

    The logits are averaged over time after the classifier.

    Args:
        num_classes: K.
        modality: `"rgb"`, C = 3, or `"flow"`, C = 2; weights fit their own only.
        num_frames: T >= 9 consecutive frames.
        frame_size: `(H, W)`, any; the whole last map is pooled (7x7 in the origin).
        dropout: rate before the classifier.
        weights: None, the name of a preset of this network, the path of a weights
            file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on pixels 0..255: RGB, or flow as 8-bit images at a bound of 20 pixels,
        x first. Both become -1..1.

    Raises:
        ValueError: `modality` is unknown or `num_frames` is below 9.
        WeightsError: the weights are of another network, modality or K.
    """
    if modality not in MODALITIES:
        raise ValueError(
            f"`modality` must be one of {tuple(MODALITIES)}. Received: {modality!r}."
        )
    if num_frames < _MIN_FRAMES:
        raise ValueError(
            f"`num_frames` must be >= {_MIN_FRAMES}: the last pooling takes two steps "
            f"of 8 frames. Received: {num_frames}."
        )
    channels = MODALITIES[modality]
    weights_file = load.open_weights(weights, "i3d", modality)
    settings = preprocessing.I3D[modality]
    # Weights of other channels are refused below, by name.
    if weights_file is not None and len(weights_file.preprocess["mean"]) == channels:
        settings = weights_file.preprocess
    clip = keras.Input((num_frames, *frame_size, channels), name="clip")
    x = Preprocess(**settings, name="preprocess")(clip)
    for stage in stages().values():
        x = stage(x)
    x = layers.AveragePooling3D((2, *x.shape[2:4]), 1, name="pool")(x)
    x = ops.squeeze(x, (2, 3))  # (N, T/8 - 1, 1, 1, C) -> (N, T/8 - 1, C)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Dense(num_classes, dtype="float32", name="head")(x)
    model = keras.Model(clip, ops.mean(x, axis=1), name=name)
    if weights_file is not None:
        assign.assign_network(model, weights_file, "i3d", modality)
    return model


def stages() -> dict:
    """The five stages, as functions of a tensor `(N, T, H, W, C)` and a name prefix.

    Sizes for 64 frames of 224 pixels: 32x56x56x64, 32x56x56x192, 32x28x28x480,
    16x14x14x832, 8x7x7x1024.
    """
    return {
        "conv1": _conv1,
        "conv2": _conv2,
        "inception_3": _mixed(_pool_3a, "mixed_3b", "mixed_3c"),
        "inception_4": _mixed(
            _pool_4a, "mixed_4b", "mixed_4c", "mixed_4d", "mixed_4e", "mixed_4f"
        ),
        "inception_5": _mixed(_pool_5a, "mixed_5b", "mixed_5c"),
    }


def _conv1(x, prefix=""):
    x = _unit(x, 64, 7, f"{prefix}conv1", strides=2)
    return _pool(x, (1, 3, 3), (1, 2, 2), f"{prefix}pool_2a")


def _conv2(x, prefix=""):
    x = _unit(x, 64, 1, f"{prefix}conv2_reduce")
    return _unit(x, 192, 3, f"{prefix}conv2")


def _pool_3a(x, prefix):
    return _pool(x, (1, 3, 3), (1, 2, 2), f"{prefix}pool_3a")


def _pool_4a(x, prefix):
    return _pool(x, 3, 2, f"{prefix}pool_4a")


def _pool_5a(x, prefix):
    return _pool(x, 2, 2, f"{prefix}pool_5a")


def _mixed(pool, *names):
    def apply(x, prefix=""):
        x = pool(x, prefix)
        for name in names:
            x = _inception(x, _MIXED[name], f"{prefix}{name}")
        return x

    return apply


def _inception(x, filters, name):
    one, reduce1, three1, reduce2, three2, projection = filters
    branch0 = _unit(x, one, 1, f"{name}_branch0")
    branch1 = _unit(x, reduce1, 1, f"{name}_branch1_reduce")
    branch1 = _unit(branch1, three1, 3, f"{name}_branch1")
    branch2 = _unit(x, reduce2, 1, f"{name}_branch2_reduce")
    branch2 = _unit(branch2, three2, 3, f"{name}_branch2")
    branch3 = _pool(x, 3, 1, f"{name}_branch3_pool")
    branch3 = _unit(branch3, projection, 1, f"{name}_branch3")
    branches = [branch0, branch1, branch2, branch3]
    return layers.Concatenate(name=f"{name}_output")(branches)


def _unit(x, filters, kernel_size, name, strides=1):
    """Convolution, batch norm without a scale, ReLU."""
    x = layers.Conv3D(
        filters, kernel_size, strides, padding="same", use_bias=False, name=name
    )(x)
    x = layers.BatchNormalization(
        momentum=0.999, epsilon=1e-3, scale=False, name=f"{name}_bn"
    )(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _pool(x, size, strides, name):
    return layers.MaxPooling3D(size, strides, padding="same", name=name)(x)
