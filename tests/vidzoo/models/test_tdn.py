"""TDN: the differences mean what section 5.3.2 says."""

import keras
import numpy as np
import pytest

from tests.vidzoo.models.test_backbones import num_trainable
from vidzoo import models
from vidzoo.models import backbones
from vidzoo.models.tdn import temporal_difference

STAGES = ("conv1", "res2", "res3", "res4")
MOTIONS = tuple(f"{place}_motion" for place in ("input", *STAGES))
TOY = {"backbone": "toy", "frame_shape": (32, 32, 3)}
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return models.TDN(5, num_segments=3, **TOY)


@pytest.fixture
def clip():
    return np.random.default_rng(1).integers(0, 256, (2, 3, 32, 32, 3))


def motions(model, clip):
    outputs = {name: model.get_layer(name).output for name in MOTIONS}
    found = keras.Model(model.input, outputs)(clip, training=False)
    return {name: np.asarray(value) for name, value in found.items()}


def test_full_size_has_the_published_parameters():
    model = models.TDN(num_classes=51)
    assert num_trainable(model) == 47_225_062 == 2 * 23_612_531
    assert model.input.shape == (None, 3, 224, 224, 3)
    shapes = [model.get_layer(name).output.shape for name in MOTIONS]
    assert [shape[1] for shape in shapes] == [2] * 5  # s - 1 pairs
    assert [shape[2] for shape in shapes] == [224, 56, 56, 28, 14]
    assert not any(layer.name == "res5_motion" for layer in model.layers)


def test_flow_has_ten_channels_in_both_first_convolutions():
    model = models.TDN(51, modality="flow")
    assert model.input.shape == (None, 3, 224, 224, 10)
    assert num_trainable(model) == 47_225_062 + 2 * 7 * 7 * (10 - 3) * 64


@pytest.mark.parametrize("modality, channels", [("flow", 4), ("flow_image", 2)])
def test_steady_flow_has_exactly_no_motion(modality, channels):
    """The same flow in every snippet; the difference subnetwork sees a change only."""
    shape = (32, 32, channels)
    model = models.TDN(5, backbone="toy", modality=modality, frame_shape=shape)
    clip = np.repeat(RANDOM.integers(0, 256, (2, 1, *shape)), 3, axis=1)
    for name, motion in motions(model, clip).items():
        assert not np.any(motion), name
    clip[:, 1] = 255 - clip[:, 1]
    for name, motion in motions(model, clip).items():
        assert np.any(motion), name


def test_temporal_difference_is_the_next_map_minus_this_one():
    maps = keras.Input((2, 2, 1))
    model = keras.Model(maps, temporal_difference(maps, 3, "motion"))
    x = RANDOM.normal(size=(2, 3, 2, 2, 1)).astype("float32")  # (N, T, H, W, C)
    found = model(x.reshape(6, 2, 2, 1))
    expected = [
        x[n, t + 1] - x[n, t] for n in range(2) for t in range(2)
    ]  # a video's pairs stay together
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("backbone", ["toy", "googlenet"])
def test_a_still_clip_has_exactly_no_motion(backbone):
    model = models.TDN(5, backbone=backbone, frame_shape=(64, 64, 3), num_segments=4)
    names = [layer.name for layer in model.layers if layer.name.endswith("_motion")]
    assert len(names) == 5
    parts = keras.Model(model.input, [model.get_layer(name).output for name in names])
    frame = RANDOM.integers(0, 256, (2, 1, 64, 64, 3))
    for name, motion in zip(names, parts(np.repeat(frame, 4, axis=1)), strict=True):
        assert not np.any(motion), name


def test_a_moving_clip_has_motion_in_every_layer(model, clip):
    for name, motion in motions(model, clip).items():
        assert np.abs(motion).mean() > 1e-3, name


def test_reversing_the_snippets_negates_and_reverses_the_motion(model, clip):
    backwards = motions(model, clip[:, ::-1])
    for name, motion in motions(model, clip).items():
        atol = 1e-5 * np.abs(motion).max()
        np.testing.assert_allclose(
            backwards[name], -motion[:, ::-1], rtol=0, atol=atol, err_msg=name
        )


def test_order_of_snippets_matters_to_the_difference_alone(model, clip):
    forwards, backwards = model(clip), model(clip[:, ::-1])
    np.testing.assert_allclose(forwards["image"], backwards["image"], atol=1e-5)
    for output in ("difference", "logits"):
        gap = np.abs(np.asarray(forwards[output]) - np.asarray(backwards[output]))
        assert gap.max() > 1e-3, output


def test_prediction_is_the_mean_of_both_subnetworks(model, clip):
    outputs = model(clip)
    mean = (outputs["image"] + outputs["difference"]) / 2
    np.testing.assert_allclose(outputs["logits"], mean, rtol=1e-6, atol=1e-7)


def test_image_subnetwork_is_a_tsn(model, clip):
    tsn = models.TSN(5, num_segments=3, **TOY)
    for layer in tsn.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    np.testing.assert_allclose(tsn(clip), model(clip)["image"], rtol=1e-4, atol=1e-5)


def test_difference_subnetwork_is_the_recursion_of_the_paper(model, clip):
    """d <- stage(d) + v_stage, by hand, one pair of snippets at a time."""

    def stage(name, subnetwork, x):
        x = np.asarray(x, "float32")
        inputs = keras.Input(x.shape[1:])
        build = backbones.get("toy").stages[name]
        part = keras.Model(inputs, build(inputs, f"{subnetwork}_"))
        for layer in part.layers:
            if layer.weights:
                layer.set_weights(model.get_layer(layer.name).get_weights())
        return np.asarray(part(x, training=False))

    pixels = clip / 127.5 - 1.0
    x = [pixels[:, t] for t in range(3)]
    d = [x[t + 1] - x[t] for t in range(2)]
    for name in STAGES:
        x = [stage(name, "image", frame) for frame in x]
        d = [stage(name, "difference", d[t]) + x[t + 1] - x[t] for t in range(2)]
    d = [stage("res5", "difference", pair) for pair in d]
    head = model.get_layer("difference_head")
    logits = [pair.mean((1, 2)) @ np.array(head.kernel) + head.bias for pair in d]
    expected = np.mean(logits, axis=0)
    found = model(clip)["difference"]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("num_segments", [1, 0])
def test_too_few_segments(num_segments):
    with pytest.raises(ValueError, match=f">= 2: .* Received: {num_segments}"):
        models.TDN(5, num_segments=num_segments, **TOY)


def test_unknown_backbone():
    with pytest.raises(ValueError, match="`backbone` must be one of .*'resnet50'"):
        models.TDN(5, backbone="ResNet50")


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_difference_layers_are_a_prefix_of_the_stages(count, clip):
    """Table 5.4's rows: a shorter prefix drops the later differences alone."""
    layers = ("input", *STAGES)[:count]
    keras.utils.set_random_seed(0)
    model = models.TDN(5, difference_layers=layers, **TOY)
    names = [layer.name for layer in model.layers if layer.name.endswith("_motion")]
    assert sorted(names) == sorted(MOTIONS[:count])
    keras.utils.set_random_seed(0)
    whole = models.TDN(5, **TOY)
    assert num_trainable(model) == num_trainable(whole)
    ours, theirs = model(clip), whole(clip)
    np.testing.assert_array_equal(ours["image"], theirs["image"])
    same = np.allclose(ours["difference"], theirs["difference"], rtol=1e-6, atol=0)
    assert same == (count == 5)


@pytest.mark.parametrize(
    "layers", [(), ("conv1",), ("input", "res2"), ("input", *STAGES, "res5")]
)
def test_difference_layers_that_are_no_prefix(layers):
    message = r"`difference_layers` must be one or more of the first of \('input', 'c"
    with pytest.raises(ValueError, match=message):
        models.TDN(5, difference_layers=layers, **TOY)


def test_other_merges_add_one_convolution_a_stage():
    channels = (16, 16, 32, 64)  # of the toy backbone's conv1 to res4
    base = num_trainable(models.TDN(5, **TOY))
    extra = {"conv": sum(c * c + c for c in channels)}
    extra["gate"] = sum(2 * c * c + c for c in channels)
    for merge, count in extra.items():
        assert num_trainable(models.TDN(5, difference_merge=merge, **TOY)) == (
            base + count
        )


def test_gate_is_a_weighted_mean_of_both(clip):
    model = models.TDN(5, difference_merge="gate", **TOY)
    for name in STAGES:
        kernel, bias = model.get_layer(f"{name}_merge").weights
        kernel.assign(np.zeros(kernel.shape))
        bias.assign(np.full(bias.shape, 50.0))  # a gate of one lets v nowhere in
    only_input = models.TDN(5, difference_layers=("input",), **TOY)
    for layer in only_input.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    np.testing.assert_allclose(
        model(clip)["difference"], only_input(clip)["difference"], rtol=1e-5, atol=1e-7
    )


def test_unknown_merge():
    with pytest.raises(ValueError, match=r"`difference_merge` .* Received: 'max'"):
        models.TDN(5, difference_merge="max", **TOY)
