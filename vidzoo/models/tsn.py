"""Temporal Segment Network (TSN): snippets of a video to action logits.

Source: Wang et al. 2016, as the dissertation's baseline uses it (section 5.3.2): one
network for all snippets, its scores averaged before softmax. The same network reads RGB
and flow (section 5.3.4).
"""

import keras
from keras import layers, ops

from vidzoo.models import backbones, modalities
from vidzoo.weights import assign, initialize, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile


def TSN(
    num_classes: int,
    *,
    num_segments: int = 3,
    backbone: str = "resnet50",
    modality: str = "rgb",
    frame_shape: tuple[int, int, int] | None = None,
    dropout: float = 0.8,
    weights: str | WeightsFile | None = None,
    name: str = "tsn",
) -> keras.Model:
    """Builds a TSN: `(N, T, H, W, C)` clips to `(N, K)` logits.

    Args:
        num_classes: K.
        num_segments: T, snippets in a clip, one per equal segment of the video.
        backbone: a key of `vidzoo.models.backbones.BACKBONES`.
        modality: `"rgb"`; `"flow"`, k stacked flow fields as 8-bit images, x1 y1 ...
            xk yk; or `"flow_image"`, one field, which the network sees as a colour
            image with a third channel of zeros (section 3.3.4).
        frame_shape: `(H, W, C)` of a snippet: C = 3k, 2k, or 2. None for 224x224 and
            the modality's own: C = 3, 10 (k = 5), or 2.
        dropout: rate before the classifier.
        weights: None, or the path of a weights file: of this network, or of its
            backbone, whose classifier is then left out; or `"imagenet"` or the name of
            a preset of the backbone, likewise; or weights already read, e.g. an
            initialisation (`vidzoo.weights.initialize`). Those for RGB also start a
            network on flow: its first kernel is their average over the colours
            (`initialize.for_modality`), said aloud; a TSN's classifier comes along.
        name: the model's name.

    Returns:
        A model on pixels 0..255; the average ignores the order of snippets.

    Raises:
        ValueError: `backbone` or `modality` is unknown, `num_segments` is below 1, or
            C is not the modality's.
        WeightsError: the weights are of another network, variant or K, or for flow
            where the network is for RGB.
    """
    parts = backbones.get(backbone)
    if num_segments < 1:
        raise ValueError(f"`num_segments` must be >= 1. Received: {num_segments}.")
    frame_shape = modalities.checked_shape(modality, frame_shape)
    weights_file = load.open_weights(weights, parts.name, parts.variant)
    weights_file = parts.without_hidden(weights_file)
    weights_file = initialize.for_modality(weights_file, modality, frame_shape[-1])
    own = preprocessing.of_modality(modality, parts.preprocess)
    settings = load.preprocess_settings(weights_file, own)

    clip = keras.Input((num_segments, *frame_shape), name="clip")
    x = merge_time(modalities.preprocessed(clip, modality, settings))
    for stage in parts.stages.values():
        x = stage(x, "image_")
    logits = segment_logits(x, num_segments, num_classes, dropout, "image")
    model = keras.Model(clip, logits, name=name)
    if weights_file is not None:
        assign.assign_subnetworks(
            model, weights_file, "tsn", parts.name, parts.variant, ("image",)
        )
    return model


def merge_time(x):
    """`(N, T, H, W, C)` to `(N*T, H, W, C)`."""
    return ops.reshape(x, (-1, *x.shape[2:]))


def split_time(x, num_frames):
    """`(N*T, ...)` to `(N, T, ...)`."""
    return ops.reshape(x, (-1, num_frames, *x.shape[1:]))


def segment_logits(x, num_frames, num_classes, dropout, name):
    """Classifies every frame, then averages before softmax: `(N*T, H, W, C)` to K."""
    x = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    # A small start, as TSN's: pretrained features must not be shaken by a random head.
    start = keras.initializers.RandomNormal(stddev=0.001)
    head = layers.Dense(
        num_classes, kernel_initializer=start, dtype="float32", name=f"{name}_head"
    )
    x = head(x)  # in float32 whatever the policy: logits are compared
    return ops.mean(split_time(x, num_frames), axis=1)
