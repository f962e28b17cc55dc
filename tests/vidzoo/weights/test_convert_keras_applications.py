"""keras.applications' two networks themselves against ours with their weights."""

import re

import keras
import numpy as np
import pytest

from tests.vidzoo.weights.origins import (
    assert_same_answers,
    drawn,
    pixels,
    stage_answers,
    written,
)
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.weights import convert

IMAGES = pixels(2, 64, 64, 3)
# Ours: theirs, at the ends of the stages.
RESNET_STAGES = {
    "pool1": "pool1_pool",
    "res2_block3_relu": "conv2_block3_out",
    "res3_block4_relu": "conv3_block4_out",
    "res4_block6_relu": "conv4_block6_out",
    "res5_block3_relu": "conv5_block3_out",
}
VGG_STAGES = {
    "conv1_2": "block1_conv2",
    "conv2_2": "block2_conv2",
    "conv3_3": "block3_conv3",
    "conv4_3": "block4_conv3",
    "pool5": "block5_pool",
}


def origin(build):
    """A network of keras.applications with random weights, and its arrays by name."""
    model = build(
        weights=None, input_shape=(64, 64, 3), classes=7, classifier_activation=None
    )
    random = np.random.default_rng(0)
    arrays = {}
    for layer in model.layers:
        for variable in layer.weights:
            name = f"{layer.name}/{variable.name}"
            arrays[name] = drawn(
                random, name, variable.shape, out_axis=-1, first=not arrays
            )
            variable.assign(arrays[name])
    return model, arrays


@pytest.fixture(scope="module")
def resnet():
    return origin(keras.applications.ResNet50)


@pytest.fixture(scope="module")
def resnet_file(resnet, tmp_path_factory):
    return written(tmp_path_factory.mktemp("keras") / "resnet50.npz", resnet[1])


@pytest.fixture(scope="module")
def vgg():
    return origin(keras.applications.VGG16)


def expected_answers(model, stages, preprocess):
    x = preprocess(IMAGES.astype(np.float32))
    theirs = stage_answers(model, stages.values(), x)
    return dict(zip([*stages, "logits"], theirs.values(), strict=True))


def test_resnet50_answers_as_the_origin(resnet, resnet_file):
    expected = expected_answers(
        resnet[0], RESNET_STAGES, keras.applications.resnet.preprocess_input
    )
    ours = models.ResNet50(
        7, variant="v1", image_shape=(64, 64, 3), weights=resnet_file
    )
    assert_same_answers(stage_answers(ours, RESNET_STAGES, IMAGES), expected)
    # Too small to show in the answers.
    norms = [model.get_layer("conv1_bn").epsilon for model in (ours, resnet[0])]
    assert norms[0] == norms[1] == 1.001e-5


def test_vgg16_answers_as_the_origin(vgg, tmp_path):
    expected = expected_answers(
        vgg[0], VGG_STAGES, keras.applications.vgg16.preprocess_input
    )
    file = written(tmp_path / "vgg16.npz", vgg[1])
    ours = models.VGG16(7, image_shape=(64, 64, 3), weights=file)
    assert_same_answers(stage_answers(ours, VGG_STAGES, IMAGES), expected)


def test_v1_weights_do_not_enter_v15(resnet_file):
    message = (
        rf"{re.escape(str(resnet_file))}: holds resnet50 v1, but this network is "
        r"resnet50 v1\.5; the shapes may fit, the answers would be wrong\."
    )
    with pytest.raises(WeightsError, match=message):
        models.ResNet50(7, image_shape=(64, 64, 3), weights=resnet_file)
    arguments = {"num_segments": 1, "frame_shape": (64, 64, 3)}
    with pytest.raises(WeightsError, match=r"holds resnet50 v1, but .* v1\.5"):
        models.TSN(3, **arguments, weights=resnet_file)
    video = models.TSN(3, backbone="resnet50_v1", **arguments, weights=resnet_file)
    with np.load(resnet_file) as arrays:
        kernel = arrays["conv4_block2_1_conv/kernel"]
    np.testing.assert_array_equal(
        video.get_layer("image_res4_block2_conv1").kernel, kernel
    )


def spellings(arrays):
    """The names that files have for the same arrays."""
    variables = {"kernel": 0, "bias": 1}
    variables |= {"gamma": 0, "beta": 1, "moving_mean": 2, "moving_variance": 3}
    pairs = [name.split("/") for name in arrays]
    yield [f"{layer}/{layer}/{variable}:0" for layer, variable in pairs]
    yield [f"model_weights/{layer}/{variable}:0" for layer, variable in pairs]
    yield [f"layers/{layer}/vars/{variables[v]}" for layer, v in pairs]
    yield [name.replace("predictions", "probs") for name in arrays]


def test_every_spelling_of_the_names_is_accepted(resnet, vgg, resnet_file):
    for _, arrays in (resnet, vgg):
        for names in spellings(arrays):
            renamed = dict(zip(names, arrays.values(), strict=True))
            (converter,) = [c for c in convert.CONVERTERS if c.recognises(renamed)]
            expected = converter.convert(dict(arrays))
            assert converter.convert(renamed).keys() == expected.keys()
            assert list(renamed) == list(names), "its own arrays were changed"


def test_vgg16_without_its_wide_layers_enters_a_tsn(vgg, tmp_path):
    whole = written(tmp_path / "vgg16.npz", vgg[1])
    wide = ("fc1", "fc2", "predictions")
    without = {n: a for n, a in vgg[1].items() if n.split("/")[0] not in wide}
    no_top = written(tmp_path / "no_top.npz", without)
    for file in (whole, no_top):
        arguments = {"num_segments": 1, "frame_shape": (32, 32, 3)}
        model = models.TSN(3, backbone="vgg16", **arguments, weights=file)
        kernel = model.get_layer("image_conv5_3").kernel
        np.testing.assert_array_equal(kernel, vgg[1]["block5_conv3/kernel"])
    with pytest.raises(WeightsError, match="In the model only: .*head/kernel"):
        models.VGG16(7, image_shape=(64, 64, 3), weights=no_top)


@pytest.mark.parametrize(
    "build", [keras.applications.ResNet101, keras.applications.ResNet50V2]
)
def test_other_networks_of_the_origin_are_not_taken_for_these(build):
    model = build(weights=None, input_shape=(64, 64, 3), classes=7)
    names = [f"{layer.name}/{v.name}" for layer in model.layers for v in layer.weights]
    assert not [c for c in convert.CONVERTERS if c.recognises(names)]
