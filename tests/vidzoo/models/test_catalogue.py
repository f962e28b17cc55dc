"""The catalogue's numbers, counted anew; the origins' where they state some."""

import math

import keras
import pytest
from keras import layers

from tests.toy_backbones import TOYS
from vidzoo import models
from vidzoo.layers import PeepholeLSTM
from vidzoo.losses import prediction
from vidzoo.models import backbones
from vidzoo.models.catalogue import NETWORKS
from vidzoo.models.flops import multiply_adds
from vidzoo.weights import PRESETS

# torchvision's table of models, in 1e9 multiply-adds, for the same inputs.
TORCHVISION = {
    "alexnet_torchvision": 0.71,
    "resnet18": 1.81,
    "resnet34": 3.66,
    "resnet50": 4.09,
    "resnet101": 7.8,
    "resnet152": 11.51,
    "resnet3d": 40.7,
    "vgg16": 15.47,
}


def test_every_network_is_listed():
    builders = {network.builder for network in NETWORKS.values()}
    # A two-stream network is two of these, whichever.
    assert builders == set(models.__all__) - {"TwoStream"}
    small = {"tiny", "tiny_average", *TOYS}
    assert set(backbones.BACKBONES) - small <= set(NETWORKS)
    for name, backbone in backbones.BACKBONES.items():
        if name in NETWORKS:
            network = NETWORKS[name]
            assert (network.network, network.variant) == (
                backbone.name,
                backbone.variant,
            )


def test_every_preset_has_its_network():
    sizes = {(n.network, n.variant): n.num_parameters for n in NETWORKS.values()}
    for preset in PRESETS.values():
        assert preset.num_parameters == sizes[preset.network, preset.variant]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_numbers_are_the_networks(name, undrawn):
    network = NETWORKS[name]
    model = network.build()
    assert model.input.shape[1:] == network.shape
    if network.num_classes is not None:
        logits = prediction(model.output)
        assert logits.shape == (None, network.num_classes)
    variables = model.trainable_variables
    assert sum(math.prod(v.shape) for v in variables) == network.num_parameters
    assert multiply_adds(model) == network.multiply_adds


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_counts_as_many(name):
    """Of the numbers kept, which the test above counts."""
    found = NETWORKS[name].multiply_adds / 1e9
    assert found == pytest.approx(TORCHVISION[name], abs=0.006)


def test_actionflownet_encoder_counts_a_larger_first_convolution():
    """4 times r3d_18's positions, for its side is twice as long; the rest is alike."""
    kernel = 3 * 7 * 7 * 3 * 64
    more = NETWORKS["resnet3d_actionflownet"].multiply_adds
    assert more - NETWORKS["resnet3d"].multiply_adds == 3 * 16 * 56 * 56 * kernel


@pytest.mark.parametrize("name, passes", [("tsn", 3), ("tdn", 3 + 2)])
def test_flow_counts_a_deeper_first_kernel(name, passes):
    """7x7 on ten channels for three, once per snippet and per difference of two."""
    rgb, flow = NETWORKS[name], NETWORKS[f"{name}_flow"]
    more = 7 * 7 * (10 - 3) * 64
    subnetworks = 1 if name == "tsn" else 2
    assert flow.num_parameters - rgb.num_parameters == subnetworks * more
    assert flow.multiply_adds - rgb.multiply_adds == passes * 112 * 112 * more


def test_networks_of_frames_by_hand():
    """Per frame a CNN, and an LSTM's five layers; fc6, fc7 and 487 classes once."""
    images = NETWORKS["alexnet_paper"].multiply_adds - 4096 * 1000
    hidden = (5 * 5 * 384 + 4096) * 4096
    pooled = 30 * (images - hidden) + hidden + 4096 * 487
    assert NETWORKS["feature_pooling"].multiply_adds == pooled
    assert NETWORKS["single_frame"].multiply_adds == images + 4096 * 487

    pooled = NETWORKS["feature_pooling_googlenet"].multiply_adds
    frames = pooled - (1000 + 4096) * 4096 - 4096 * 487
    lstm = (1000 + 512 + 4 * (512 + 512)) * (4 * 512) + 512 * 487
    assert NETWORKS["lstm_classifier"].multiply_adds == frames + 30 * lstm


def test_by_hand():
    """8x6 pixels: a 3x3 convolution, a grouped one in two, a layer used twice."""
    image = keras.Input((8, 6, 4))
    x = layers.Conv2D(10, 3, padding="same", use_bias=False)(image)
    x = layers.Conv2D(6, 1, strides=2, groups=2)(x)
    twice = layers.Dense(6)
    model = keras.Model(image, twice(twice(layers.BatchNormalization()(x))))
    by_hand = 48 * 10 * (9 * 4) + 12 * 6 * 5 + 2 * 12 * 6 * 6
    assert multiply_adds(model) == by_hand


def test_transposed_convolutions_by_hand():
    """Five by four pixels of three channels, each spread over 2x2x7 values."""
    image = keras.Input((5, 4, 3))
    model = keras.Model(image, layers.Conv2DTranspose(7, 2, strides=2)(image))
    assert multiply_adds(model) == 20 * 3 * (2 * 2 * 7)


def test_peephole_lstm_by_hand():
    """Seven steps of four gates of three cells, which read four values and three."""
    frames = keras.Input((7, 4))
    model = keras.Model(frames, PeepholeLSTM(3)(frames))
    assert multiply_adds(model) == 7 * (4 + 3) * (4 * 3)


def test_what_cannot_be_counted_is_said():
    frames = keras.Input((5, 4))
    model = keras.Model(frames, layers.LSTM(3, name="memory")(frames))
    with pytest.raises(ValueError, match="Cannot count a LSTM. Received: memory"):
        multiply_adds(model)
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)], name="inner")
    model = keras.Model(frames, inner(frames[:, 0]))
    with pytest.raises(ValueError, match="Received: inner"):
        multiply_adds(model)


def test_a_backbone_counts_for_every_snippet():
    settings = {"backbone": "tiny", "frame_shape": (32, 32, 3)}
    counts = [multiply_adds(models.TSN(7, num_segments=t, **settings)) for t in (1, 4)]
    assert counts[1] == 4 * counts[0]
    image, both = counts[0], multiply_adds(models.TDN(7, num_segments=4, **settings))
    assert both == 7 * image  # four images and three differences
