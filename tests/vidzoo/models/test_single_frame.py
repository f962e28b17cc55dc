"""Single frame: an image network whose answers to frames are averaged."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.vidzoo.models.test_backbones import num_trainable
from tests.vidzoo.weights.networks import randomized, weights_of
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models.frame_network import FEATURES
from vidzoo.weights import initialize, preprocessing, save_weights

RANDOM = np.random.default_rng(0)
VECTORS = {"backbone": None, "frame_shape": (4,)}
ALEXNET = {"backbone": "alexnet", "frame_shape": (99, 99, 3), "fc_size": 6}


def build(num_frames=1, **options):
    keras.utils.set_random_seed(0)
    return models.SingleFrame(3, num_frames=num_frames, **options)


def vectors(num_clips, num_frames):
    return RANDOM.normal(size=(num_clips, num_frames, 4)).astype(np.float32)


def pixels(*shape):
    return RANDOM.integers(0, 256, shape)


@pytest.fixture(scope="module")
def single():
    """On a small AlexNet."""
    return randomized(build(**ALEXNET))


@pytest.fixture
def single_file(single):
    settings = preprocessing.CAFFE
    return weights_of(single, "single_frame", "alexnet", "paper", settings)


def test_on_alexnet_it_is_as_large_as_conv_pooling(undrawn):
    """Convolutions, fc6 on 5x5x384, fc7, 487 classes."""
    by_hand = 4_483_840 + (9600 * 4096 + 4096) + (4096 + 1) * 4096 + (4096 + 1) * 487
    assert num_trainable(models.SingleFrame(487)) == by_hand == 62_586_087


def test_on_googlenet_it_is_googlenet(undrawn):
    model = models.SingleFrame(487, backbone="googlenet")
    assert num_trainable(model) == 5_973_552 + 1024 * 487 + 487


def test_is_the_image_network(single):
    """With the same weights, AlexNet on images answers as this on single frames."""
    options = {"variant": "paper", "image_shape": (99, 99, 3), "fc_size": 6}
    alexnet = models.AlexNet(3, **options)
    alexnet.set_weights(single.get_weights())
    clip = pixels(2, 1, 99, 99, 3)
    expected = np.asarray(alexnet(clip[:, 0]))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(single(clip), expected, rtol=1e-4, atol=1e-4)


def test_logits_are_the_mean_of_each_frames_own():
    one, many = (randomized(build(t, **VECTORS)) for t in (1, 5))
    x = vectors(2, 5)
    expected = np.mean([one(x[:, t : t + 1]) for t in range(5)], axis=0)
    np.testing.assert_allclose(many(x), expected, atol=1e-6)


def test_masked_tail_changes_nothing():
    model = randomized(build(None, **VECTORS))
    x, lengths = vectors(3, 6), (6, 4, 1)
    mask = np.arange(6) < np.array(lengths)[:, None]
    x[~mask] = 1e3
    found = model({"clip": x, "mask": mask})
    for row, length in enumerate(lengths):
        alone = randomized(build(length, **VECTORS))(x[row : row + 1, :length])
        np.testing.assert_allclose(found[row], alone[0], atol=1e-6)


def test_a_clip_without_frames_is_an_error():
    model = build(None, **VECTORS)
    batch = {"clip": vectors(1, 3), "mask": np.zeros((1, 3), bool)}
    with pytest.raises(ValueError, match="`mask` must be true for 1 or more"):
        model(batch)
    for run in (tf.function(model), lambda x: model.predict(x, verbose=0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="(?s)`mask` must be"):
            run(batch)


def test_logits_are_float32_in_mixed_precision():
    """They are compared: bfloat16 tells 1 from 1.01 no more."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(2, **VECTORS)
    finally:
        keras.config.set_dtype_policy("float32")
    assert model(vectors(1, 2)).dtype == tf.float32


def test_no_frames_are_refused():
    with pytest.raises(ValueError, match=r"`num_frames` must be >= 1\. Received: 0"):
        build(0, **VECTORS)


# Weights


def test_weights_come_back(tmp_path):
    model = randomized(build(**VECTORS))
    names = {"network": "single_frame", "backbone": FEATURES, "variant": FEATURES}
    save_weights(tmp_path / "weights.npz", model, **names)
    loaded = build(weights=tmp_path / "weights.npz", **VECTORS)
    x = vectors(2, 1)
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize("pooling", ["conv", "late", "slow"])
def test_starts_feature_pooling(pooling, single, single_file, caplog):
    """Section 3.3.3: single-frame networks are expanded; a still video tells."""
    start = initialize.expanded(single_file, 1, 10)
    model = models.FeaturePooling(
        3, pooling=pooling, num_frames=10, weights=start, **ALEXNET
    )
    network = f"{pooling}_pooling"
    said = f"single_frame.npz: weights of single_frame start {network}."
    assert caplog.messages == [said]
    frame = pixels(1, 1, 99, 99, 3)
    found = model(np.repeat(frame, 10, axis=1))
    np.testing.assert_allclose(found, single(frame), rtol=1e-4, atol=1e-4)


def test_its_cnn_starts_what_has_other_layers(single_file, caplog):
    model = models.FeaturePooling(
        3, pooling="time_domain_conv", num_frames=10, weights=single_file, **ALEXNET
    )
    kernel = model.get_layer("image_conv2").kernel
    np.testing.assert_array_equal(kernel, single_file.arrays["image_conv2/kernel"])
    assert caplog.messages == [
        "single_frame.npz: alexnet for every frame; fresh: fc6, fc7, head, time_conv."
    ]


def test_on_features_it_starts_no_other():
    model = build(**VECTORS)
    weights_file = weights_of(model, "single_frame", FEATURES, FEATURES)
    message = "holds weights of single_frame, not of conv_pooling"
    with pytest.raises(WeightsError, match=message):
        models.FeaturePooling(3, num_frames=2, weights=weights_file, **VECTORS)


def test_conv_poolings_weights_are_no_single_frame_network():
    pooling = weights_of(
        models.FeaturePooling(3, num_frames=1, **ALEXNET),
        *("conv_pooling", "alexnet", "paper", preprocessing.CAFFE),
    )
    message = "holds weights of conv_pooling, not of single_frame"
    with pytest.raises(WeightsError, match=message):
        build(weights=pooling, **ALEXNET)
