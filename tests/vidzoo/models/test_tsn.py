"""TSN: one network for all snippets, their scores averaged."""

import itertools

import numpy as np
import pytest

from tests.vidzoo.models.test_backbones import num_trainable
from vidzoo import models

TOY = {"backbone": "tiny", "frame_shape": (32, 32, 3)}
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
    model = models.TSN(5, num_segments=2, backbone="tiny", frame_shape=(32, 32, 9))
    clip = RANDOM.integers(0, 256, (1, 2, 32, 32, 9))
    assert model(clip).shape == (1, 5)
    assert model.get_layer("image_conv1").kernel.shape == (5, 5, 9, 16)


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
        models.TSN(5, backbone="alexnet")


def test_unknown_model_and_listing():
    assert set(models.__all__) <= set(dir(models))
    with pytest.raises(AttributeError, match="'vidzoo.models' has no attribute 'TSM'"):
        models.TSM  # noqa: B018
