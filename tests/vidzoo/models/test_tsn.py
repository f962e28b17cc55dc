"""TSN: one network for all snippets, their scores averaged."""

import itertools

import keras
import numpy as np
import pytest

from tests.vidzoo.models.test_backbones import num_trainable
from vidzoo import models

TOY = {"backbone": "toy", "frame_shape": (32, 32, 3)}
FLOWS = [("flow", 4), ("flow_image", 2)]
RANDOM = np.random.default_rng(0)


def test_full_size_has_the_published_parameters():
    assert num_trainable(models.TSN(num_classes=51)) == 23_612_531


def test_order_of_snippets_does_not_matter():
    model = models.TSN(5, num_segments=3, **TOY)
    clip = RANDOM.integers(0, 256, (2, 3, 32, 32, 3))
    expected = np.asarray(model(clip))
    for order in itertools.permutations(range(3)):
        found = model(clip[:, order])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_logits_are_the_mean_of_each_snippets_own():
    model = models.TSN(5, num_segments=3, **TOY)
    single = models.TSN(5, num_segments=1, **TOY)
    single.set_weights(model.get_weights())
    clip = RANDOM.integers(0, 256, (2, 3, 32, 32, 3))
    expected = np.mean([single(clip[:, t : t + 1]) for t in range(3)], axis=0)
    np.testing.assert_allclose(model(clip), expected, rtol=1e-4, atol=1e-5)


def test_stacked_images_are_channels():
    model = models.TSN(5, num_segments=2, backbone="toy", frame_shape=(32, 32, 9))
    clip = RANDOM.integers(0, 256, (1, 2, 32, 32, 9))
    assert model(clip).shape == (1, 5)
    assert model.get_layer("image_conv1").kernel.shape == (5, 5, 9, 16)


def test_flow_is_its_own_size_and_preprocessing_by_default():
    """Ten channels for three in conv1, and nothing else."""
    model = models.TSN(51, modality="flow")
    assert model.input.shape == (None, 3, 224, 224, 10)
    assert num_trainable(model) == 23_612_531 + 7 * 7 * (10 - 3) * 64
    settings = model.get_layer("preprocess").settings()
    assert settings["mean"] == pytest.approx([128 / 255] * 2)
    assert settings["std"] == pytest.approx([(0.229 + 0.224 + 0.225) / 3] * 2)


@pytest.mark.parametrize("backbone", ["toy", "googlenet"])  # rgb and bgr
@pytest.mark.parametrize("modality, channels", FLOWS)
def test_still_flow_is_zero_and_opposite_flow_negative(modality, channels, backbone):
    shape = (64, 64, channels)
    model = models.TSN(5, backbone=backbone, modality=modality, frame_shape=shape)
    seen = keras.Model(model.input, model.get_layer("preprocess").output)
    assert not np.any(seen(np.full((1, 3, *shape), 128, np.uint8)))
    flow = RANDOM.integers(1, 256, (2, 3, *shape))
    one, other = np.asarray(seen(flow)), np.asarray(seen(256 - flow))
    assert np.abs(one).max() > 0.5
    np.testing.assert_allclose(one, -other, atol=1e-5)


@pytest.mark.parametrize("backbone, red", [("toy", 0), ("googlenet", 2)])
def test_flow_image_has_x_for_red_and_nothing_for_blue(backbone, red):
    model = models.TSN(
        5, backbone=backbone, modality="flow_image", frame_shape=(64, 64, 2)
    )
    seen = keras.Model(model.input, model.get_layer("preprocess").output)
    flow = np.full((1, 3, 64, 64, 2), 128)
    flow[..., 0] = 200
    found = np.asarray(seen(flow))
    assert found.shape[-1] == 3 and (found[..., red] > 0.5).all()
    assert not found[..., 1].any() and not found[..., 2 - red].any()


@pytest.mark.parametrize("modality, channels", FLOWS)
def test_order_of_flow_snippets_does_not_matter(modality, channels):
    shape = (32, 32, channels)
    model = models.TSN(5, backbone="toy", modality=modality, frame_shape=shape)
    clip = RANDOM.integers(0, 256, (2, 3, *shape))
    found = np.asarray(model(clip[:, ::-1]))
    assert np.abs(found).max() > 1e-4
    np.testing.assert_allclose(found, model(clip), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("build", [models.TSN, models.TDN])
@pytest.mark.parametrize(
    "modality, channels, message",
    [
        ("rgb", 10, r"a multiple of 3, .* for flow, give `modality`\. Received: .*10"),
        ("flow", 3, r"even, x and y of k flow .* \(32, 32, 3\), modality 'flow'"),
        ("flow", 0, "even"),
        ("flow_image", 3, "2, x and y of one flow field; the third channel is added"),
        ("flow_image", 4, "2, x and y of one flow field"),
        ("depth", 3, r"`modality` must be one of \('rgb', 'flow', 'flow_.* 'depth'"),
    ],
)
def test_channels_are_the_modalitys(build, modality, channels, message):
    shape = (32, 32, channels)
    with pytest.raises(ValueError, match=message):
        build(5, backbone="toy", modality=modality, frame_shape=shape)


def test_dropout_is_before_the_classifier_and_only_in_training():
    model = models.TSN(5, num_segments=1, dropout=0.25, **TOY)
    assert model.get_layer("image_dropout").rate == 0.25
    clip = RANDOM.integers(0, 256, (2, 1, 32, 32, 3))
    np.testing.assert_array_equal(model(clip), model(clip))


@pytest.mark.parametrize("num_segments", [0, -1])
def test_too_few_segments(num_segments):
    with pytest.raises(ValueError, match=f">= 1. Received: {num_segments}"):
        models.TSN(5, num_segments=num_segments, **TOY)


def test_unknown_backbone():
    with pytest.raises(ValueError, match="`backbone` must be one of .*'googlenet'"):
        models.TSN(5, backbone="alexnet_old")


def test_unknown_model_and_listing():
    assert set(models.__all__) <= set(dir(models))
    with pytest.raises(AttributeError, match="'vidzoo.models' has no attribute 'TSM'"):
        models.TSM  # noqa: B018
