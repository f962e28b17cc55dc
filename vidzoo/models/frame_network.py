"""What the networks of full-length video share: every frame through one CNN.

Source: dissertation, section 3.3: "in all methods CNN share parameters across frames".
A frame's features are what the backbone has for this (`Backbone.frame_features`):
AlexNet's last map, GoogLeNet's 1000-d output. In place of a backbone, a network may
read features that were stored: the source's "(fc)" models, which update only the final
layers.
"""

import logging
import math
from collections.abc import Collection
from dataclasses import dataclass, replace

import keras
from keras import layers, ops

from vidzoo.errors import WeightsError
from vidzoo.layers import RealFrames, SplitTime
from vidzoo.models import backbones, fully_connected, modalities
from vidzoo.models.backbone import Backbone
from vidzoo.models.tsn import merge_time
from vidzoo.weights import assign, initialize, load, preprocessing
from vidzoo.weights.joining import FEATURES
from vidzoo.weights.weights_file import WeightsFile

FRAME_SIZE = 220  # pixels (section 3.3)
FC_SIZE = 4096  # of each fully connected layer (section 3.3)
DROPOUT = 0.6  # at each fully connected layer (section 3.3)
_NUM_OUTPUTS = 1000  # of a backbone's own classifier: ImageNet's classes
# Networks that classify frames one by one: their CNN starts that of any other.
_ON_FRAMES = ("single_frame", "tsn")
_log = logging.getLogger("vidzoo")


@dataclass(frozen=True)
class Frames:
    """The frames of a clip on their way to its logits.

    Attributes:
        inputs: of the model: the clip, or with its mask by name.
        clip: `(N, T, ...)`.
        features: `(N*T, h, w, C)` or `(N*T, D)`.
        mask: bool `(N, T)`, true for real frames; None if all are.
        backbone: whose features these are; None for stored ones.
        weights_file: what was given as weights, for this kind of input.
    """

    inputs: object
    clip: object
    features: object
    mask: object
    backbone: Backbone | None
    weights_file: WeightsFile | None

    def vectors(self):
        """`(N*T, D)`: every frame's features side by side."""
        if len(self.features.shape) == 2:
            return self.features
        return layers.Flatten(name="flatten")(self.features)

    def split(self, x, name: str = "frames"):
        """`(N*T, ...)` to `(N, T, ...)`, by a layer of that name."""
        return SplitTime(name=name)(x, self.clip)


def read(
    backbone: str | None,
    *,
    modality: str,
    num_frames: int | None,
    frame_shape: tuple[int, ...] | None,
    weights: str | WeightsFile | None,
    features: str | None = None,
    minimum: int = 1,
) -> Frames:
    """Builds the part of a network that all frames go through.

    Args:
        backbone: a key of `vidzoo.models.backbones.BACKBONES`, or `"alexnet"`, the
            source's; None where clips hold features.
        modality: `"rgb"` or `"flow_image"`, one flow field as a colour image with a
            third channel of zeros (section 3.3.4).
        num_frames: T; None for any, which makes the inputs `clip` and `mask`.
        frame_shape: `(H, W, C)` of a frame; None for the source's 220 pixels. Of stored
            features their shape, `(D,)` or `(h, w, C)`.
        weights: as the builders have it.
        features: in place of the backbone's `frame_features`.
        minimum: frames that a clip must have.

    Raises:
        ValueError: a value is unknown or does not fit another.
        WeightsError: the weights are of another modality.
    """
    if num_frames is not None and num_frames < 1:
        raise ValueError(f"`num_frames` must be >= 1. Received: {num_frames}.")
    if backbone is None:
        _check_feature_shape(frame_shape)
        inputs, clip, mask = _inputs(num_frames, tuple(frame_shape), minimum)
        weights_file = load.open_weights(weights)
        return Frames(inputs, clip, merge_time(clip), mask, None, weights_file)
    parts = backbones.get(backbone)
    channels = {name: modalities.CHANNELS[name] for name in ("rgb", "flow_image")}
    if frame_shape is None and modality in channels:
        frame_shape = (FRAME_SIZE, FRAME_SIZE, channels[modality])
    frame_shape = modalities.checked_shape(modality, frame_shape, channels)
    weights_file = load.open_weights(weights, parts.name, parts.variant)
    if weights_file is not None and weights_file.backbone == FEATURES:
        raise WeightsError(
            f"{weights_file.path}: holds weights of a network on stored features. Join "
            "them to their backbone's: vidzoo.weights.initialize.with_backbone."
        )
    weights_file = initialize.for_modality(weights_file, modality, frame_shape[-1])
    own = preprocessing.of_modality(modality, parts.preprocess)
    settings = load.preprocess_settings(weights_file, own)

    inputs, clip, mask = _inputs(num_frames, frame_shape, minimum)
    x = merge_time(modalities.preprocessed(clip, modality, settings))
    for stage in parts.stages.values():
        x = stage(x, "image_")
    x = _features(x, features or parts.frame_features)
    return Frames(inputs, clip, x, mask, parts, weights_file)


def _inputs(num_frames, frame_shape, minimum):
    """The model's inputs, the clip and the mask."""
    clip = keras.Input((num_frames, *frame_shape), name="clip")
    if num_frames is not None:
        return clip, clip, None
    mask = keras.Input((None,), dtype="bool", name="mask")
    inputs = {"clip": clip, "mask": mask}
    return inputs, *RealFrames(minimum, name="real_frames")(clip, mask)


def _check_feature_shape(frame_shape):
    if frame_shape is None or len(frame_shape) not in (1, 3):
        raise ValueError(
            "Without a `backbone`, `frame_shape` must be that of a frame's features, "
            f"(D,) or (h, w, C). Received: {frame_shape}."
        )


def _features(x, kind):
    if kind == "map":
        return x
    x = layers.GlobalAveragePooling2D(name="image_pool")(x)
    if kind == "output":
        x = layers.Dense(_NUM_OUTPUTS, name="image_output")(x)
    return x


def FrameEncoder(
    backbone: str = "alexnet",
    *,
    layer: str | None = None,
    modality: str = "rgb",
    frame_shape: tuple[int, int, int] | None = None,
    weights: str | WeightsFile | None = None,
    name: str = "frame_encoder",
) -> keras.Model:
    """Builds what networks of full-length video have of frames, and no more.

    Its output, stored, is what these networks read without a backbone (table 3.2's
    "(fc)" models).

    Args:
        backbone: see `read`.
        layer: None for the backbone's `frame_features`; or one of its hidden layers,
            `"fc6"` or `"fc7"`, after its ReLU.
        modality: see `read`.
        frame_shape: see `read`.
        weights: see `read`.
        name: the model's name.

    Returns:
        A model from clips of any length, `(N, T, H, W, C)`, to `(N, T, D)` or
        `(N, T, h, w, C)`.

    Raises:
        ValueError: the backbone has no such layer, or as `read`.
        WeightsError: the weights are of another network or variant.
    """
    frames = read(
        backbone,
        modality=modality,
        num_frames=None,
        frame_shape=frame_shape,
        weights=weights,
    )
    hidden = frames.backbone.hidden
    if layer is not None and layer not in hidden:
        choices = ", ".join(hidden) or "none"
        raise ValueError(
            f"`layer` must be a hidden layer of {backbone} ({choices}), or None. "
            f"Received: {layer!r}."
        )
    x = frames.features
    if layer is not None:
        wanted = hidden[: hidden.index(layer) + 1]
        x = hidden_layers(frames.vectors(), wanted, FC_SIZE, 0.0, False)
    model = keras.Model(frames.clip, frames.split(x), name=name)
    set_weights(model, frames, name)
    return model


def hidden_layers(
    x, names: tuple[str, ...], fc_size: int, dropout: float, weights_follow: bool
):
    """Fully connected layers with ReLU, dropout after each: `(..., D)` to `fc_size`."""
    for name in names:
        x = fully_connected.dense(x, fc_size, weights_follow, name)
        x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    return x


def classifier(x, num_classes: int):
    """Logits, in float32 whatever the policy: they are compared."""
    return layers.Dense(num_classes, dtype="float32", name="head")(x)


def masked_max(x, mask):
    """The largest value over time of real frames: `(N, T, ...)` to `(N, ...)`."""
    if mask is not None:
        x = ops.where(_like(mask, x), x, ops.cast(-math.inf, x.dtype))
    return ops.max(x, axis=1)


def masked_mean(x, mask):
    """The mean over time of real frames: `(N, T, ...)` to `(N, ...)`."""
    if mask is None:
        return ops.mean(x, axis=1)
    mask = _like(mask, x)
    # Counted in float32: bfloat16 has no 257.
    count = ops.sum(ops.cast(mask, "float32"), axis=1)
    total = ops.sum(x * ops.cast(mask, x.dtype), axis=1)
    return ops.cast(ops.cast(total, "float32") / count, x.dtype)


def _like(mask, x):
    """`(N, T)` to `(N, T, 1, ...)` with as many axes as `x`."""
    for _ in x.shape[2:]:
        mask = mask[..., None]
    return mask


def owns(weights_file: WeightsFile | None, network: str) -> bool:
    """Whether weights are a network's own, so that all of its layers are in them."""
    return weights_file is not None and weights_file.network == network


def set_weights(
    model, frames: Frames, network: str, alike: Collection[str] = ()
) -> None:
    """Sets a model's weights from its own, those of a like network, or its backbone's.

    What is no more than a start is said aloud.

    Args:
        model: as built on `frames`.
        frames: with the weights.
        network: its name in weights files.
        alike: names of networks that have the same layers.

    Raises:
        WeightsError: the weights are of another network, backbone or variant, or their
            names or shapes differ; the model is then as it was.
    """
    given, parts = frames.weights_file, frames.backbone
    if given is None:
        return
    name, variant = (parts.name, parts.variant) if parts else (FEATURES, FEATURES)
    fresh = ()
    is_start = given.network in _ON_FRAMES and given.network not in (network, *alike)
    if parts and is_start:
        given = initialize.backbone_alone(given)
    if parts and given.network == parts.name:
        given, fresh = _of_every_frame(given, parts, network, model)
    elif given.backbone != name:
        raise WeightsError(
            f"{given.path}: holds weights for the backbone {given.backbone}, but the "
            f"model is built on {name}."
        )
    elif given.network in alike and given.network != network:
        _log.warning("%s: weights of %s start %s.", given.path, given.network, network)
        given = replace(given, network=network)
    assign.assign_network(model, given, network, variant, fresh)


def _of_every_frame(weights_file, parts, network, model):
    """A backbone's weights as those of a network on it, and the layers left fresh.

    Hidden layers (AlexNet's and VGG's fc6 and fc7) come along up to the first that does
    not fit; so does the classifier, where its answers are a frame's features.
    """
    shapes = {
        name: tuple(variable.shape)
        for name, variable in assign.named_variables(model).items()
    }
    names = {layer: layer for layer in parts.hidden} | {"head": "image_output"}
    arrays = {
        f"image_{name}": array
        for name, array in weights_file.arrays.items()
        if name.rpartition("/")[0] not in names
    }
    for layer, new in names.items():
        own = {
            name.replace(layer, new, 1): array
            for name, array in weights_file.arrays.items()
            if name.startswith(f"{layer}/")
        }
        if any(shapes.get(name) != tuple(array.shape) for name, array in own.items()):
            break
        arrays |= own
    known = {name.rpartition("/")[0] for name in arrays}
    fresh = {name.rpartition("/")[0] for name in shapes} - known
    fresh = {x for x in fresh if not x.startswith("image_") or x == "image_output"}
    _log.warning(
        "%s: %s for every frame; fresh: %s.",
        weights_file.path,
        weights_file.network,
        ", ".join(sorted(fresh)),
    )
    return replace(weights_file, network=network, arrays=arrays, left_out={}), fresh
