"""Temporal Difference Network (TDN): snippets of a video to action logits.

Source: Ng, "Video Understanding with Deep Networks", section 5.3.2 (Ng & Davis, WACV
2018). Not the CVPR 2021 network of the same name.
"""

import keras
from keras import layers

from vidzoo.models import backbones, modalities
from vidzoo.models.tsn import merge_time, segment_logits, split_time
from vidzoo.weights import assign, initialize, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile


def TDN(
    num_classes: int,
    *,
    num_segments: int = 3,
    difference_layers: tuple[str, ...] | None = None,
    difference_merge: str = "sum",
    backbone: str = "resnet50",
    modality: str = "rgb",
    frame_shape: tuple[int, int, int] | None = None,
    dropout: float = 0.8,
    weights: str | WeightsFile | None = None,
    name: str = "tdn",
) -> keras.Model:
    """Builds a TDN: `(N, T, H, W, C)` clips to a dictionary of `(N, K)` logits.

    The image subnetwork is a TSN. The difference subnetwork, of the same shape with
    weights of its own, starts from the difference of neighbouring snippets' pixels and
    adds, before each lowering of the resolution, the difference of the image
    subnetwork's feature maps (Figure 5.1). With conv1 goes its max-pool, so that its
    difference is taken at 56x56; the last stage's difference is not used.

    Args:
        num_classes: K.
        num_segments: T >= 2, snippets in a clip, one per equal segment of the video.
        difference_layers: where differences enter: the first of `"input"` and the
            backbone's stages but the last (Table 5.4); None for all of them.
        difference_merge: how a difference v joins the difference subnetwork's map d:
            `"sum"`, d + v; `"conv"`, d plus a 1x1 convolution of v; `"gate"`,
            g d + (1 - g) v with g the sigmoid of a 1x1 convolution of both. The source
            tried the last two without a difference in accuracy and gives no formula
            for the gate; this one is ours.
        backbone: a key of `vidzoo.models.backbones.BACKBONES`.
        modality: `"rgb"`; `"flow"`, k stacked flow fields as 8-bit images, x1 y1 ...
            xk yk; or `"flow_image"`, one field, which the network sees as a colour
            image with a third channel of zeros (section 3.3.4).
        frame_shape: `(H, W, C)` of a snippet: C = 3k, 2k, or 2. None for 224x224 and
            the modality's own: C = 3, 10 (k = 5), or 2.
        dropout: rate before both classifiers.
        weights: None, or the path of a weights file: of this network, or of its
            backbone, which then initialises both subnetworks and whose classifier is
            left out; or `"imagenet"` or the name of a preset of the backbone, likewise;
            or weights already read, e.g. an initialisation
            (`vidzoo.weights.initialize`). Those for RGB also start a network on flow,
            as a TSN's do. Section 5.3.4's start on flow is
            `initialize.tdn_from_subnetworks(flow_tsn, imagenet)`.
        name: the model's name.

    Returns:
        A model on pixels 0..255. Its outputs: `image`, averaged over T snippets;
        `difference`, averaged over T-1 pairs; and `logits`, the average of the two,
        which is the prediction. In training `image` and `difference` each have a
        cross-entropy of their own (our decision: the source does not say).

    Raises:
        ValueError: `backbone`, `modality` or `difference_merge` is unknown,
            `num_segments` is below 2, `difference_layers` is no such prefix, or C is
            not the modality's.
        WeightsError: the weights are of another network, variant or K, or for flow
            where the network is for RGB.
    """
    parts = backbones.get(backbone)
    if num_segments < 2:
        raise ValueError(
            "`num_segments` must be >= 2: a TDN sees the differences of snippets. "
            f"Received: {num_segments}."
        )
    *inner_stages, last_stage = parts.stages
    choices = ("input", *inner_stages)
    layer_names = choices if difference_layers is None else tuple(difference_layers)
    if not layer_names or layer_names != choices[: len(layer_names)]:
        raise ValueError(
            f"`difference_layers` must be one or more of the first of {choices}. "
            f"Received: {difference_layers}."
        )
    if difference_merge not in MERGES:
        raise ValueError(
            f"`difference_merge` must be one of {tuple(MERGES)}. "
            f"Received: {difference_merge!r}."
        )
    merge = MERGES[difference_merge]
    frame_shape = modalities.checked_shape(modality, frame_shape)
    weights_file = load.open_weights(weights, parts.name, parts.variant)
    weights_file = parts.without_hidden(weights_file)
    weights_file = initialize.for_modality(weights_file, modality, frame_shape[-1])
    own = preprocessing.of_modality(modality, parts.preprocess)
    settings = load.preprocess_settings(weights_file, own)

    clip = keras.Input((num_segments, *frame_shape), name="clip")
    x = merge_time(modalities.preprocessed(clip, modality, settings))
    d = temporal_difference(x, num_segments, "input_motion")
    for stage in inner_stages:
        x = parts.stages[stage](x, "image_")
        d = parts.stages[stage](d, "difference_")
        if stage in layer_names:
            v = temporal_difference(x, num_segments, f"{stage}_motion")
            d = merge(d, v, f"{stage}_merge")
    x = parts.stages[last_stage](x, "image_")
    d = parts.stages[last_stage](d, "difference_")

    image = segment_logits(x, num_segments, num_classes, dropout, "image")
    difference = segment_logits(d, num_segments - 1, num_classes, dropout, "difference")
    logits = (image + difference) / 2
    outputs = {"logits": logits, "image": image, "difference": difference}
    model = keras.Model(clip, outputs, name=name)
    if weights_file is not None:
        subnetworks = ("image", "difference")
        assign.assign_subnetworks(
            model, weights_file, "tdn", parts.name, parts.variant, subnetworks
        )
    return model


def temporal_difference(x, num_frames, name):
    """Eulerian motion of features (section 5.3.1): each map minus the one before it.

    Args:
        x: `(N*T, H, W, C)`.
        num_frames: T.
        name: the name of the layer that subtracts.

    Returns:
        `(N*(T-1), H, W, C)`.
    """
    x = split_time(x, num_frames)
    return merge_time(layers.Subtract(name=name)([x[:, 1:], x[:, :-1]]))


def _sum(d, v, name):
    del name
    return d + v


def _convolve(d, v, name):
    return d + layers.Conv2D(v.shape[-1], 1, name=name)(v)


def _gate(d, v, name):
    both = layers.Concatenate(name=f"{name}_both")([d, v])
    gate = layers.Conv2D(v.shape[-1], 1, activation="sigmoid", name=name)(both)
    return gate * d + (1 - gate) * v


MERGES = {"sum": _sum, "conv": _convolve, "gate": _gate}
