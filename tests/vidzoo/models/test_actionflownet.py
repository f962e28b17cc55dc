"""Networks that predict flow: the source's sizes, and what they must mean."""

import logging
import math
from functools import partial

import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models import actionflownet
from vidzoo.weights import initialize, open_weights, save_weights

CLIP = {"backbone": "toy3d", "num_frames": 8, "frame_shape": (32, 32, 3)}
PAIR = {"backbone": "toy", "frame_shape": (32, 32, 6)}
PARTS_3D = {"backbone": "toy3d", "variant": "v1"}
PARTS_2D = {"backbone": "toy", "variant": "v1"}
HEAD = 512 * 101 + 101


def num_parameters(model):
    return sum(math.prod(v.shape) for v in model.trainable_variables)


def values(model):
    return {
        f"{layer.name}/{variable.name}": np.asarray(variable)
        for layer in model.layers
        for variable in layer.weights
        if variable.dtype != "uint32"
    }


def pixels(model, seed=0):
    shape = (2, *model.input.shape[1:])
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def saved(path, model, network, **parts):
    save_weights(path, model, network=network, **parts)
    return path


@pytest.fixture(scope="module")
def full():
    return models.ActionFlowNet(101)


def test_full_size_is_the_sources(full):
    """Section 4.3.2: the last map is 512 x 2 x 7 x 7 for 16 frames of 224 pixels."""
    maps = full.get_layer("head_pool").input
    assert maps.shape == (None, 2, 7, 7, 512)
    assert full.output["flow"].shape == (None, 16, 56, 56, 2)
    assert full.output["logits"].shape == (None, 101)


def test_classifier_has_the_encoders_parameters_alone(full):
    alone = actionflownet.classifier(full)
    assert num_parameters(alone) - HEAD == 33_166_272
    assert not [x.name for x in alone.layers if x.name.startswith("decoder")]
    assert alone.output.shape == (None, 101)
    assert num_parameters(models.ActionFlowNet(101, decoder=False)) == num_parameters(
        alone
    )


def test_decoder_is_what_docs_say(full):
    """Kernels of 4x4x4, three of them, and 3x3x3 to two channels."""
    expected = 64 * (512 * 256 + 512 * 128 + 256 * 64) + 256 + 128 + 64
    expected += 27 * 128 * 2 + 2
    assert num_parameters(full) - HEAD - 33_166_272 == expected


@pytest.mark.parametrize(
    "build", [partial(models.FlowNet3D, **CLIP), partial(models.FlowNet2F, **PAIR)]
)
def test_training_begins_near_zero_flow(build):
    """On noise: with Glorot's weights it would have 0.07 to 0.9 pixels."""
    keras.utils.set_random_seed(0)
    model = build()
    for name, flow in model(pixels(model)).items():
        assert 0 < np.abs(flow).max() < 0.02, name


def test_two_frames_have_resnet18s_parameters():
    """11,176,512 without its classifier, and conv1 on six channels in place of 3."""
    alone = models.ActionFlowNet2F(101, decoder=False)
    assert num_parameters(alone) - HEAD == 11_176_512 + 7 * 7 * 3 * 64
    flows = models.FlowNet2F().output
    sizes = {name: tuple(flow.shape[1:]) for name, flow in flows.items()}
    assert sizes == {
        "flow_res5": (1, 7, 7, 2),
        "flow_res4": (1, 14, 14, 2),
        "flow_res3": (1, 28, 28, 2),
        "flow": (1, 56, 56, 2),
    }


def test_stacked_is_resnet18_without_its_first_stage_on_flow():
    stacked = models.StackedFlowClassifier(101)
    flownet = num_parameters(models.FlowNet2F())
    conv1 = 7 * 7 * 3 * 64 + 2 * 64
    projection = 2 * 64 + 2 * 64
    expected = 11_176_512 - conv1 + projection + HEAD
    assert num_parameters(stacked) - flownet == expected
    whole = models.StackedFlowClassifier(101, upsample=True)
    expected = 11_176_512 - 7 * 7 * 1 * 64 + HEAD  # two channels in place of three
    assert num_parameters(whole) - flownet == expected


def test_stacked_enlarges_bilinearly():
    model = models.StackedFlowClassifier(5, upsample=True, **PAIR)
    layer = model.get_layer("flownet_upsample")
    ramp = np.arange(8, dtype=np.float32)[None, :, None, None] * np.ones((1, 8, 8, 2))
    enlarged = np.asarray(layer(ramp.astype("float32")))[0, :, 0, 0]
    assert enlarged.shape == (32,)
    np.testing.assert_allclose(np.diff(enlarged[2:-2]), 0.25, atol=1e-6)


@pytest.mark.parametrize(
    "build",
    [
        partial(models.ActionFlowNet, 5, **CLIP),
        partial(models.ActionFlowNet2F, 5, **PAIR),
    ],
)
def test_classifier_gives_identical_logits(build):
    model = build()
    clip = pixels(model)
    both = model(clip, training=False)["logits"]
    alone = actionflownet.classifier(model)(clip, training=False)
    np.testing.assert_array_equal(alone, both)


def test_classifier_needs_logits():
    with pytest.raises(ValueError, match=r"output `logits`, .* \['flow', 'flow_res3'"):
        actionflownet.classifier(models.FlowNet2F(**PAIR))
    with pytest.raises(ValueError, match="Received: one output"):
        actionflownet.classifier(models.StackedFlowClassifier(5, **PAIR))


def test_the_last_field_sees_the_frames_before_it():
    """The future flow depends on the frames shown; no frame beyond them is there."""
    model = models.FlowNet3D(**CLIP)
    clip = pixels(model).astype(np.float32)
    other = clip.copy()
    other[:, -1] = 255 - other[:, -1]
    found = [np.asarray(model(x, training=False)["flow"]) for x in (clip, other)]
    assert np.abs(found[0][:, -1] - found[1][:, -1]).max() > 1e-3


@pytest.mark.parametrize(
    "flownet, network, name, parts",
    [
        (
            partial(models.FlowNet3D, **CLIP),
            partial(models.ActionFlowNet, 5, **CLIP),
            "flownet3d",
            PARTS_3D,
        ),
        (
            partial(models.FlowNet2F, **PAIR),
            partial(models.ActionFlowNet2F, 5, **PAIR),
            "flownet2f",
            PARTS_2D,
        ),
    ],
)
def test_a_flownet_starts_an_actionflownet(
    flownet, network, name, parts, tmp_path, caplog
):
    trained = flownet()
    file = saved(tmp_path / "flow.npz", trained, name, **parts)
    caplog.set_level(logging.WARNING, "vidzoo")
    start = network(weights=file)
    assert f"weights of {name}" in caplog.text and "started afresh: head" in caplog.text
    clip = pixels(trained)
    expected = trained(clip, training=False)
    found = start(clip, training=False)
    for output in expected:
        np.testing.assert_array_equal(found[output], expected[output])
    alone = network(decoder=False, weights=file)
    assert "left out: decoder" in caplog.text
    encoder = {k: v for k, v in values(start).items() if k.startswith("encoder")}
    assert encoder
    for key, value in encoder.items():
        np.testing.assert_array_equal(values(alone)[key], value)


def test_an_actionflownet_starts_a_flownet(tmp_path):
    trained = models.ActionFlowNet(5, **CLIP)
    file = saved(tmp_path / "a.npz", trained, "actionflownet", **PARTS_3D)
    flownet = models.FlowNet3D(weights=file, **CLIP)
    clip = pixels(trained)
    np.testing.assert_array_equal(
        flownet(clip, training=False)["flow"], trained(clip, training=False)["flow"]
    )


def test_own_weights_come_back_and_another_k_is_refused(tmp_path):
    trained = models.ActionFlowNet2F(5, **PAIR)
    file = saved(tmp_path / "a.npz", trained, "actionflownet2f", **PARTS_2D)
    again = models.ActionFlowNet2F(5, weights=file, **PAIR)
    for key, value in values(trained).items():
        np.testing.assert_array_equal(values(again)[key], value)
    with pytest.raises(WeightsError, match=r"head/bias \(5,\).*another_number_of"):
        models.ActionFlowNet2F(6, weights=file, **PAIR)
    changed = initialize.another_number_of_classes(open_weights(file))
    assert models.ActionFlowNet2F(6, weights=changed, **PAIR).output["logits"].shape[
        1:
    ] == (6,)


def test_stacked_takes_a_flownet(tmp_path, caplog):
    trained = models.FlowNet2F(**PAIR)
    file = saved(tmp_path / "flow.npz", trained, "flownet2f", **PARTS_2D)
    caplog.set_level(logging.WARNING, "vidzoo")
    stacked = models.StackedFlowClassifier(5, weights=file, **PAIR)
    assert "started afresh: classifier, head" in caplog.text
    for key, value in values(trained).items():
        if key.startswith(("encoder", "decoder")):
            np.testing.assert_array_equal(values(stacked)[f"flownet_{key}"], value)
    own = saved(tmp_path / "own.npz", stacked, "stacked_flow", **PARTS_2D)
    again = models.StackedFlowClassifier(5, weights=own, **PAIR)
    clip = pixels(stacked)
    np.testing.assert_array_equal(
        again(clip, training=False), stacked(clip, training=False)
    )


def test_one_frames_weights_start_two(tmp_path):
    """Two equal frames get the maps that the one frame got."""
    one = models.TSN(5, num_segments=1, backbone="toy", frame_shape=(32, 32, 3))
    file = saved(tmp_path / "tsn.npz", one, "tsn", **PARTS_2D)
    alone = initialize.backbone_alone(open_weights(file))
    pair = models.ActionFlowNet2F(5, weights=alone, **PAIR)
    frame = pixels(one)
    maps = _maps(one, "image_pool")(frame)
    found = _maps(pair, "head_pool")(np.concatenate([frame, frame], axis=-1))
    np.testing.assert_allclose(found, maps, atol=1e-5)


def _maps(model, layer):
    return keras.Model(model.input, model.get_layer(layer).input)


def test_r3d_18_starts_the_encoder(tmp_path):
    r3d = models.ResNet3D(7, num_frames=8, frame_shape=(32, 32, 3))
    file = saved(
        tmp_path / "r3d.npz",
        r3d,
        "resnet3d",
        backbone="resnet3d",
        variant="torchvision",
    )
    size = {"num_frames": 8, "frame_shape": (32, 32, 3)}
    with pytest.raises(WeightsError, match="actionflownet_encoder_from_r3d18"):
        models.ActionFlowNet(5, weights=file, **size)
    start = initialize.actionflownet_encoder_from_r3d18(open_weights(file))
    found = values(models.ActionFlowNet(5, weights=start, **size))
    for key, value in values(r3d).items():
        if not key.startswith(("head", "preprocess")):
            np.testing.assert_array_equal(found[f"encoder_{key}"], value)


@pytest.mark.parametrize("num_frames", [15, 0, 17, -8])
def test_frames_that_do_not_fit_are_refused(num_frames):
    message = rf"`num_frames` must be a multiple of 8, .* Received: {num_frames}\."
    for build in (partial(models.ActionFlowNet, 5), models.FlowNet3D):
        with pytest.raises(ValueError, match=message):
            build(**CLIP | {"num_frames": num_frames})


@pytest.mark.parametrize("frame_shape", [(32, 40, 3), (32, 32, 6), (0, 32, 3)])
def test_sizes_that_do_not_fit_are_refused(frame_shape):
    with pytest.raises(ValueError, match=r"\(H, W, 3\), with H and W multiples of 32"):
        models.FlowNet3D(backbone="toy3d", frame_shape=frame_shape)


def test_a_clip_of_15_frames_is_refused():
    model = models.ActionFlowNet(5, **CLIP | {"num_frames": 16})
    clip = np.zeros((1, 15, 32, 32, 3), np.uint8)
    with pytest.raises(ValueError, match="expected shape=.*16"):
        model(clip)


def test_backbones_of_other_stages_are_refused():
    with pytest.raises(ValueError, match=r"1/4, 1/8, 1/16, 1/32 .* vgg16, with 1/"):
        models.FlowNet2F(backbone="vgg16", frame_shape=(64, 64, 6))
    with pytest.raises(ValueError, match=r"\('resnet3d', 'tiny3d', 'toy3d'\). .*'toy'"):
        models.FlowNet3D(backbone="toy")


def test_weights_of_other_networks_are_refused(tmp_path):
    pair = models.FlowNet2F(**PAIR)
    file = saved(tmp_path / "f.npz", pair, "flownet2f", **PARTS_2D)
    with pytest.raises(WeightsError, match="of flownet2f, not of flownet3d or of its"):
        models.FlowNet3D(weights=file, **CLIP)
    with pytest.raises(WeightsError, match="backbone toy, but .* on resnet18"):
        models.FlowNet2F(weights=file, frame_shape=(32, 32, 6))
