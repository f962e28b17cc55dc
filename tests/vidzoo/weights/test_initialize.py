"""Initialisations: what they compute, by properties, and what they refuse.

Those for other channels and modalities are in `test_initialize_input.py`.
"""

import logging
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.vidzoo.weights.networks import (
    BACKBONE,
    FLOW,
    RGB,
    TOY,
    UNEVEN,
    answers,
    assert_arrays,
    assert_close,
    pixels,
    randomized,
    toy,
    weights_of,
)
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.weights import (
    WeightsFile,
    assign,
    initialize,
    open_weights,
    preprocessing,
    save_weights,
)


@pytest.fixture(scope="module")
def resnet18():
    keras.utils.set_random_seed(3)
    return randomized(models.ResNet18(7, image_shape=(32, 32, 3)))


@pytest.fixture(scope="module")
def r3d18_file():
    model = models.ResNet3D(4, num_frames=4, frame_shape=(16, 16, 3))
    settings = preprocessing.TORCHVISION_KINETICS
    return weights_of(model, "resnet3d", "resnet3d", "torchvision", settings)


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
