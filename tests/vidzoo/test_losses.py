"""The classification loss against a formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vidzoo.losses import classification_loss, prediction

RANDOM = np.random.default_rng(0)
LABELS = np.array([0, 2, 1, 2])


def cross_entropy(logits):
    logits = logits.astype(np.float64)
    log_sum = np.log(np.exp(logits).sum(axis=1))
    return (log_sum - logits[np.arange(len(LABELS)), LABELS]).mean()


def logits():
    return RANDOM.normal(0, 3, (4, 3)).astype("float32")


def test_is_the_mean_cross_entropy():
    x = logits()
    found = float(classification_loss(x, LABELS))
    assert found == pytest.approx(cross_entropy(x), rel=1e-5)


def test_hand_computed():
    found = float(classification_loss(np.zeros((1, 4), "float32"), np.array([3])))
    assert found == pytest.approx(np.log(4), rel=1e-6)


def test_two_classifiers_have_one_each_and_their_average_none():
    image, difference = logits(), logits()
    outputs = {"logits": logits(), "image": image, "difference": difference}
    expected = cross_entropy(image) + cross_entropy(difference)
    found = float(classification_loss(outputs, LABELS))
    assert found == pytest.approx(expected, rel=1e-5)


def test_sigmoid_is_one_yes_or_no_per_class_summed():
    x = logits().astype(np.float64)
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0], [1, 1, 1]], "float32")
    share = 1 / (1 + np.exp(-x))
    each = -labels * np.log(share) - (1 - labels) * np.log(1 - share)
    found = classification_loss(x.astype("float32"), labels, "sigmoid")
    assert float(found) == pytest.approx(each.sum(axis=1).mean(), rel=1e-5)


def test_sigmoid_takes_class_numbers_too():
    x, multi_hot = logits(), np.eye(3, dtype="float32")[LABELS]
    numbers = float(classification_loss(x, LABELS, "sigmoid"))
    assert numbers == pytest.approx(
        float(classification_loss(x, multi_hot, "sigmoid")), rel=1e-6
    )


def test_sigmoid_of_large_logits_is_finite():
    x = np.array([[1000.0, -1000.0]], "float32")
    right = classification_loss(x, np.array([[1.0, 0.0]], "float32"), "sigmoid")
    wrong = classification_loss(x, np.array([[0.0, 1.0]], "float32"), "sigmoid")
    assert float(right) == 0.0 and float(wrong) == 2000.0


def test_shared_softmax_divides_the_target_among_labels():
    x = logits()
    hot = np.array([[1, 0, 0], [0, 1, 1], [1, 1, 1], [0, 0, 1]], "float32")
    log_scores = x - np.log(np.exp(x.astype(np.float64)).sum(axis=1, keepdims=True))
    expected = -np.mean(
        [row[h > 0].mean() for row, h in zip(log_scores, hot, strict=True)]
    )
    found = float(classification_loss(x, hot, "shared-softmax"))
    assert found == pytest.approx(expected, rel=1e-5)
    one_each = float(classification_loss(x, LABELS, "shared-softmax"))
    assert one_each == pytest.approx(cross_entropy(x), rel=1e-5)


def frames_loss(frames, lengths):
    """Each frame's cross-entropy times t / T, averaged over a clip's real frames."""
    clips = []
    for row, length, label in zip(frames.astype(float), lengths, LABELS, strict=True):
        losses = np.log(np.exp(row).sum(axis=1)) - row[:, label]
        clips.append(
            np.mean([losses[t - 1] * t / length for t in range(1, length + 1)])
        )
    return np.mean(clips)


def test_frames_are_weighted_by_the_gain():
    frames = RANDOM.normal(0, 3, (4, 5, 3)).astype("float32")
    outputs = {"logits": logits(), "frames": frames}
    found = float(classification_loss(outputs, LABELS))
    assert found == pytest.approx(frames_loss(frames, [5] * 4), rel=1e-5)
    mask = np.arange(5) < np.array([[5], [3], [1], [4]])
    masked = float(classification_loss(outputs, LABELS, mask=mask))
    assert masked == pytest.approx(frames_loss(frames, (5, 3, 1, 4)), rel=1e-5)


def test_frames_of_several_labels():
    frames = RANDOM.normal(0, 3, (4, 5, 3)).astype("float32")
    found = classification_loss({"logits": None, "frames": frames}, LABELS, "sigmoid")
    hot = np.eye(3)[LABELS][:, None]
    losses = (np.log1p(np.exp(frames)) - frames * hot).sum(axis=2)
    expected = np.mean(losses * np.arange(1, 6) / 5)
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_unknown_kind():
    with pytest.raises(
        ValueError,
        match=r"\('softmax', 'sigmoid', 'shared-softmax'\). Received: 'hinge'",
    ):
        classification_loss(logits(), LABELS, "hinge")


def test_half_precision_logits_give_a_full_precision_loss():
    x = (logits() * 100).astype("float16")
    loss = classification_loss(tf.constant(x), LABELS)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(cross_entropy(x), rel=1e-4)


def test_prediction_is_the_logits():
    x = logits()
    assert prediction(x) is x
    assert prediction({"image": logits(), "logits": x}) is x
