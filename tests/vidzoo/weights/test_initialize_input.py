"""Initialisations for other inputs: other channels, flow, what builders do."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.vidzoo.weights.networks import (
    BACKBONE,
    FLOW,
    GREY,
    RGB,
    TOY,
    UNEVEN,
    assert_arrays,
    assert_close,
    pixels,
    randomized,
    shapes,
    toy,
    weights_of,
)
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.layers import Preprocess
from vidzoo.models import backbones, i3d, resnet3d
from vidzoo.weights import (
    assign,
    initialize,
    open_weights,
    preprocessing,
    read,
    save_weights,
)

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
