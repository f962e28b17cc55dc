"""LSTM classifier: its size, its four rules against NumPy, and any length."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.vidzoo.models.test_backbones import num_trainable
from tests.vidzoo.weights.networks import randomized, weights_of
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.losses import gain
from vidzoo.models.frame_network import FEATURES
from vidzoo.models.lstm_classifier import ACTIVATIONS, INFERENCES, video_logits
from vidzoo.weights import assign, preprocessing, save_weights

RANDOM = np.random.default_rng(0)
TOY = {"backbone": None, "frame_shape": (4,), "num_layers": 2, "num_cells": 5}


def build(num_frames=6, **options):
    keras.utils.set_random_seed(0)
    return models.LSTMClassifier(3, num_frames=num_frames, **TOY | options)


def vectors(num_clips, num_frames):
    return RANDOM.normal(size=(num_clips, num_frames, 4)).astype(np.float32)


def test_full_size_has_the_sources_parameters(undrawn):
    """Five layers of 512 cells on GoogLeNet's 1000 answers, and a softmax."""
    model = models.LSTMClassifier(487, backbone="googlenet")
    of_layers = [num_trainable_of(model, f"lstm_{i}") for i in range(1, 6)]
    assert sum(of_layers) == 11_503_104
    classifier = 512 * 487 + 487
    assert num_trainable(model) == 6_998_552 + 11_503_104 + classifier
    assert model.output["logits"].shape == (None, 487)
    assert model.output["frames"].shape == (None, 30, 487)


def num_trainable_of(model, layer):
    return sum(np.prod(v.shape) for v in model.get_layer(layer).trainable_variables)


def test_on_alexnet_it_reads_fc7(undrawn):
    model = models.LSTMClassifier(487, num_frames=120)
    assert model.get_layer("frames").output.shape == (None, 120, 4096)
    assert model.get_layer("lstm_1").cell.kernel.shape == (4096, 4 * 512)
    names = set(assign.named_variables(model))
    other = models.LSTMClassifier(487, num_frames=None)
    assert set(assign.named_variables(other)) == names


# The rules


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def combined(scores, inference):
    """Section 3.3.3, of `(T, K)` predictions."""
    if inference == "last":
        return scores[-1]
    if inference == "max":
        return scores.max(0)
    weights = np.ones(len(scores))
    if inference == "weighted":
        weights = np.arange(1, len(scores) + 1) / len(scores)
    return weights @ scores / weights.sum()


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("lengths", [None, (7, 4, 1)])
def test_rules_equal_numpy(inference, activation, lengths):
    logits = RANDOM.normal(0, 3, (3, 7, 5)).astype(np.float32)
    mask = None if lengths is None else np.arange(7) < np.array(lengths)[:, None]
    found = np.asarray(video_logits(logits, mask, inference, activation))
    predict = {"softmax": softmax, "sigmoid": sigmoid}[activation]
    scores = predict(logits.astype(np.float64))
    for clip, length in enumerate(lengths or (7, 7, 7)):
        expected = combined(scores[clip, :length], inference)
        if activation == "softmax":
            expected = expected / expected.sum()  # of a max alone that changes it
        np.testing.assert_allclose(predict(found[clip]), expected, rtol=1e-5)


def test_weights_are_the_gain():
    """Which training has too; two classes, whose scores tell the weights."""
    logits = np.log(np.eye(4) * 8 + 1)[None].astype(np.float32)  # a class per frame
    scores = softmax(np.asarray(video_logits(logits)))[0] - 1 / 12
    weights = np.asarray(gain(4))
    np.testing.assert_allclose(scores / scores.sum(), weights / weights.sum(), 1e-5)


@pytest.mark.parametrize("inference", INFERENCES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_certainty_stays_finite(inference, activation):
    """In float32 a sigmoid of 20 is 1, of which the logit would be infinite."""
    logits = np.array([[[60.0, -60.0, 90.0]] * 2], np.float32)
    found = np.asarray(video_logits(logits, None, inference, activation))[0]
    np.testing.assert_allclose(found - found[0], logits[0, 0] - 60, atol=1e-4)


def test_model_answers_by_its_rule():
    x = vectors(2, 6)
    for inference in INFERENCES:
        model = randomized(build(inference=inference))
        outputs = model(x)
        expected = video_logits(outputs["frames"], None, inference)
        np.testing.assert_allclose(outputs["logits"], expected, atol=1e-5)


def test_frames_are_answered_by_what_came_before():
    model, x = randomized(build()), vectors(2, 6)
    frames = np.asarray(model(x)["frames"])
    changed = x.copy()
    changed[:, 3] += 1
    other = np.asarray(model(changed)["frames"])
    np.testing.assert_array_equal(other[:, :3], frames[:, :3])
    assert (np.abs(other[:, 3:] - frames[:, 3:]).max((0, 2)) > 1e-3).all()
    assert np.abs(model(x[:, ::-1])["logits"] - model(x)["logits"]).max() > 1e-3


# Any length


@pytest.mark.parametrize("inference", INFERENCES)
def test_masked_tail_changes_nothing(inference):
    model = randomized(build(None, inference=inference))
    lengths, x = (6, 4, 1), vectors(3, 6)
    mask = np.arange(6) < np.array(lengths)[:, None]
    found = model({"clip": x, "mask": mask})
    for row, length in enumerate(lengths):
        every = np.ones((1, length), bool)
        alone = model({"clip": x[row : row + 1, :length], "mask": every})
        np.testing.assert_allclose(found["logits"][row], alone["logits"][0], atol=1e-6)
        frames = found["frames"][row, :length]
        np.testing.assert_allclose(frames, alone["frames"][0], atol=1e-6)
    garbage = np.where(mask[..., None], x, 1e3).astype(np.float32)
    again = model({"clip": garbage, "mask": mask})
    np.testing.assert_array_equal(again["logits"], found["logits"])


def test_a_clip_without_frames_is_an_error():
    model = build(None)
    batch = {"clip": vectors(2, 3), "mask": np.array([[False] * 3, [True] * 3])}
    words = r"(?s)`mask` must be true for 1 or more .* Clips:.*\[0\]"
    with pytest.raises(ValueError, match=words):
        model(batch)
    for run in (tf.function(model), lambda x: model.predict(x, verbose=0)):
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            run(batch)


def test_compiled_and_exported_it_answers_the_same(tmp_path):
    model = randomized(build(None))
    batch = {"clip": vectors(2, 6), "mask": np.arange(6) < [[6], [2]]}
    expected = model(batch)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(str(tmp_path / "exported"))
    for each in (exported.serve, tf.function(model, jit_compile=True)):
        for name, value in each(batch).items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-5, atol=1e-6)


# What it refuses, and weights


@pytest.mark.parametrize(
    "options, message",
    [
        ({"inference": "mean"}, r"`inference` must be one of \('last', .*'mean'"),
        ({"activation": "relu"}, r"`activation` must be one of \('softmax', .*'relu'"),
        ({"num_layers": 0}, r"`num_layers` must be >= 1\. Received: 0"),
        ({"num_cells": 0}, r"`units` must be >= 1\. Received: 0"),
        ({"num_frames": 0}, r"`num_frames` must be >= 1\. Received: 0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_weights_come_back_for_any_rule_and_length(tmp_path):
    model = randomized(build())
    names = {"network": "lstm_classifier", "backbone": FEATURES, "variant": FEATURES}
    save_weights(tmp_path / "weights.npz", model, **names)
    loaded = build(None, inference="last", weights=tmp_path / "weights.npz")
    x = vectors(2, 6)
    found = loaded({"clip": x, "mask": np.ones((2, 6), bool)})
    np.testing.assert_allclose(found["frames"], model(x)["frames"], atol=1e-6)


def test_feature_poolings_weights_are_refused():
    pooling = models.FeaturePooling(
        3, num_frames=6, backbone=None, frame_shape=(4,), fc_size=5
    )
    weights_file = weights_of(pooling, "conv_pooling", FEATURES, FEATURES)
    message = "holds weights of conv_pooling, not of lstm_classifier"
    with pytest.raises(WeightsError, match=message):
        build(weights=weights_file)


def test_alexnets_fc7_is_what_it_reads(caplog):
    keras.utils.set_random_seed(1)
    options = {"variant": "paper", "image_shape": (99, 99, 3), "fc_size": 6}
    alexnet = randomized(models.AlexNet(9, **options))
    weights_file = weights_of(
        alexnet, "alexnet", "alexnet", "paper", preprocessing.CAFFE
    )
    options = {"backbone": "alexnet", "frame_shape": (99, 99, 3), "fc_size": 6}
    model = build(2, weights=weights_file, **options)
    seen = keras.Model(model.input, model.get_layer("frames").output)
    alone = keras.Model(alexnet.input, alexnet.get_layer("fc7").output)
    clip = RANDOM.integers(0, 256, (1, 2, 99, 99, 3))
    expected = np.asarray(alone(clip[0]))
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(seen(clip)[0], expected, rtol=1e-4, atol=1e-4)
    said = "alexnet.npz: alexnet for every frame; fresh: head, lstm_1, lstm_2."
    assert caplog.messages == [said]
