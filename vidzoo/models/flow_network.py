"""What the networks of chapter 4 share: an encoder, and a decoder to optical flow.

Source: dissertation, sections 4.3.1 and 4.3.3; the decoders follow FlowNet-S
(Dosovitskiy et al. 2015). Layers' names begin with `encoder_`, `decoder_` or `head`, so
that these are the parts of a recipe, and networks exchange weights by them.

An encoder is a backbone whose last four stages have 1/4, 1/8, 1/16 and 1/32 of the
frame's resolution; the decoder goes back to 1/4. Flow is in pixels of the input,
whatever its own resolution.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
from keras import layers

from vidzoo.layers import Preprocess
from vidzoo.models.backbone import Backbone
from vidzoo.weights import assign, initialize, load
from vidzoo.weights.weights_file import WeightsFile

ENCODER, DECODER = "encoder", "decoder"
FLOW = "flow"  # the output of the highest resolution; others are flow_<stage>
SPACE_STRIDE, TIME_STRIDE = 32, 8  # of the encoders' last maps
_DECODER_STRIDES = (4, 8, 16, 32)
_LEAK = 0.1  # of leaky ReLUs, as FlowNet's
_FIRST_FLOW = 0.01  # the size of the first weights of flow, in Glorot's
_PAIR = 2  # frames


@dataclass(frozen=True)
class Encoded:
    """Pixels on their way to logits and flow.

    Attributes:
        clip: the model's input.
        stages: stage -> map, from the highest resolution to the lowest.
        backbone: whose stages these are.
        weights_file: what was given as weights, for this input.
    """

    clip: object
    stages: Mapping[str, object]
    backbone: Backbone
    weights_file: WeightsFile | None

    @property
    def levels(self):
        """The last four stages' maps, which a decoder goes back through."""
        return dict([*self.stages.items()][-len(_DECODER_STRIDES) :])

    @property
    def last(self):
        """The map of the lowest resolution."""
        return self.stages[next(reversed(self.stages))]


def encode_clip(
    backbone: Backbone, num_frames: int, frame_shape, weights, prefix: str = ""
) -> Encoded:
    """A clip through an encoder over space and time.

    Args:
        backbone: of `backbones.BACKBONES_3D`.
        num_frames: T.
        frame_shape: `(H, W, 3)`.
        weights: as builders take them.
        prefix: before the names of layers.

    Raises:
        ValueError: T is no multiple of 8, or H or W none of 32.
    """
    if num_frames < 1 or num_frames % TIME_STRIDE:
        raise ValueError(
            f"`num_frames` must be a multiple of {TIME_STRIDE}, since the encoder "
            f"halves time three times and the decoder doubles it. Received: "
            f"{num_frames}."
        )
    check_frame(frame_shape, 3)
    weights_file = load.open_weights(weights, backbone.name, backbone.variant)
    settings = load.preprocess_settings(weights_file, backbone.preprocess)
    clip = keras.Input((num_frames, *frame_shape), name="clip")
    x = Preprocess(**settings, name="preprocess")(clip)
    return Encoded(clip, _maps(backbone, x, prefix), backbone, weights_file)


def encode_pair(backbone: Backbone, frame_shape, weights, prefix: str = "") -> Encoded:
    """Two frames, stacked on channels, through an encoder over space.

    Weights of the backbone alone, for one frame, start it by
    `initialize.multi_frame_from_single`.

    Args:
        backbone: of `backbones.BACKBONES`.
        frame_shape: `(H, W, 6)`.
        weights: as builders take them.
        prefix: before the names of layers.

    Raises:
        ValueError: H or W is no multiple of 32, or the backbone's stages are not at
            1/4, 1/8, 1/16 and 1/32 of the resolution.
    """
    check_frame(frame_shape, 3 * _PAIR)
    weights_file = load.open_weights(weights, backbone.name, backbone.variant)
    weights_file = backbone.without_hidden(weights_file)
    if weights_file is not None and weights_file.network == backbone.name:
        weights_file = initialize.multi_frame_from_single(weights_file, _PAIR)
    settings = load.preprocess_settings(weights_file, backbone.preprocess)
    clip = keras.Input((1, *frame_shape), name="clip")
    x = Preprocess(**settings, name="preprocess")(clip)
    # (N, 1, H, W, 6) -> (N, H, W, 6)
    x = keras.ops.squeeze(x, axis=1)
    encoded = Encoded(clip, _maps(backbone, x, prefix), backbone, weights_file)
    strides = tuple(frame_shape[0] // m.shape[-3] for m in encoded.levels.values())
    if strides != _DECODER_STRIDES:
        wanted, found = (", 1/".join(map(str, n)) for n in (_DECODER_STRIDES, strides))
        raise ValueError(
            f"`backbone` must have stages at 1/{wanted} of the resolution, as resnet18 "
            f"has. Received: {backbone.name}, with 1/{found}."
        )
    return encoded


def check_frame(frame_shape, num_channels: int) -> None:
    """Checks the shape of what a network of this chapter sees at a time.

    Raises:
        ValueError: it is no such shape.
    """
    *size, channels = frame_shape
    if channels != num_channels or any(n < 1 or n % SPACE_STRIDE for n in size):
        raise ValueError(
            f"`frame_shape` must be (H, W, {num_channels}), with H and W multiples of "
            f"{SPACE_STRIDE}: the encoder halves them five times and the decoder "
            f"doubles what is left. Received: {tuple(frame_shape)}."
        )


def decode_clip(encoded: Encoded, prefix: str = "") -> dict:
    """Maps over space and time to the flow of every frame: `(N, T, H/4, W/4, 2)`.

    Deconvolutions of 4x4x4 with stride 2, each joined by the encoder's map of its size;
    flow at the highest resolution alone (section 4.3.1).

    Returns:
        `{"flow": ...}`.
    """
    maps = encoded.levels
    stages = [*reversed(maps)]
    x = maps[stages[0]]
    for stage in stages[1:]:
        skip = maps[stage]
        x = layers.Conv3DTranspose(
            skip.shape[-1],
            4,
            2,
            padding="same",
            kernel_initializer="he_normal",
            name=f"{prefix}{DECODER}_{stage}",
        )(x)
        x = _leaky_relu(x, f"{prefix}{DECODER}_{stage}_relu")
        x = layers.Concatenate(name=f"{prefix}{DECODER}_{stage}_join")([skip, x])
    return {FLOW: _to_flow(layers.Conv3D, f"{prefix}{DECODER}_flow")(x)}


def decode_pair(encoded: Encoded, prefix: str = "") -> dict:
    """Maps over space to the flow of a pair at four resolutions.

    As FlowNet-S: at every resolution a convolution gives flow, which, enlarged by a
    deconvolution, joins the features of the next higher one.

    Returns:
        `flow`, `(N, 1, H/4, W/4, 2)`, and before it, the lowest resolution first, those
        of `flow_<stage>`, e.g. `flow_res5`.
    """
    maps = encoded.levels
    stages = [*reversed(maps)]
    x = maps[stages[0]]
    flows = {}
    for stage, after in zip(stages, [*stages[1:], None], strict=True):
        flow = _to_flow(layers.Conv2D, f"{prefix}{DECODER}_{stage}_flow")(x)
        name = FLOW if after is None else f"{FLOW}_{stage}"
        flows[name] = keras.ops.expand_dims(flow, axis=1)
        if after is None:
            return flows
        skip = maps[after]
        x = _deconvolution(x, skip.shape[-1], f"{prefix}{DECODER}_{after}")
        x = _leaky_relu(x, f"{prefix}{DECODER}_{after}_relu")
        larger = _deconvolution(flow, 2, f"{prefix}{DECODER}_{after}_coarse")
        join = layers.Concatenate(name=f"{prefix}{DECODER}_{after}_join")
        x = join([skip, x, larger])


def classify(x, num_classes: int, dropout: float, name: str = "head"):
    """An encoder's last map to logits `(N, K)`: average, dropout, linear classifier."""
    pool = layers.GlobalAveragePooling3D if len(x.shape) == 5 else None
    pool = pool or layers.GlobalAveragePooling2D
    x = pool(name=f"{name}_pool")(x)
    x = layers.Dropout(dropout, name=f"{name}_dropout")(x)
    # In float32 whatever the policy: logits are compared.
    return layers.Dense(num_classes, dtype="float32", name=name)(x)


def finished(
    encoded: Encoded, outputs: dict, network: str, relatives: tuple[str, ...], name: str
) -> keras.Model:
    """The model, with the weights that were given.

    Args:
        encoded: of the clip.
        outputs: of the model.
        network: its name in weights files.
        relatives: networks with the same encoder, and decoder if they have one.
        name: the model's name.

    Raises:
        WeightsError: the weights are of another network, variant or K.
    """
    model = keras.Model(encoded.clip, outputs, name=name)
    if encoded.weights_file is not None:
        assign.assign_parts(
            model,
            encoded.weights_file,
            (network, *relatives),
            encoded.backbone.name,
            encoded.backbone.variant,
            ENCODER,
        )
    return model


def _maps(backbone, x, prefix):
    maps = {}
    for stage, apply in backbone.stages.items():
        x = apply(x, f"{prefix}{ENCODER}_")
        maps[stage] = x
    return maps


def _to_flow(convolution, name):
    """Features to flow of their resolution, close to none at first."""
    # Most pixels hardly move. From Glorot's weights, training would spend its first
    # hundreds of steps on unlearning the motion that these see everywhere.
    near_zero = keras.initializers.VarianceScaling(_FIRST_FLOW**2, "fan_avg", "uniform")
    return convolution(
        2,
        3,
        padding="same",
        kernel_initializer=near_zero,
        dtype="float32",
        name=name,
    )


def _deconvolution(x, filters, name):
    return layers.Conv2DTranspose(
        filters, 4, 2, padding="same", kernel_initializer="he_normal", name=name
    )(x)


def _leaky_relu(x, name):
    return layers.LeakyReLU(negative_slope=_LEAK, name=name)(x)
