"""CNN-M-2048: the spatial and the temporal network of two-stream ConvNets.

Source: Simonyan & Zisserman 2014, "Two-Stream Convolutional Networks for Action
Recognition in Videos", whose two networks are CNN-M-2048 of Chatfield et al. 2014,
"Return of the Devil in the Details". The temporal one reads 10 stacked flow fields,
each without its mean vector, and lacks the second normalisation. `TwoStream` joins the
two. Decisions of ours: `docs/models/two_stream.md`.
"""

import keras
from keras import layers, ops

from vidzoo.layers import local_response_normalization
from vidzoo.models import fully_connected, modalities
from vidzoo.models.googlenet import ceil_max_pool
from vidzoo.models.tsn import merge_time, split_time
from vidzoo.weights import assign, initialize, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile

# modality: channels of a snippet; 20 are the source's 10 flow fields
MODALITIES = {"rgb": 3, "flow": 20}
_SMALLEST_SIDE = 41  # pixels, of which pool5 still sees 2x2


def CNNM2048(
    num_classes: int,
    *,
    modality: str = "rgb",
    num_segments: int = 1,
    frame_shape: tuple[int, int, int] | None = None,
    fc_sizes: tuple[int, int] = (4096, 2048),
    dropout: float = 0.9,
    weights: str | WeightsFile | None = None,
    name: str = "cnn_m_2048",
) -> keras.Model:
    """Builds a CNN-M-2048: `(N, T, H, W, C)` clips to `(N, K)` logits.

    Args:
        num_classes: K.
        modality: `"rgb"`, the spatial network; or `"flow"`, the temporal one, on k
            stacked flow fields as 8-bit images, x1 y1 ... xk yk.
        num_segments: T, snippets in a clip, whose logits are averaged; the source
            trains on one.
        frame_shape: `(H, W, C)` of a snippet: C = 3k or 2k. None for 224x224 and the
            source's C: 3, or 20 (k = 10). fc6 reads a whole feature map, so weights fit
            one size alone.
        fc_sizes: units of fc6 and fc7.
        dropout: rate after each of the two. The source has 0.9 where it trains whole
            networks, 0.5 where only the classifier, on a network trained on ImageNet.
        weights: None, the path of a weights file of this network, or weights already
            read (`vidzoo.weights`). Those of the spatial network also start a temporal
            one: its first kernel is their average over the colours, said aloud.
        name: the model's name.

    Returns:
        A model on pixels 0..255.

    Raises:
        ValueError: `modality` is unknown, `num_segments` is below 1, or a frame is too
            small or its C not the modality's.
        WeightsError: the weights are of another network, size or K, or of the temporal
            network where the model is the spatial one.
    """
    if num_segments < 1:
        raise ValueError(f"`num_segments` must be >= 1. Received: {num_segments}.")
    frame_shape = modalities.checked_shape(modality, frame_shape, MODALITIES)
    if min(frame_shape[:2]) < _SMALLEST_SIDE:
        raise ValueError(
            f"`frame_shape` must be {_SMALLEST_SIDE} pixels or more each way. "
            f"Received: {frame_shape}."
        )
    weights_file = load.open_weights(weights, "cnn_m_2048", modality)
    weights_file = initialize.for_modality(weights_file, modality, frame_shape[-1])
    own = preprocessing.of_modality(modality, preprocessing.CAFFE_PRECISE)
    settings = load.preprocess_settings(weights_file, own)

    clip = keras.Input((num_segments, *frame_shape), name="clip")
    x = merge_time(modalities.preprocessed(clip, modality, settings))
    if modality == "flow":
        x = without_mean(x)
    x = _convolutions(x, second_normalization=modality == "rgb")
    x = layers.Flatten(name="flatten")(x)
    for layer_name, units in zip(("fc6", "fc7"), fc_sizes, strict=True):
        x = fully_connected.dense(x, units, weights_file is not None, layer_name)
        x = layers.Dropout(dropout, name=f"{layer_name}_dropout")(x)
    x = layers.Dense(num_classes, dtype="float32", name="head")(x)
    model = keras.Model(clip, ops.mean(split_time(x, num_segments), axis=1), name=name)
    if weights_file is not None:
        assign.assign_network(model, weights_file, "cnn_m_2048", modality)
    return model


def without_mean(x):
    """Each field minus its mean vector, the crudest camera motion (section 3.1).

    Args:
        x: `(N, H, W, 2k)`; the mean is taken in float32 and over what the network sees.
    """
    mean = ops.mean(ops.cast(x, "float32"), axis=(1, 2), keepdims=True)
    return x - ops.cast(mean, x.dtype)


def _convolutions(x, second_normalization):
    """Sizes at 224 pixels: 109, 54 after pool1, 26, 13 after pool2, and 6x6x512."""
    x = _conv(x, 96, 7, "conv1", strides=2)
    x = ceil_max_pool(_normalized(x), "pool1")
    x = layers.ZeroPadding2D(1, name="conv2_pad")(x)
    x = _conv(x, 256, 5, "conv2", strides=2)
    x = ceil_max_pool(_normalized(x) if second_normalization else x, "pool2")
    for name in ("conv3", "conv4", "conv5"):
        x = _conv(x, 512, 3, name, padding="same")
    return ceil_max_pool(x, "pool5")


def _conv(x, filters, kernel_size, name, strides=1, padding="valid"):
    return layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding=padding,
        activation="relu",
        kernel_initializer="he_normal",
        name=name,
    )(x)


def _normalized(x):
    return local_response_normalization(x, size=5, alpha=5e-4, bias=2.0)
