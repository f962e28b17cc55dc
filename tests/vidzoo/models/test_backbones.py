"""Backbones: published sizes, and blocks against NumPy."""

import math
from functools import partial

import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models import backbones, googlenet, resnet
from vidzoo.weights import save_weights

RANDOM = np.random.default_rng(0)


def num_trainable(model, without=()):
    return sum(
        math.prod(variable.shape)
        for layer in model.layers
        if layer.name not in without
        for variable in layer.trainable_variables
    )


@pytest.mark.parametrize(
    "build, with_head, without_head",
    [
        (models.ResNet18, 11_689_512, 11_176_512),
        (models.ResNet34, 21_797_672, 21_284_672),
        (models.ResNet50, 25_557_032, 23_508_032),
        (models.ResNet101, 44_549_160, 42_500_160),
        (models.ResNet152, 60_192_808, 58_143_808),
        (partial(models.ResNet50, variant="v1"), 25_583_592, 23_534_592),
        (partial(models.ResNet101, variant="v1"), 44_601_832, 42_552_832),
        (partial(models.ResNet152, variant="v1"), 60_268_520, 58_219_520),
        (models.GoogLeNet, 6_998_552, 5_973_552),
        # Counted from the origin's layers, biases before batch norm too.
        (models.BNInception, 11_295_240, 10_270_240),
    ],
)
def test_full_size_has_the_published_parameters(
    build, with_head, without_head, undrawn
):
    model = build(image_shape=(64, 64, 3))
    assert model.output.shape == (None, 1000)
    assert num_trainable(model) == with_head
    assert num_trainable(model, without=("head",)) == without_head


@pytest.mark.slow
@pytest.mark.parametrize(
    "build, with_head, convolutional",
    [
        (models.VGG16, 138_357_544, 14_714_688),
        (partial(models.AlexNet, variant="caffe"), 60_965_224, 2_334_080),
        (partial(models.AlexNet, variant="paper"), 64_687_848, 4_483_840),
        (partial(models.AlexNet, variant="torchvision"), 61_100_840, 2_469_696),
    ],
)
def test_full_size_with_wide_layers_has_the_published_parameters(
    build, with_head, convolutional, undrawn
):
    model = build()
    assert model.output.shape == (None, 1000)
    assert num_trainable(model) == with_head
    assert num_trainable(model, without=("fc6", "fc7", "head")) == convolutional


@pytest.mark.parametrize(
    "name, size, expected",
    [
        (
            "resnet50",
            224,
            {
                "conv1": (56, 56, 64),
                "res2": (56, 56, 256),
                "res3": (28, 28, 512),
                "res4": (14, 14, 1024),
                "res5": (7, 7, 2048),
            },
        ),
        (
            "googlenet",
            224,
            {
                "conv1": (56, 56, 64),
                "conv2": (56, 56, 192),
                "inception_3": (28, 28, 480),
                "inception_4": (14, 14, 832),
                "inception_5": (7, 7, 1024),
            },
        ),
        (
            "bn_inception",
            224,
            {
                "conv1": (56, 56, 64),
                "conv2": (56, 56, 192),
                "inception_3": (28, 28, 320),
                "inception_4": (14, 14, 608),
                "inception_5": (7, 7, 1024),
            },
        ),
        (
            "vgg16",
            224,
            {
                "conv1": (224, 224, 64),
                "conv2": (112, 112, 128),
                "conv3": (56, 56, 256),
                "conv4": (28, 28, 512),
                "conv5": (7, 7, 512),
            },
        ),
        (
            "alexnet_caffe",
            227,
            {"conv1": (55, 55, 96), "conv2": (27, 27, 256), "conv5": (6, 6, 256)},
        ),
        (
            "alexnet_paper",
            220,
            {"conv1": (53, 53, 96), "conv2": (26, 26, 256), "conv3": (5, 5, 384)},
        ),
        (
            "alexnet_torchvision",
            224,
            {"conv1": (55, 55, 64), "conv2": (27, 27, 192), "conv5": (6, 6, 256)},
        ),
        (
            "tiny",
            64,
            {
                "conv1": (16, 16, 16),
                "res2": (16, 16, 16),
                "res3": (8, 8, 32),
                "res4": (4, 4, 64),
                "res5": (2, 2, 128),
            },
        ),
    ],
)
def test_stages_have_the_listed_sizes(name, size, expected):
    x = keras.Input((size, size, 3))
    found = {}
    for stage, build in backbones.get(name).stages.items():
        x = build(x)
        found[stage] = tuple(x.shape[1:])
    assert list(found.items()) == list(expected.items())


def test_unknown_backbone_lists_the_known():
    with pytest.raises(
        ValueError, match=r"one of \('resnet18', .*'tiny'.*\)\. Received: 'vgg'"
    ):
        backbones.get("vgg")


@pytest.mark.parametrize("name", ["resnet50_v1", "vgg16", "bn_inception"])
def test_video_networks_stand_on_it(name):
    arguments = {"backbone": name, "num_segments": 2, "frame_shape": (64, 64, 3)}
    assert models.TDN(3, **arguments).output["logits"].shape == (None, 3)


def test_a_video_networks_weights_name_the_variant(tmp_path):
    arguments = {"num_segments": 2, "frame_shape": (99, 99, 3)}
    model = models.TSN(3, backbone="alexnet_paper", **arguments)
    backbone = backbones.get("alexnet_paper")
    assert (backbone.name, backbone.variant) == ("alexnet", "paper")
    file = tmp_path / "weights.npz"
    save_weights(file, model, network="tsn", backbone="alexnet", variant="paper")
    other = models.TSN(3, backbone="alexnet_paper", **arguments, weights=file)
    for one, two in zip(model.weights, other.weights, strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(WeightsError, match="holds alexnet paper, .* alexnet caffe;"):
        models.TSN(3, backbone="alexnet_caffe", **arguments, weights=file)
    with pytest.raises(WeightsError, match="for the backbone alexnet, but .* vgg16"):
        models.TSN(3, backbone="vgg16", **arguments, weights=file)


# ResNet blocks, against loops


def conv(x, kernel, strides):
    """Torch's convolution of `(H, W, C)`: evenly padded by half the kernel."""
    size = kernel.shape[0]
    x = np.pad(x, [(size // 2, size // 2), (size // 2, size // 2), (0, 0)])
    rows = (x.shape[0] - size) // strides + 1
    columns = (x.shape[1] - size) // strides + 1
    out = np.zeros((rows, columns, kernel.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            y0, x0 = i * strides, j * strides
            window = x[y0 : y0 + size, x0 : x0 + size]
            out[i, j] = np.tensordot(window, kernel, 3)
    return out


def conv_bn(x, weights, name, strides, epsilon=1e-5):
    gamma, beta, mean, variance = (
        weights[f"{name}_bn/{part}"]
        for part in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    x = conv(x, weights[f"{name}/kernel"], strides)
    x = x + weights.get(f"{name}/bias", 0)
    return (x - mean) / np.sqrt(variance + epsilon) * gamma + beta


def relu(x):
    return np.maximum(x, 0)


def basic(x, weights, strides):
    out = relu(conv_bn(x, weights, "b_conv1", strides))
    return conv_bn(out, weights, "b_conv2", 1)


def bottleneck(x, weights, strides):
    out = relu(conv_bn(x, weights, "b_conv1", 1))
    out = relu(conv_bn(out, weights, "b_conv2", strides))  # v1.5: on the 3x3
    return conv_bn(out, weights, "b_conv3", 1)


def v1_bottleneck(x, weights, strides):
    out = relu(conv_bn(x, weights, "b_conv1", strides, 1.001e-5))  # on the first 1x1
    out = relu(conv_bn(out, weights, "b_conv2", 1, 1.001e-5))
    return conv_bn(out, weights, "b_conv3", 1, 1.001e-5)


def randomize(model):
    """Sets random weights, variances positive; returns them by name."""
    weights = {}
    for layer in model.layers:
        for variable in layer.weights:
            low = 0.5 if "variance" in variable.name else -1.0
            value = RANDOM.uniform(low, 1.5, variable.shape).astype("float32")
            variable.assign(value)
            weights[f"{layer.name}/{variable.name}"] = value
    return weights


@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize(
    "block, reference, channels, filters, strides",
    [
        (resnet.basic_block, basic, 3, 4, 2),
        (resnet.basic_block, basic, 4, 4, 1),
        (resnet._bottleneck_block, bottleneck, 3, 2, 2),
        (resnet._bottleneck_block, bottleneck, 8, 2, 1),
        (resnet._v1_bottleneck_block, v1_bottleneck, 3, 2, 2),
        (resnet._v1_bottleneck_block, v1_bottleneck, 8, 2, 1),
    ],
)
def test_residual_block_is_the_formula(
    block, reference, channels, filters, strides, size
):
    image = keras.Input((size, size, channels))
    model = keras.Model(image, block(image, filters, strides, "b"))
    weights = randomize(model)
    x = RANDOM.normal(size=(size, size, channels)).astype("float32")
    shortcut = x
    if "b_shortcut/kernel" in weights:
        shortcut = conv_bn(x, weights, "b_shortcut", strides)
    else:
        assert (strides, channels) in ((1, 4), (1, 8))
    expected = relu(shortcut + reference(x, weights, strides))
    np.testing.assert_allclose(model(x[None])[0], expected, rtol=1e-4, atol=1e-4)


def test_unknown_resnet_variant():
    with pytest.raises(ValueError, match=r"one of \('v1.5', 'v1'\)\. Received: 'v2'\."):
        models.ResNet50(variant="v2")


def test_unknown_alexnet_variant():
    choices = r"\('caffe', 'paper', 'torchvision'\)"
    with pytest.raises(ValueError, match=rf"one of {choices}\. Received: 'bvlc'\."):
        models.AlexNet(variant="bvlc")


def test_resnet_stem_is_the_formula():
    image = keras.Input((20, 20, 3))
    model = keras.Model(image, resnet.stages(18)["conv1"](image))
    weights = randomize(model)
    x = RANDOM.normal(size=(20, 20, 3)).astype("float32")
    convolved = relu(conv_bn(x, weights, "conv1", 2))  # (10, 10, 64)
    padded = np.pad(convolved, [(1, 1), (1, 1), (0, 0)], constant_values=-np.inf)
    expected = [
        [padded[i : i + 3, j : j + 3].max((0, 1)) for j in range(0, 10, 2)]
        for i in range(0, 10, 2)
    ]
    np.testing.assert_allclose(model(x[None])[0], expected, rtol=1e-3, atol=1e-3)


# GoogLeNet's pooling


@pytest.mark.parametrize("height, width", [(55, 56), (56, 55), (7, 7), (8, 6), (2, 3)])
def test_max_pool_rounds_up_as_caffe_does(height, width):
    image = keras.Input((height, width, 2))
    model = keras.Model(image, googlenet.ceil_max_pool(image, "pool"))
    x = RANDOM.uniform(0, 1, (height, width, 2)).astype("float32")
    rows = math.ceil((height - 3) / 2) + 1
    columns = math.ceil((width - 3) / 2) + 1
    expected = [
        [
            x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max(axis=(0, 1))
            for j in range(columns)
        ]
        for i in range(rows)
    ]
    np.testing.assert_array_equal(model(x[None])[0], expected)
