"""ResNet: residual networks, in two variants of the same shapes and other answers.

Source: He et al. 2016. `"v1.5"`, of Torch7 (fb.resnet.torch) and torchvision, is the
one that the dissertation uses (section 5.3.2): a bottleneck's stride on its 3x3
convolution, no convolution biases, batch-norm epsilon 1e-5. `"v1"`, of Caffe and
keras.applications: the stride on the first 1x1, biases, epsilon 1.001e-5. The two
shallow networks have no bottlenecks and come as v1.5 alone.
"""

from functools import partial

import keras
from keras import layers

from vidzoo.models import image_classifier
from vidzoo.models.backbone import Backbone
from vidzoo.weights import preprocessing
from vidzoo.weights.weights_file import WeightsFile

VARIANTS = ("v1.5", "v1")
# depth -> (bottleneck, blocks in res2, res3, res4, res5)
_DEPTHS = {
    18: (False, (2, 2, 2, 2)),
    34: (False, (3, 4, 6, 3)),
    50: (True, (3, 4, 6, 3)),
    101: (True, (3, 4, 23, 3)),
    152: (True, (3, 8, 36, 3)),
}


def ResNet18(
    num_classes: int = 1000,
    *,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "resnet18",
) -> keras.Model:
    """Builds ResNet-18: see `ResNet50`."""
    return image_classifier.build(RESNET18, num_classes, image_shape, weights, name)


def ResNet34(
    num_classes: int = 1000,
    *,
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "resnet34",
) -> keras.Model:
    """Builds ResNet-34: see `ResNet50`."""
    return image_classifier.build(RESNET34, num_classes, image_shape, weights, name)


def ResNet50(
    num_classes: int = 1000,
    *,
    variant: str = "v1.5",
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "resnet50",
) -> keras.Model:
    """Builds ResNet-50: `(N, H, W, 3)` images to `(N, K)` logits.

    Args:
        num_classes: K.
        variant: `"v1.5"` or `"v1"`; weights fit their own variant only.
        image_shape: `(H, W, 3)`, any size.
        weights: None, `"imagenet"`, the name of a preset of this network, the path of
            a weights file of it, or weights already read (`vidzoo.weights`).
        name: the model's name.

    Returns:
        A model on RGB pixels 0..255.

    Raises:
        ValueError: `variant` is unknown.
        WeightsError: the weights are of another network, variant or K.
    """
    backbone = _choose(50, variant)
    return image_classifier.build(backbone, num_classes, image_shape, weights, name)


def ResNet101(
    num_classes: int = 1000,
    *,
    variant: str = "v1.5",
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "resnet101",
) -> keras.Model:
    """Builds ResNet-101: see `ResNet50`."""
    backbone = _choose(101, variant)
    return image_classifier.build(backbone, num_classes, image_shape, weights, name)


def ResNet152(
    num_classes: int = 1000,
    *,
    variant: str = "v1.5",
    image_shape: tuple[int, int, int] = (224, 224, 3),
    weights: str | WeightsFile | None = None,
    name: str = "resnet152",
) -> keras.Model:
    """Builds ResNet-152: see `ResNet50`."""
    backbone = _choose(152, variant)
    return image_classifier.build(backbone, num_classes, image_shape, weights, name)


def stages(depth: int, variant: str = "v1.5") -> dict:
    """The five stages of a ResNet, as functions of a tensor and a name prefix."""
    bottleneck, counts = _DEPTHS[depth]
    block = _BOTTLENECKS[variant] if bottleneck else basic_block
    return {
        "conv1": partial(_stem, convolve=_CONVOLUTIONS[variant]),
        "res2": stage(block, "res2", 64, counts[0], 1),
        "res3": stage(block, "res3", 128, counts[1], 2),
        "res4": stage(block, "res4", 256, counts[2], 2),
        "res5": stage(block, "res5", 512, counts[3], 2),
    }


def stage(block, name, filters, count, strides):
    """A stage of `count` residual blocks; the first one has the strides."""

    def apply(x, prefix=""):
        for i in range(count):
            block_name = f"{prefix}{name}_block{i + 1}"
            x = block(x, filters, strides if i == 0 else 1, block_name)
        return x

    return apply


def _stem(x, prefix="", *, convolve):
    x = convolve(x, 64, 7, 2, f"{prefix}conv1")
    x = layers.ReLU(name=f"{prefix}conv1_relu")(x)
    # Zeros serve as padding, since every value is positive after the ReLU.
    x = layers.ZeroPadding2D(1, name=f"{prefix}pool1_pad")(x)
    return layers.MaxPooling2D(3, 2, name=f"{prefix}pool1")(x)


def _bottleneck_block(x, filters, strides, name):
    shortcut = _shortcut(x, 4 * filters, strides, name, conv_bn)
    x = conv_bn(x, filters, 1, 1, f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_conv1_relu")(x)
    x = conv_bn(x, filters, 3, strides, f"{name}_conv2")
    x = layers.ReLU(name=f"{name}_conv2_relu")(x)
    x = conv_bn(x, 4 * filters, 1, 1, f"{name}_conv3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _v1_bottleneck_block(x, filters, strides, name):
    shortcut = _shortcut(x, 4 * filters, strides, name, _v1_conv_bn)
    x = _v1_conv_bn(x, filters, 1, strides, f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_conv1_relu")(x)
    x = _v1_conv_bn(x, filters, 3, 1, f"{name}_conv2")
    x = layers.ReLU(name=f"{name}_conv2_relu")(x)
    x = _v1_conv_bn(x, 4 * filters, 1, 1, f"{name}_conv3")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def basic_block(x, filters, strides, name):
    """Two 3x3 convolutions with a shortcut around them."""
    shortcut = _shortcut(x, filters, strides, name, conv_bn)
    x = conv_bn(x, filters, 3, strides, f"{name}_conv1")
    x = layers.ReLU(name=f"{name}_conv1_relu")(x)
    x = conv_bn(x, filters, 3, 1, f"{name}_conv2")
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu")(x)


def _shortcut(x, filters, strides, name, convolve):
    if strides == 1 and x.shape[-1] == filters:
        return x
    return convolve(x, filters, 1, strides, f"{name}_shortcut")


def conv_bn(x, filters, kernel_size, strides, name, *, use_bias=False, bn_epsilon=1e-5):
    """Convolution padded as Torch pads (evenly, whatever the stride), batch norm."""
    if kernel_size > 1 and strides > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad")(x)
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same" if strides == 1 else "valid",
        use_bias=use_bias,
        kernel_initializer=keras.initializers.VarianceScaling(2.0, "fan_out"),
        name=name,
    )(x)
    norm = layers.BatchNormalization(
        momentum=0.9, epsilon=bn_epsilon, name=f"{name}_bn"
    )
    return norm(x)


_v1_conv_bn = partial(conv_bn, use_bias=True, bn_epsilon=1.001e-5)
_CONVOLUTIONS = {"v1.5": conv_bn, "v1": _v1_conv_bn}
_BOTTLENECKS = {"v1.5": _bottleneck_block, "v1": _v1_bottleneck_block}
# As the variants' public weights expect it.
_PREPROCESS = {"v1.5": preprocessing.TORCHVISION, "v1": preprocessing.CAFFE_PRECISE}


def _backbone(depth, variant="v1.5"):
    return Backbone(
        f"resnet{depth}", variant, _PREPROCESS[variant], stages(depth, variant)
    )


RESNET18, RESNET34, RESNET50 = _backbone(18), _backbone(34), _backbone(50)
RESNET101, RESNET152 = _backbone(101), _backbone(152)
RESNET50_V1 = _backbone(50, "v1")
RESNET101_V1, RESNET152_V1 = _backbone(101, "v1"), _backbone(152, "v1")


def _choose(depth, variant):
    if variant not in VARIANTS:
        raise ValueError(f"`variant` must be one of {VARIANTS}. Received: {variant!r}.")
    return _backbone(depth, variant)
