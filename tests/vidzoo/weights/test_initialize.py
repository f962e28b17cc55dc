"""Initialisations: what they compute, by properties, and what they refuse."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.layers import Preprocess
from vidzoo.models import backbones, i3d, image_classifier, resnet3d
from vidzoo.weights import (
    WeightsFile,
    assign,
    initialize,
    open_weights,
    preprocessing,
    read,
    save_weights,
)

BACKBONE = backbones.get("toy")
TOY = {"backbone": "toy", "num_segments": 2}
RGB = TOY | {"frame_shape": (32, 32, 3)}
FLOW = TOY | {"modality": "flow", "frame_shape": (32, 32, 10)}
GREY = {"channel_order": "rgb", "scale": 1.0, "mean": (1.0,), "std": (1.0,)}
# Unlike in every channel, and the channels change places.
UNEVEN = preprocessing.CAFFE | {"mean": (80.0, 110.0, 140.0), "std": (50.0, 60.0, 70.0)}


def toy(num_classes, channels=3, weights=None):
    """The toy backbone as a classifier of images."""
    shape = (32, 32, channels)
    return image_classifier.build(BACKBONE, num_classes, shape, weights, "toy")


def randomized(model, seed=0):
    """Biases and batch norms that show in the answers, at the size of a signal."""
    random = np.random.default_rng(seed)
    for name, variable in assign.named_variables(model).items():
        if name.endswith(("gamma", "variance")):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(random.normal(0, 0.1, variable.shape))
    return model


def weights_of(model, network, backbone="toy", variant="v1", preprocess=None):
    """A model's weights as if read from a file."""
    return WeightsFile(
        path=Path(f"{network}.npz"),
        network=network,
        backbone=backbone,
        variant=variant,
        preprocess=preprocess or BACKBONE.preprocess,
        arrays={n: np.array(v) for n, v in assign.named_variables(model).items()},
    )


@pytest.fixture(scope="module")
def toy_file():
    """An image classifier of 9 classes."""
    keras.utils.set_random_seed(1)
    return weights_of(randomized(toy(9)), "toy")


@pytest.fixture(scope="module")
def tsn_file():
    """A TSN on RGB, 5 classes."""
    keras.utils.set_random_seed(2)
    return weights_of(randomized(models.TSN(5, **RGB)), "tsn")


@pytest.fixture(scope="module")
def resnet18():
    keras.utils.set_random_seed(3)
    return randomized(models.ResNet18(7, image_shape=(32, 32, 3)))


@pytest.fixture(scope="module")
def r3d18_file():
    model = models.ResNet3D(4, num_frames=4, frame_shape=(16, 16, 3))
    settings = preprocessing.TORCHVISION_KINETICS
    return weights_of(model, "resnet3d", "resnet3d", "torchvision", settings)


def pixels(*shape, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, shape).astype(np.float32)


def shapes(arrays):
    return {name: tuple(array.shape) for name, array in arrays.items()}


def answers(model, names, x):
    """The outputs of the named layers."""
    outputs = {name: model.get_layer(name).output for name in names}
    found = keras.Model(model.input, outputs)(x, training=False)
    return {name: np.asarray(value) for name, value in found.items()}


def assert_close(found, expected):
    scale = np.abs(expected).max()
    assert scale > 1e-4, "the answers say nothing"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


def assert_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)


# The first convolution


def _first_stage(stages, channels, ndim):
    x = keras.Input((*(16,) * (ndim - 3), 64, 64, channels))
    return keras.Model(x, next(iter(stages.values()))(x))


def _c3d(channels):
    shape = (32, 32, channels)
    return models.C3D(2, num_frames=2, frame_shape=shape, fc_size=2)


# network, backbone, variant -> model of that many channels
READERS = {
    (b.name, b.name, b.variant): lambda c, b=b: _first_stage(b.stages, c, 3)
    for b in backbones.BACKBONES.values()
} | {
    ("resnet3d", "resnet3d", "torchvision"): (
        lambda c: _first_stage(resnet3d.stages(), c, 4)
    ),
    ("i3d", "i3d", "rgb"): lambda c: _first_stage(i3d.stages(), c, 4),
    ("c3d", "c3d", "sports1m"): _c3d,
    ("tsn", "toy", "v1"): lambda c: models.TSN(3, **TOY, frame_shape=(32, 32, c)),
    ("tdn", "toy", "v1"): lambda c: models.TDN(3, **TOY, frame_shape=(32, 32, c)),
}


@pytest.mark.parametrize("key", READERS, ids="-".join)
def test_every_network_gets_its_other_channels(key):
    """The kernels whose shapes follow the input's channels, and these alone, change."""
    network, backbone, variant = key
    model = READERS[key](3)
    rgb = weights_of(model, network, backbone, variant)
    before = {name: array.copy() for name, array in rgb.arrays.items()}
    wider = initialize.first_convolution(rgb, 12)
    assert shapes(wider.arrays) == shapes(assign.named_variables(READERS[key](12)))
    assert_arrays(rgb.arrays, before)
    changed = {n for n in before if wider.arrays[n] is not rgb.arrays[n]}
    assert len(changed) == (2 if network == "tdn" else 1)
    for name in changed:
        kernel, expected = wider.arrays[name], 0
        assert kernel.dtype == before[name].dtype
        for channel in range(3):
            expected = expected + before[name][..., channel, :] / 3
        for channel in range(12):
            np.testing.assert_allclose(
                kernel[..., channel, :], expected, rtol=1e-5, atol=1e-7
            )


def test_grey_input_is_answered_in_proportion_to_the_channels(toy_file):
    three = toy_file.arrays["conv1/kernel"]
    ten = initialize.flow_from_rgb(toy_file).arrays["conv1/kernel"]
    grey = np.random.default_rng(0).normal(size=(1, 9, 9, 1)).astype(np.float32)
    one = keras.ops.conv(np.repeat(grey, 3, -1), three)
    other = keras.ops.conv(np.repeat(grey, 10, -1), ten)
    assert_close(np.asarray(other), np.asarray(one) * 10 / 3)


def test_stacked_images_keep_their_preprocessing(toy_file):
    wider = initialize.first_convolution(toy_file, 6)
    assert wider.preprocess == toy_file.preprocess
    model = toy(9, 6, wider)
    assert model.get_layer("preprocess").mean == (1.0, 1.0, 1.0)


def test_another_kind_of_input_brings_its_preprocessing(toy_file):
    message = r"must be a multiple of 3.*Received: 4; give `preprocess`"
    with pytest.raises(ValueError, match=message):
        initialize.first_convolution(toy_file, 4)
    with pytest.raises(ValueError, match=r"Received: 0;"):
        initialize.first_convolution(toy_file, 0)
    depth = {"mean": (100.0,), "std": (50.0,)}
    model = toy(9, 4, initialize.first_convolution(toy_file, 4, depth))
    assert model.get_layer("preprocess").mean == (100.0,)


def test_first_convolution_that_is_not_there(toy_file):
    arrays = {n: a for n, a in toy_file.arrays.items() if n != "conv1/kernel"}
    with pytest.raises(WeightsError, match=r"toy\.npz: .*conv1/kernel, is missing\."):
        initialize.first_convolution(replace(toy_file, arrays=arrays), 6)
    arrays["conv1/kernel"] = np.zeros((3, 4))
    with pytest.raises(WeightsError, match=r"is of shape \(3, 4\)\."):
        initialize.first_convolution(replace(toy_file, arrays=arrays), 6)
    unknown = replace(toy_file, variant="v9")
    with pytest.raises(WeightsError, match=r"no backbone toy v9; there are resnet18,"):
        initialize.first_convolution(unknown, 6)


# Flow


# What TSN's code subtracts from flow and divides by, in the scale of its pixels.
@pytest.mark.parametrize(
    "rgb, step",
    [
        (preprocessing.CAFFE, 1.0),
        (preprocessing.TORCHVISION, 1 / 255 / np.mean([0.229, 0.224, 0.225])),
        (BACKBONE.preprocess, 1 / 127.5),
    ],
)
def test_flow_is_preprocessed_as_tsn_does(rgb, step):
    layer = Preprocess(**preprocessing.flow(rgb))
    fields = np.array([[128, 128, 128, 128], [129, 128, 128, 126]], np.float32)
    expected = np.array([[0, 0, 0, 0], [step, 0, 0, -2 * step]])
    np.testing.assert_allclose(layer(fields), expected, atol=1e-4 * step)


@pytest.mark.parametrize("order, place", [("rgb", 0), ("bgr", 2)])
def test_flow_image_has_no_effect_in_its_third_channel(order, place):
    rgb = preprocessing.TORCHVISION | {"channel_order": order}
    layer = Preprocess(**preprocessing.flow_image(rgb))
    images = np.array([[128, 128, 0], [129, 128, 0]], np.float32)
    expected = np.zeros((2, 3))
    expected[1, place] = 1 / 255 / 0.226  # x where the weights have red
    np.testing.assert_allclose(layer(images), expected, atol=1e-6)


def test_flow_tsn_from_rgb_tsn(tsn_file):
    model = models.TSN(5, **FLOW, weights=initialize.flow_from_rgb(tsn_file))
    found = assign.named_variables(model)
    for name in tsn_file.arrays.keys() - {"image_conv1/kernel"}:
        np.testing.assert_array_equal(found[name], tsn_file.arrays[name], err_msg=name)
    kernel = tsn_file.arrays["image_conv1/kernel"].mean(2, keepdims=True)
    assert_close(np.asarray(found["image_conv1/kernel"]), kernel.repeat(10, 2))
    settings = model.get_layer("preprocess").settings()
    assert settings["mean"] == pytest.approx([128 / 127.5] * 2)


@pytest.mark.parametrize("build", [models.TSN, models.TDN])
def test_flow_network_from_imagenet(build, toy_file):
    """One file for every subnetwork; the classifiers are the model's own."""
    flow = initialize.flow_from_rgb(toy_file)
    found = assign.named_variables(build(4, **FLOW, weights=flow))
    for name, variable in found.items():
        own = name.partition("_")[2]
        if not own.startswith("head"):
            np.testing.assert_array_equal(variable, flow.arrays[own], err_msg=name)


def test_flow_i3d_from_rgb_i3d():
    build = {"num_frames": 9, "frame_size": (16, 16)}
    model = models.I3D(3, **build)
    rgb = weights_of(model, "i3d", "i3d", "rgb", preprocessing.I3D["rgb"])
    flow = initialize.flow_from_rgb(rgb, 2)
    found = models.I3D(3, modality="flow", **build, weights=flow)
    kernel, mean = found.get_layer("conv1").kernel, model.get_layer("conv1").kernel
    mean = np.asarray(mean).mean(-2)
    for channel in range(2):
        np.testing.assert_allclose(kernel[..., channel, :], mean, rtol=1e-5, atol=1e-7)
    settings = found.get_layer("preprocess").settings()
    assert settings["mean"] == pytest.approx([128 / 127.5] * 2)


def test_flow_images_need_no_other_arrays(toy_file):
    flow = initialize.flow_image_from_rgb(toy_file)
    assert flow.arrays is toy_file.arrays
    settings = toy(9, 3, flow).get_layer("preprocess").settings()
    assert settings["mean"] == pytest.approx([128 / 127.5, 128 / 127.5, 0])


def test_flow_from_what_is_not_rgb(toy_file):
    flow = initialize.flow_from_rgb(toy_file)
    for again in (initialize.flow_from_rgb, initialize.flow_image_from_rgb):
        with pytest.raises(WeightsError, match=r"expects flow, but .* RGB"):
            again(flow)
    for odd in (5, 0):
        with pytest.raises(ValueError, match=rf"must be even.*Received: {odd}\."):
            initialize.flow_from_rgb(toy_file, odd)


def test_flow_from_flow_images(toy_file):
    """Three values in their preprocessing too, but no RGB."""
    images = initialize.flow_image_from_rgb(toy_file)
    with pytest.raises(WeightsError, match="expects flow_image, but weights for RGB"):
        initialize.flow_from_rgb(images)


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_preprocessing_tells_the_modality(order):
    rgb = preprocessing.TORCHVISION | {"channel_order": order}
    for settings in (rgb, UNEVEN, BACKBONE.preprocess, preprocessing.I3D["rgb"]):
        assert preprocessing.modality(settings) == "rgb"
    for settings in (preprocessing.flow(rgb), preprocessing.I3D["flow"]):
        assert preprocessing.modality(settings) == "flow"
    images = preprocessing.flow_image(rgb)
    assert preprocessing.modality(images) == "flow_image"
    assert preprocessing.modality(json.loads(json.dumps(images))) == "flow_image"
    assert preprocessing.modality(GREY) is None
    assert preprocessing.modality({"mean": (90, 100, 110), "std": (1, 1, 1)}) == "rgb"
    assert preprocessing.modality({}) == "rgb"


def test_a_header_that_leaves_out_what_is_usual(tmp_path):
    """It starts a flow network all the same, whose preprocessing needs every value."""
    model = models.TSN(5, **RGB)
    names = {"network": "tsn", "backbone": "toy", "variant": "v1"}
    save_weights(tmp_path / "weights.npz", model, **names)
    with np.load(tmp_path / "weights.npz") as data:
        arrays = dict(data)
    header = json.loads(str(arrays[read.HEADER]))
    header["preprocess"] = {"mean": [90, 100, 110], "std": [40, 50, 60]}
    arrays[read.HEADER] = np.array(json.dumps(header))
    np.savez(tmp_path / "weights.npz", **arrays)
    flow = models.TSN(5, **FLOW, weights=tmp_path / "weights.npz")
    assert flow.get_layer("preprocess").settings() == {
        "channel_order": "rgb",
        "scale": 1.0,
        "mean": [128.0, 128.0],
        "std": [50.0, 50.0],
    }


# Modalities: what builders do of their own accord


@pytest.mark.parametrize("build, network", [(models.TSN, "tsn"), (models.TDN, "tdn")])
@pytest.mark.parametrize("source", ["backbone", "own"])
def test_rgb_weights_start_a_flow_network_aloud(
    build, network, source, toy_file, caplog
):
    rgb = toy_file
    if source == "own":
        rgb = weights_of(randomized(build(5, **RGB)), network)
        rgb = replace(rgb, differences=None)
    found = assign.named_variables(build(5, **FLOW, weights=rgb))
    assert "weights for RGB start a network for flow: the first kernel" in caplog.text
    expected = initialize.flow_from_rgb(rgb)
    for name, variable in found.items():
        own = name if source == "own" else name.partition("_")[2]
        if not own.startswith("head"):
            np.testing.assert_array_equal(variable, expected.arrays[own], err_msg=name)


def test_rgb_weights_start_a_flow_image_network(toy_file, caplog):
    """(x, y) is answered as the RGB network answers the colours that it becomes."""
    build = TOY | {"modality": "flow_image", "frame_shape": (32, 32, 2)}
    model = models.TSN(5, **build, weights=toy_file)
    assert "start a network for flow_image: arrays as they are" in caplog.text
    rgb = models.TSN(5, **RGB, weights=toy_file)
    rgb.get_layer("image_head").set_weights(model.get_layer("image_head").get_weights())
    flow = pixels(2, 2, 32, 32, 2)
    # toy's colours are 0 at 127.5, flow at 128.
    colours = np.concatenate([flow - 0.5, np.full((2, 2, 32, 32, 1), 127.5)], -1)
    assert_close(np.asarray(model(flow)), np.asarray(rgb(colours)))


@pytest.mark.parametrize("modality, channels", [("flow", 10), ("flow_image", 2)])
@pytest.mark.parametrize("build, network", [(models.TSN, "tsn"), (models.TDN, "tdn")])
def test_a_flow_networks_own_weights_load_as_they_are(
    build, network, modality, channels, tmp_path, caplog
):
    arguments = TOY | {"modality": modality, "frame_shape": (32, 32, channels)}
    model = randomized(build(5, **arguments))
    names = {"network": network, "backbone": "toy", "variant": "v1"}
    save_weights(tmp_path / "weights.npz", model, **names)
    again = build(5, **arguments, weights=tmp_path / "weights.npz")
    assert not caplog.text
    clip = pixels(2, 2, 32, 32, channels)
    one, other = model(clip), again(clip)
    if network == "tdn":
        one, other = one["logits"], other["logits"]
    np.testing.assert_array_equal(one, other)
    settings = [m.get_layer("preprocess").settings() for m in (model, again)]
    assert settings[0] == settings[1]


def test_weights_for_flow_do_not_enter_an_rgb_network(tsn_file, toy_file):
    """Nor one on another kind of flow, nor on other channels."""
    for rgb, build in ((tsn_file, models.TSN), (toy_file, models.TDN)):
        flow = initialize.flow_from_rgb(rgb)
        with pytest.raises(
            WeightsError,
            match=r"npz: holds weights for flow, but the network is for rgb\. Give "
            r"weights for RGB, or build it with modality='flow'\.",
        ):
            build(5, **RGB, weights=flow)
    images = initialize.flow_image_from_rgb(tsn_file)
    with pytest.raises(WeightsError, match="flow_image, but the network is for rgb"):
        models.TSN(5, **RGB, weights=images)
    with pytest.raises(WeightsError, match="is for flow. Give weights for flow or RGB"):
        models.TSN(5, **FLOW, weights=images)
    grey = initialize.first_convolution(tsn_file, 10, GREY)
    with pytest.raises(WeightsError, match=r"images of 1 channels.* or RGB\.$"):
        models.TSN(5, **FLOW, weights=grey)
    six = initialize.flow_from_rgb(tsn_file, 6)
    with pytest.raises(WeightsError, match=r"In the file only: image_conv1/kernel"):
        models.TSN(5, **FLOW, weights=six)


def test_flow_tdn_of_section_5_3_4(tsn_file, toy_file, tmp_path):
    """From a flow TSN's file and ImageNet's; its image subnetwork is that TSN."""
    tsn = models.TSN(5, **FLOW, weights=tsn_file)
    names = {"network": "tsn", "backbone": "toy", "variant": "v1"}
    save_weights(tmp_path / "flow_tsn.npz", tsn, **names)
    start = initialize.tdn_from_subnetworks(
        open_weights(tmp_path / "flow_tsn.npz"), initialize.flow_from_rgb(toy_file)
    )
    tdn = models.TDN(5, **FLOW, weights=start)
    clip = pixels(2, 2, 32, 32, 10)
    assert_close(np.asarray(tdn(clip)["image"]), np.asarray(tsn(clip)))
    kernel = np.asarray(tdn.get_layer("difference_conv1").kernel)
    average = toy_file.arrays["conv1/kernel"].mean(2)
    assert kernel.shape == (5, 5, 10, 16)
    for channel in range(10):
        np.testing.assert_allclose(kernel[:, :, channel], average, rtol=1e-5, atol=1e-7)


# Several frames


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_identical_stacked_frames_get_the_single_frames_answer(num_frames, toy_file):
    single = replace(toy_file, preprocess=UNEVEN)
    several = initialize.multi_frame_from_single(single, num_frames)
    images = pixels(2, 32, 32, 3)
    expected = toy(9, 3, single)(images, training=False)
    stacked = np.tile(images, num_frames)
    found = toy(9, 3 * num_frames, several)(stacked, training=False)
    assert_close(np.asarray(found), np.asarray(expected))


def test_stacked_frames_in_a_tsn(tsn_file):
    clip = pixels(1, 2, 32, 32, 3)
    single = models.TSN(5, **RGB, weights=tsn_file)
    arguments = RGB | {"frame_shape": (32, 32, 6)}
    file = initialize.multi_frame_from_single(tsn_file, 2)
    several = models.TSN(5, **arguments, weights=file)
    expected = single(clip, training=False)
    assert_close(np.asarray(several(np.tile(clip, 2), training=False)), expected)


def test_tsn_answers_as_its_single_frame_network(toy_file):
    """The mean of the frames' answers; one frame's, if all are it."""
    images = pixels(3, 32, 32, 3)
    logits = np.asarray(toy(9, 3, toy_file)(images, training=False))
    file = initialize.tsn_from_single_frame(toy_file)
    model = models.TSN(9, **RGB | {"num_segments": 3}, weights=file)
    assert_close(np.asarray(model(images[None], training=False))[0], logits.mean(0))
    still = np.repeat(images[:1, None], 3, 1)
    assert_close(np.asarray(model(still, training=False)), logits[:1])


def test_tsn_has_any_number_of_segments(tsn_file):
    frame = pixels(1, 1, 32, 32, 3)
    expected = models.TSN(5, **RGB | {"num_segments": 1}, weights=tsn_file)(frame)
    model = models.TSN(5, **RGB | {"num_segments": 4}, weights=tsn_file)
    assert_close(np.asarray(model(np.repeat(frame, 4, 1))), np.asarray(expected))


def test_single_frame_networks_without_such_a_tsn(tsn_file):
    with pytest.raises(WeightsError, match="of tsn, not of a classifier of images on"):
        initialize.tsn_from_single_frame(tsn_file)
    vgg = replace(tsn_file, network="vgg16", backbone="vgg16", variant="D")
    with pytest.raises(WeightsError, match="vgg16 stands on fc6 and fc7, which a TSN"):
        initialize.tsn_from_single_frame(vgg)
    with pytest.raises(ValueError, match=r"`num_frames` must be >= 1\. Received: 0\."):
        initialize.multi_frame_from_single(tsn_file, 0)


# The difference subnetwork


@pytest.mark.parametrize("merge", ["sum", "gate"])
def test_difference_subnetwork_starts_as_the_image_subnetwork(merge, tsn_file):
    """After a frame whose pixels become 0, a difference is the next frame itself."""
    file = initialize.difference_from_image(tsn_file)
    inputs_alone = {"difference_layers": ("input",), "difference_merge": merge}
    model = models.TDN(5, **RGB, **inputs_alone, weights=file)
    clip = np.stack([np.full((1, 32, 32, 3), 127.5), pixels(1, 32, 32, 3)], 1)
    found = answers(model, ("image_pool", "difference_pool"), clip)
    assert_close(found["difference_pool"][0], found["image_pool"][1])
    logits = models.TSN(5, **RGB, weights=tsn_file)(clip)
    assert_close(np.asarray(model(clip)["image"]), np.asarray(logits))


def test_difference_classifier_and_merges_are_the_models_own(tsn_file):
    build = RGB | {"difference_merge": "conv"}
    keras.utils.set_random_seed(5)
    fresh = assign.named_variables(models.TDN(5, **build))
    keras.utils.set_random_seed(5)
    file = initialize.difference_from_image(tsn_file)
    model = models.TDN(5, **build, weights=file)
    for name, variable in assign.named_variables(model).items():
        own = name.startswith("difference_head") or name.partition("/")[0] in (
            f"{stage}_merge" for stage in BACKBONE.stages
        )
        expected = fresh[name] if own else file.arrays[name]
        np.testing.assert_array_equal(variable, expected, err_msg=name)


def test_difference_from_a_tdns_own_image_subnetwork(tsn_file, tmp_path):
    tdn = randomized(models.TDN(5, **RGB), seed=4)
    path = tmp_path / "tdn.npz"
    save_weights(path, tdn, network="tdn", backbone="toy", variant="v1")
    opened = open_weights(path)
    file = initialize.difference_from_image(opened)
    for name, array in file.arrays.items():
        subnetwork, _, own = name.partition("_")
        np.testing.assert_array_equal(array, opened.arrays[f"image_{own}"], name)
    assert {n.partition("_")[0] for n in file.arrays} == {"image", "difference"}


def test_flow_tdn_from_flow_tsn_and_imagenet(tsn_file, toy_file, caplog):
    flow_tsn = initialize.flow_from_rgb(tsn_file)
    imagenet = initialize.flow_from_rgb(toy_file)
    with caplog.at_level(logging.INFO, "vidzoo"):
        model = models.TDN(
            5, **FLOW, weights=initialize.tdn_from_subnetworks(flow_tsn, imagenet)
        )
    assert "difference_head of 9 classes is left out; the model's, of 5," in caplog.text
    for name, variable in assign.named_variables(model).items():
        subnetwork, _, own = name.partition("_")
        if subnetwork == "image":  # its trained classifier too
            expected = flow_tsn.arrays[name]
        elif own.startswith("head"):
            continue
        else:
            expected = imagenet.arrays[own]
        np.testing.assert_array_equal(variable, expected, err_msg=name)


def test_hidden_layers_stay_out_of_a_tdn():
    arrays = {
        **{"conv1_1/kernel": np.ones((3, 3, 3, 2)), "fc6/kernel": np.ones((2, 2))},
        **{"head/kernel": np.ones((2, 4)), "head/bias": np.ones(4)},
    }
    vgg = WeightsFile(
        Path("vgg.npz"), "vgg16", "vgg16", "D", preprocessing.CAFFE, arrays
    )
    trained = {"image_conv1_1/kernel": arrays["conv1_1/kernel"]}
    file = initialize.tdn_from_subnetworks(
        replace(vgg, network="tsn", arrays=trained), vgg
    )
    assert set(file.arrays) == {"image_conv1_1/kernel", "difference_conv1_1/kernel"}
    assert file.left_out == {"difference_head": 4}


def test_subnetworks_that_do_not_belong_together(tsn_file, toy_file):
    join = initialize.tdn_from_subnetworks
    with pytest.raises(WeightsError, match="holds weights of toy, not of tsn or tdn"):
        join(toy_file, tsn_file)
    with pytest.raises(WeightsError, match="the backbone is resnet18, but toy in tsn"):
        join(tsn_file, replace(toy_file, backbone="resnet18"))
    with pytest.raises(WeightsError, match="toy's variant is v9, but v1 in tsn"):
        join(tsn_file, replace(toy_file, variant="v9"))
    with pytest.raises(WeightsError, match="other pixels .* after `flow_from_rgb`"):
        join(initialize.flow_from_rgb(tsn_file), toy_file)
    scaled = BACKBONE.preprocess | {"std": (1.0, 1.0, 1.1)}
    with pytest.raises(WeightsError, match="other pixels"):
        join(tsn_file, replace(toy_file, preprocess=scaled))
    # Means cancel in a difference.
    join(
        tsn_file,
        replace(toy_file, preprocess=BACKBONE.preprocess | {"mean": (0.9, 1.0, 1.1)}),
    )


# Inflation


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_inflated_kernel_answers_a_still_video_as_the_image(num_frames):
    random = np.random.default_rng(0)
    kernel = random.normal(size=(3, 5, 2, 4)).astype(np.float32)
    image = random.normal(size=(1, 8, 9, 2)).astype(np.float32)
    video = np.repeat(image[:, None], 6, 1)
    inflated = initialize.inflate_kernel(kernel, num_frames)
    assert inflated.shape == (num_frames, 3, 5, 2, 4)
    assert inflated.dtype == np.float32
    expected = np.asarray(keras.ops.conv(image, kernel))
    found = np.asarray(keras.ops.conv(video, inflated))
    assert found.shape[1] == 7 - num_frames  # "valid": without borders
    assert_close(found, np.repeat(expected[:, None], found.shape[1], 1))


def test_inflated_resnet18_answers_a_still_video_as_the_image(resnet18):
    """In every map, at the frame that no border reaches.

    A border reaches 1 frame through conv1, 4 more through res2, and 7, 14 and 28 more
    through the next stages, at strides of 1, 2 and 4: 54 in all.
    """
    file = weights_of(
        resnet18, "resnet18", "resnet18", "v1.5", preprocessing.TORCHVISION
    )
    before = {name: array.copy() for name, array in file.arrays.items()}
    arguments = {"num_frames": 112, "frame_shape": (32, 32, 3)}
    model = models.ResNet3D(
        7, variant="actionflownet", **arguments, weights=initialize.inflate(file)
    )
    assert_arrays(file.arrays, before)
    image = pixels(1, 32, 32, 3)
    names = ("pool1", *(f"res{i}_block2_relu" for i in (2, 3, 4, 5)))
    expected = answers(resnet18, names, image)
    found = answers(model, names, np.repeat(image[:, None], 112, 1))
    for name in names:
        middle = found[name].shape[1] // 2
        assert_close(found[name][:, middle], expected[name])
    # Near an end it is another answer: the padding is black.
    ends = np.abs(found["pool1"][:, 0] - expected["pool1"]).max()
    assert ends > 0.01 * np.abs(expected["pool1"]).max()
    head = assign.named_variables(model)["head/kernel"]
    np.testing.assert_array_equal(head, before["head/kernel"])


def test_only_resnet18_is_inflated(toy_file):
    with pytest.raises(WeightsError, match="of toy; only those of resnet18 can be"):
        initialize.inflate(toy_file)


# ActionFlowNet's encoder


def test_r3d18_enters_the_encoder_as_a_named_initialisation_only(r3d18_file, caplog):
    arguments = {"num_frames": 4, "frame_shape": (16, 16, 3)}
    arguments["variant"] = "actionflownet"
    message = (
        "holds resnet3d torchvision, but this network is resnet3d actionflownet; "
        r".* vidzoo\.weights\.initialize\.actionflownet_encoder_from_r3d18\.$"
    )
    with pytest.raises(WeightsError, match=message):
        models.ResNet3D(4, **arguments, weights=r3d18_file)
    with caplog.at_level(logging.INFO, "vidzoo"):
        file = initialize.actionflownet_encoder_from_r3d18(r3d18_file)
        model = models.ResNet3D(6, **arguments, weights=file)
    assert "as an initialisation of ActionFlowNet's encoder, which is not the same" in (
        caplog.text
    )
    assert "head of 4 classes is left out; the model's, of 6," in caplog.text
    found = assign.named_variables(model)
    for name in found.keys() - {"head/kernel", "head/bias"}:
        np.testing.assert_array_equal(found[name], r3d18_file.arrays[name], name)
    # And what is an encoder now is none of torchvision's any more.
    with pytest.raises(WeightsError, match=r"would be wrong\.$"):
        assign.assign_network(model, file, "resnet3d", "torchvision")


def test_encoder_from_something_else(toy_file, r3d18_file):
    with pytest.raises(WeightsError, match=r"of toy v1, not of .* \(r3d_18\)\."):
        initialize.actionflownet_encoder_from_r3d18(toy_file)
    file = initialize.actionflownet_encoder_from_r3d18(r3d18_file)
    with pytest.raises(WeightsError, match="of resnet3d actionflownet, not of"):
        initialize.actionflownet_encoder_from_r3d18(file)


# Another number of classes


@pytest.mark.parametrize("num_classes", [5, 4])
def test_classifier_is_left_out_aloud(num_classes, tsn_file, caplog):
    """Also where the number is the same."""
    keras.utils.set_random_seed(7)
    fresh = assign.named_variables(models.TSN(num_classes, **RGB))
    keras.utils.set_random_seed(7)
    with caplog.at_level(logging.INFO, "vidzoo"):
        file = initialize.another_number_of_classes(tsn_file)
        model = models.TSN(num_classes, **RGB, weights=file)
    assert (
        "tsn.npz: the classifier image_head of 5 classes is left out; the model's, of "
        f"{num_classes}, starts afresh."
    ) in caplog.text
    for name, variable in assign.named_variables(model).items():
        own = name.startswith("image_head")
        expected = fresh[name] if own else tsn_file.arrays[name]
        np.testing.assert_array_equal(variable, expected, err_msg=name)


def test_both_classifiers_of_a_tdn_are_left_out(caplog, tmp_path):
    path = tmp_path / "tdn.npz"
    model = models.TDN(5, **RGB, difference_layers=("input",))
    save_weights(path, model, network="tdn", backbone="toy", variant="v1")
    file = initialize.another_number_of_classes(open_weights(path))
    with caplog.at_level(logging.INFO, "vidzoo"):
        models.TDN(3, **RGB, difference_layers=("input",), weights=file)
    for head in ("image_head", "difference_head"):
        assert f"classifier {head} of 5 classes is left out; the model's, of 3" in (
            caplog.text
        )
    with pytest.raises(WeightsError, match="its differences are input_motion"):
        models.TDN(3, **RGB, weights=file)


def test_image_classifier_of_other_classes(toy_file):
    file = initialize.another_number_of_classes(toy_file)
    assert toy(4, 3, file).output.shape == (None, 4)
    assert initialize.another_number_of_classes(file).left_out == {"head": 9}


def test_weights_without_a_classifier(toy_file):
    arrays = {"conv1/kernel": toy_file.arrays["conv1/kernel"]}
    with pytest.raises(WeightsError, match=r"toy\.npz: has no classifier, .* head/k"):
        initialize.another_number_of_classes(replace(toy_file, arrays=arrays))


# Into a model: still all or nothing


def test_initialisations_compose(toy_file):
    file = initialize.first_convolution(
        initialize.another_number_of_classes(
            initialize.tsn_from_single_frame(toy_file)
        ),
        6,
    )
    assert file.left_out == {"image_head": 9}
    models.TSN(3, **TOY, frame_shape=(32, 32, 6), weights=file)


def test_an_initialisation_is_not_the_public_weights(toy_file):
    public = replace(toy_file, preset="resnet50_torchvision")
    for file in (
        initialize.flow_from_rgb(public),
        initialize.flow_image_from_rgb(public),
        initialize.multi_frame_from_single(public, 2),
        initialize.tsn_from_single_frame(public),
        initialize.another_number_of_classes(public),
    ):
        assert file.preset is None


def test_weights_already_read_are_taken(tsn_file):
    assert open_weights(tsn_file) is tsn_file


def test_what_else_is_missing_is_an_error(tsn_file):
    file = initialize.another_number_of_classes(tsn_file)
    arrays = {n: a for n, a in file.arrays.items() if n != "image_conv1_bn/beta"}
    message = r"does not fit the model\. In the model only: image_conv1_bn/beta \(16,\)"
    with pytest.raises(WeightsError, match=message):
        models.TSN(3, **RGB, weights=replace(file, arrays=arrays))
    tdn = initialize.difference_from_image(tsn_file)
    arrays = {n: a for n, a in tdn.arrays.items() if n != "difference_conv1/kernel"}
    with pytest.raises(WeightsError, match="In the model only: difference_conv1/k"):
        models.TDN(5, **RGB, weights=replace(tdn, arrays=arrays))
