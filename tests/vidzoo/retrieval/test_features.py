"""Named layers: table 2.1's sizes, and descriptors of the right weights."""

import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models import backbones
from vidzoo.retrieval import (
    BEST_LAYERS,
    Features,
    descriptors,
    feature_maps,
    layer_names,
)
from vidzoo.weights import save_weights

# Table 2.1; of its two errata see vidzoo.retrieval.layers.
GOOGLENET = {
    "pool1-norm1": (56, 64),
    "conv2-norm2": (28, 192),
    "inception_3a": (28, 256),
    "inception_3b": (28, 480),
    "inception_4a": (14, 512),
    "inception_4b": (14, 512),
    "inception_4c": (14, 512),
    "inception_4d": (14, 528),
    "inception_4e": (14, 832),
    "inception_5a": (7, 832),
    "inception_5b": (7, 1024),
}
VGG16 = {
    "conv2_1": (112, 128),
    "conv2_2": (112, 128),
    "conv3_1": (56, 256),
    "conv3_2": (56, 256),
    "conv3_3": (56, 256),
    "conv4_1": (28, 512),
    "conv4_2": (28, 512),
    "conv4_3": (28, 512),
    "conv5_1": (14, 512),
    "conv5_2": (14, 512),
    "conv5_3": (14, 512),
}
_DEEPEST = ("resnet101", "resnet152")
TABLE = {"googlenet": GOOGLENET, "vgg16": VGG16}


@pytest.mark.parametrize("network", TABLE)
@pytest.mark.parametrize("scale", [1, 2])
def test_sizes_are_those_of_table_2_1(network, scale):
    model = feature_maps(network, size=224 * scale)
    expected = {
        layer: (None, scale * side, scale * side, size)
        for layer, (side, size) in TABLE[network].items()
    }
    found = {layer: tensor.shape for layer, tensor in model.output.items()}
    assert found == expected
    assert len(found) == 11 and layer_names(network) == tuple(expected)


def test_best_layers_are_layers():
    for network, layers in BEST_LAYERS.items():
        assert set(layers) == {"holidays", "oxford", "paris"}
        assert set(layers.values()) <= set(layer_names(network))


# The deepest are one more row each of a table, and take seconds to build.
@pytest.mark.parametrize(
    "network", [name for name in backbones.BACKBONES if name[:9] not in _DEEPEST]
)
def test_every_backbone_has_named_layers(network):
    names = layer_names(network)
    model = feature_maps(network, size=96)
    assert tuple(model.output) == names
    sides = [tensor.shape[1] for tensor in model.output.values()]
    assert sides == sorted(sides, reverse=True) and min(sides) >= 1


def test_layers_are_those_of_the_whole_network(tmp_path):
    """On one set of weights, each map is what the classifier has at that place."""
    path = tmp_path / "googlenet.npz"
    whole = models.GoogLeNet(5, image_shape=(64, 64, 3))
    parts = backbones.get("googlenet")
    save_weights(
        path, whole, network=parts.name, backbone=parts.name, variant=parts.variant
    )
    names = {
        "conv2-norm2": "pool2",
        "inception_3a": "inception_3a_output",
        "inception_5b": "inception_5b_output",
    }
    outputs = {name: whole.get_layer(layer).output for name, layer in names.items()}
    # What the convolution behind pool1-norm1 reads.
    behind = whole.get_layer("conv2_3x3_reduce")
    outputs["pool1-norm1"] = behind.input
    image = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    expected = keras.Model(whole.input, outputs)(image)
    found = feature_maps("googlenet", size=64, weights=path)(image)
    for name in outputs:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("network", ["vgg16", "alexnet_torchvision"])
def test_weights_whose_fully_connected_layers_fit_one_size(network, tmp_path):
    """They are left out, so that another size works."""
    parts = backbones.get(network)
    if network == "vgg16":
        whole = models.VGG16(3, image_shape=(32, 32, 3), fc_size=8)
    else:
        arguments = {"variant": parts.variant, "image_shape": (96, 96, 3)}
        whole = models.AlexNet(3, fc_size=8, **arguments)
    path = tmp_path / "weights.npz"
    save_weights(
        path, whole, network=parts.name, backbone=parts.name, variant=parts.variant
    )
    model = feature_maps(network, size=128, weights=path)
    kernel = f"{parts.first_convolution}"
    np.testing.assert_array_equal(
        model.get_layer(kernel).kernel, whole.get_layer(kernel).kernel
    )


def test_weights_trained_on_videos(tmp_path):
    tsn = models.TSN(4, backbone="toy", frame_shape=(32, 32, 3))
    path = tmp_path / "tsn.npz"
    save_weights(path, tsn, network="tsn", backbone="toy", variant="v1")
    model = feature_maps("toy", ["res5"], size=32, weights=path)
    np.testing.assert_array_equal(
        model.get_layer("res5_conv").kernel,
        tsn.get_layer("image_res5_conv").kernel,
    )
    with pytest.raises(WeightsError, match="holds weights of toy.*not of resnet18"):
        feature_maps("resnet18", size=32, weights=path)


def test_descriptors_are_positions_of_unit_length():
    maps = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype(np.float32)
    maps[0, 1, 2] = 0
    found = np.asarray(descriptors(maps))
    assert found.shape == (2, 12, 5)
    expected = maps[1, 2, 3] / np.linalg.norm(maps[1, 2, 3])
    np.testing.assert_allclose(found[1, 2 * 4 + 3], expected, atol=1e-6)
    assert not found[0, 1 * 4 + 2].any()
    lengths = np.linalg.norm(found, axis=-1)
    np.testing.assert_allclose(np.delete(lengths.ravel(), 6), 1, atol=1e-6)


def test_scales_have_one_set_of_weights_and_each_its_images():
    features = Features("toy", ["res3", "res5"], scales=(1, 2), size=32)
    assert features.keys == (("res3", 1), ("res5", 1), ("res3", 2), ("res5", 2))
    assert features.image_sizes == (32, 64)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (2, n, n, 3), np.uint8) for n in (32, 64)]
    found = features(images)
    for scale, pixels in zip((1, 2), images, strict=True):
        model = feature_maps("toy", ["res3", "res5"], size=32 * scale)
        model.set_weights(features._models[0].get_weights())
        maps = model(pixels)
        for layer in ("res3", "res5"):
            expected = np.asarray(descriptors(maps[layer]))
            np.testing.assert_allclose(found[layer, scale], expected, atol=1e-5)
            h, w, size = features.map_size(layer, scale)
            assert found[layer, scale].shape == (2, h * w, size)


def test_description_knows_the_weights():
    keras.utils.set_random_seed(0)
    features = Features("toy", ["res3"], size=32)
    others = Features("toy", ["res3"], size=32)
    one, two = features.description(), others.description()
    assert one["network"] == "toy" and one["preprocess"]["mean"] == [1.0, 1.0, 1.0]
    assert one["weights_sha256"] != two["weights_sha256"]
    others._models[0].set_weights(features._models[0].get_weights())
    assert others.description() == one


def test_what_cannot_be_described():
    with pytest.raises(ValueError, match="`network` must be one of.*Received: 'vgg'"):
        layer_names("vgg")
    with pytest.raises(ValueError, match=r"`layers` must be some of \('conv1', .*res9"):
        feature_maps("toy", ["res9"])
    with pytest.raises(ValueError, match="`layers` must be some of"):
        Features("toy", [])
    with pytest.raises(ValueError, match=r"`scales` .* Received: \(1, 1\)"):
        Features("toy", scales=(1, 1))
    with pytest.raises(ValueError, match="`size` is too small .* Received: 8 pixels"):
        feature_maps("vgg16", size=8)
    features = Features("toy", ["res3"], scales=(1, 2), size=32)
    small = np.zeros((1, 32, 32, 3), np.uint8)
    message = r"\(N, 32, 32, 3\), \(N, 64, 64, 3\). Received: \[\(1, 32, 32, 3\)\]"
    with pytest.raises(ValueError, match=message):
        features(small)
