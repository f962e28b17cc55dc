"""Metrics against hand-computed numbers."""

import numpy as np
import pytest

from vidzoo import metrics

LOGITS = np.array(
    [
        [3.0, 2.0, 1.0],
        [1.0, 3.0, 2.0],
        [3.0, 2.0, 1.0],
        [1.0, 2.0, 3.0],
    ]
)
LABELS = np.array([0, 2, 1, 0])  # ranks 1, 2, 2, 3


@pytest.mark.parametrize("k, expected", [(1, 0.25), (2, 0.75), (3, 1.0), (5, 1.0)])
def test_top_k(k, expected):
    assert metrics.top_k_accuracy(LOGITS, LABELS, k) == expected


def test_ties_rank_by_class_number():
    logits = np.zeros((3, 3))
    assert metrics.top_k_accuracy(logits, [0, 1, 2], 1) == pytest.approx(1 / 3)
    assert metrics.top_k_accuracy(logits, [0, 1, 2], 2) == pytest.approx(2 / 3)
    assert metrics.mean_class_accuracy(logits, [0, 0, 2]) == 0.5


def test_top_k_takes_lists():
    assert metrics.top_k_accuracy([[1, 2], [2, 1]], [1, 1]) == 0.5


def test_mean_class_accuracy_weighs_classes_equally_and_skips_absent_ones():
    logits = np.eye(4)[[0, 0, 0, 1, 2]]
    labels = np.array([0, 0, 0, 0, 2])  # class 0: 3 of 4; 2: 1 of 1; 1 and 3 absent
    assert metrics.mean_class_accuracy(logits, labels) == pytest.approx(0.875)
    assert metrics.top_k_accuracy(logits, labels) == pytest.approx(0.8)


@pytest.mark.parametrize(
    "correct, total, low, high",
    [(50, 100, 0.4038, 0.5962), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)],
)
def test_wilson_interval(correct, total, low, high):
    found = metrics.wilson_interval(correct, total)
    assert found == pytest.approx((low, high), abs=1e-4)


def test_summary():
    found = metrics.summary(LOGITS, LABELS)
    assert found["top1"] == 0.25
    assert found["top5"] == 1.0
    assert found["mean_class"] == pytest.approx((0.5 + 0 + 0) / 3)
    assert found["num_videos"] == 4
    assert (found["top1_low"], found["top1_high"]) == metrics.wilson_interval(1, 4)


@pytest.mark.parametrize(
    "logits, labels",
    [
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.zeros((2, 3)), np.zeros(3, int)),
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((2, 3)), np.zeros((2, 3), int)),
    ],
)
@pytest.mark.parametrize(
    "metric", [metrics.top_k_accuracy, metrics.mean_class_accuracy, metrics.summary]
)
def test_shapes_that_do_not_fit(metric, logits, labels):
    with pytest.raises(ValueError, match=r"\(N, K\) and `labels` \(N,\), N > 0. Rec"):
        metric(logits, labels)
