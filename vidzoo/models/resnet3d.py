"""3D-ResNet-18: a residual network over space and time, in two variants.

Both start with a 7x7x3 convolution that halves space alone; their stages res3, res4
and res5 halve space and time; they have the same parameters. `"torchvision"` is Tran
et al. 2018, "A Closer Look at Spatiotemporal Convolutions", R3D, as torchvision's
r3d_18 has it: no pooling behind the first convolution, 112 pixels. `"actionflownet"` is
the encoder of the dissertation's chapter 4 (section 4.3.1): a max-pool there, in space
alone, and 224 pixels. So the one's weights fit the other by shape and are no more than
an initialisation, `vidzoo.weights.initialize.actionflownet_encoder_from_r3d18`.
"""

from functools import partial

import keras
from keras import layers

from vidzoo.layers import Preprocess
from vidzoo.models import tiny
from vidzoo.models.backbone import Backbone
from vidzoo.weights import assign, load, preprocessing
from vidzoo.weights.weights_file import WeightsFile

# variant: side of its frames
_SIZES = {"torchvision": 112, "actionflownet": 224}
VARIANTS = tuple(_SIZES)
# of conv1, res2, res3, res4 and res5
_FILTERS = (64, 64, 128, 256, 512)
_BLOCKS = 2


def ResNet3D(
    num_classes: int = 400,
    *,
    variant: str = "torchvision",
    num_frames: int = 16,
    frame_shape: tuple[int, int, int] | None = None,
    weights: str | WeightsFile | None = None,
    name: str = "resnet3d",
) -> keras.Model:
    """Builds a 3D-ResNet-18: `(N, T, H, W, 3)` clips to `(N, K)` logits.

    Args:
        num_classes: K.
        variant: `"torchvision"`, or `"actionflownet"`, the encoder of ActionFlowNet
            with a linear classifier; weights fit their own variant only.
        num_frames: T consecutive frames, any number.
        frame_shape: `(H, W, 3)`, any size; None for the variant's own: 112 or 224
            pixels.
        weights: None, the name of a preset of this network, the path of a weights
            file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        ValueError: `variant` is unknown.
        WeightsError: the weights are of another network, variant or K.
    """
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {VARIANTS}. Received: {variant!r}.")
    weights_file = load.open_weights(weights, "resnet3d", variant)
    settings = load.preprocess_settings(
        weights_file, preprocessing.TORCHVISION_KINETICS
    )
    size = _SIZES[variant]
    clip = keras.Input((num_frames, *(frame_shape or (size, size, 3))), name="clip")
    x = Preprocess(**settings, name="preprocess")(clip)
    for stage in stages(variant).values():
        x = stage(x)
    x = layers.GlobalAveragePooling3D(name="pool")(x)
    logits = layers.Dense(num_classes, dtype="float32", name="head")(x)
    model = keras.Model(clip, logits, name=name)
    if weights_file is not None:
        assign.assign_network(model, weights_file, "resnet3d", variant)
    return model


def stages(variant: str = "torchvision") -> dict:
    """The five stages, as functions of a tensor `(N, T, H, W, C)` and a name prefix.

    Sizes for 16 frames of the variant's own 112 or 224 pixels: 16x56x56x64 twice,
    8x28x28x128, 4x14x14x256, 2x7x7x512.
    """
    return _stages(_FILTERS, _BLOCKS, has_pool=variant == "actionflownet")


def _stages(filters, num_blocks, has_pool):
    stem = partial(_stem, filters=filters[0], has_pool=has_pool)
    return {"conv1": stem} | {
        name: _stage(name, filters, num_blocks, strides)
        for name, filters, strides in (
            ("res2", filters[1], 1),
            ("res3", filters[2], 2),
            ("res4", filters[3], 2),
            ("res5", filters[4], 2),
        )
    }


def _stem(x, prefix="", *, filters, has_pool):
    x = _conv_bn(x, filters, (3, 7, 7), (1, 2, 2), f"{prefix}conv1")
    x = layers.ReLU(name=f"{prefix}conv1_relu")(x)
    if not has_pool:
        return x
    # Zeros serve as padding, since every value is positive after the ReLU.
    x = layers.ZeroPadding3D((0, 1, 1), name=f"{prefix}pool1_pad")(x)
    return layers.MaxPooling3D((1, 3, 3), (1, 2, 2), name=f"{prefix}pool1")(x)


def _stage(name, filters, num_blocks, strides):
    def apply(x, prefix=""):
        for i in range(num_blocks):
            block_name = f"{prefix}{name}_block{i + 1}"
            x = _block(x, filters, strides if i == 0 else 1, block_name)
        return x

    return apply


def _block(x, filters, strides, name):
    """Two 3x3x3 convolutions with a shortcut around them."""
    shortcut = x
    if strides != 1 or x.shape[-1] != filters:
        shortcut = _conv_bn(x, filters, (1, 1, 1), (strides,) * 3, f"{name}_shortcut")
    x = _conv_bn(x, filters, (3, 3, 3), (strides,) * 3, f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_conv1_relu")(x)
    x = _conv_bn(x, filters, (3, 3, 3), (1, 1, 1), f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _conv_bn(x, filters, kernel_size, strides, name):
    """Convolution padded as Torch pads (evenly, whatever the stride), batch norm."""
    padding = tuple(size // 2 for size in kernel_size)
    if any(padding):
        x = layers.ZeroPadding3D(padding, name=f"{name}_pad")(x)
    x = layers.Conv3D(
        filters,
        kernel_size,
        strides,
        use_bias=False,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
        name=name,
    )(x)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


RESNET3D = Backbone(
    "resnet3d",
    "actionflownet",
    preprocessing.TORCHVISION_KINETICS,
    stages("actionflownet"),
)
# Of small clips on a CPU in minutes; not a network of the literature.
TINY3D = Backbone(
    "tiny3d", "v1", tiny.PREPROCESS, _stages((8, 16, 32, 64, 128), 1, has_pool=True)
)
