"""Metrics against hand-computed numbers."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

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


@pytest.mark.parametrize(
    "correct, total, rate",
    [(0, 5, "0.5"), (57, 100, "0.687"), (99, 100, "0.999"), (340, 500, "0.761")],
)
def test_binomial_tail_is_the_exact_sum(correct, total, rate):
    p = Fraction(rate)
    expected = sum(
        math.comb(total, k) * p**k * (1 - p) ** (total - k) for k in range(correct + 1)
    )
    found = metrics.binomial_tail(correct, total, float(rate))
    assert found == pytest.approx(float(expected), rel=1e-9)


def test_binomial_tail_of_all_is_certain_and_of_many_is_quick():
    assert metrics.binomial_tail(7, 7, 0.3) == 1
    # The median of a binomial whose mean is whole is that mean.
    found = metrics.binomial_tail(25_000, 50_000, 0.5)
    assert 0.5 < found < 0.502


# Hit@k: rankings of four classes; the labels of video 3 are the two lowest.
HITS = np.array([[4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0], [9.0, 8.0, 7.0, 6.0]])
HIT_LABELS = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, 0, 1, 1]])


@pytest.mark.parametrize("k, hits", [(1, 1), (2, 2), (3, 3), (4, 3), (9, 3)])
def test_hit_at_k_counts_a_video_by_its_best_label(k, hits):
    assert metrics.hit_at_k(HITS, HIT_LABELS, k) == pytest.approx(hits / 3)


def test_hit_at_k_of_single_labels_is_top_k():
    for k in (1, 2, 3):
        expected = metrics.top_k_accuracy(LOGITS, LABELS, k)
        assert metrics.hit_at_k(LOGITS, LABELS, k) == expected


def test_hit_at_k_ties_and_videos_without_a_label():
    logits = np.zeros((3, 3))
    labels = [[0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert metrics.hit_at_k(logits, labels, 1) == 0
    assert metrics.hit_at_k(logits, labels, 2) == pytest.approx(1 / 3)
    assert metrics.hit_at_k(logits, labels, 3) == pytest.approx(2 / 3)
    with pytest.raises(ValueError, match="`k` must be at least 1. Received: 0."):
        metrics.hit_at_k(logits, labels, 0)


@pytest.mark.parametrize(
    "scores, positives, expected",
    [
        ([4, 3, 2, 1], [1, 1, 0, 0], 1.0),  # perfect
        ([4, 3, 2, 1], [0, 0, 1, 1], (1 / 3 + 2 / 4) / 2),  # the worst there is
        ([4, 3, 2, 1], [1, 0, 1, 0], (1 / 1 + 2 / 3) / 2),
        ([1, 4, 2, 3], [1, 1, 1, 1], 1.0),  # nothing else to find
        ([5, 5, 5, 5], [0, 1, 0, 0], 1 / 4),  # one rank of four
        ([5, 5, 3, 3], [1, 0, 1, 1], (1 * 1 / 2 + 2 * 3 / 4) / 3),
        ([7], [1], 1.0),
        ([np.inf, np.inf, 0, -np.inf], [0, 1, 0, 1], (1 / 2 + 2 / 4) / 2),
        (np.array([0, 200, 100], np.uint8), [1, 0, 0], 1 / 3),
    ],
)
def test_average_precision(scores, positives, expected):
    found = metrics.average_precision(scores, positives)
    assert found == pytest.approx(expected, abs=1e-15)


def test_average_precision_does_not_depend_on_the_order_of_rows():
    scores, positives = np.array([2, 2, 2, 1, 1]), np.array([1, 0, 0, 1, 0])
    found = {
        metrics.average_precision(scores[list(order)], positives[list(order)])
        for order in itertools.permutations(range(5))
    }
    assert found == {(1 * 1 / 3 + 1 * 2 / 5) / 2}


@pytest.mark.parametrize("levels", [3, 20, 10**6])
def test_average_precision_is_that_of_scikit_learn(levels):
    random = np.random.default_rng(levels)
    for _ in range(50):
        scores = random.integers(0, levels, 40) / 7
        positives = random.random(40) < random.random()
        positives[random.integers(40)] = True
        expected = sklearn.metrics.average_precision_score(positives, scores)
        found = metrics.average_precision(scores, positives)
        assert found == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "scores, positives, message",
    [
        ([1, 2], [0, 0], "`positives` must hold at least one. Received: none."),
        ([1, 2], [1], r"must both be \(N,\). Received: \(2,\) and \(1,\)."),
        ([[1, 2]], [[1, 0]], r"must both be \(N,\)"),
        ([1, 2], [1, 2], "`positives` must be 0 or 1. Received: 2."),
        ([1, np.nan], [1, 0], "`scores` must be numbers. Received: NaN"),
    ],
)
def test_average_precision_refuses(scores, positives, message):
    with pytest.raises(ValueError, match=message):
        metrics.average_precision(scores, positives)


# Class 0 ranks the videos 0 1 2 3, class 1 3 2 1 0, class 2 1 0 2 3; 3 is absent.
RANKED = np.array([[4, 1, 3, 0], [3, 2, 4, 0], [2, 3, 2, 9], [1, 4, 1, 9]])
SEVERAL = np.array([[1, 1, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]])


def test_class_average_precision_of_several_labels():
    found = metrics.class_average_precision(RANKED, SEVERAL)
    # Class 0: found at ranks 1 and 3; class 1: at 4; class 2: at 1.
    expected = [(1 / 1 + 2 / 3) / 2, 1 / 4, 1.0, np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    found = metrics.mean_average_precision(RANKED, SEVERAL)
    assert found == pytest.approx((5 / 6 + 1 / 4 + 1) / 3)


def test_class_average_precision_of_single_labels():
    found = metrics.class_average_precision(RANKED, [0, 0, 2, 0])
    # Class 0: at ranks 1, 2 and 4; class 2: at rank 3.
    expected = [(1 / 1 + 2 / 2 + 3 / 4) / 3, np.nan, 1 / 3, np.nan]
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    found = metrics.mean_average_precision(RANKED, [0, 0, 2, 0])
    assert found == pytest.approx((11 / 12 + 1 / 3) / 2)


def test_mean_average_precision_of_perfect_answers():
    assert metrics.mean_average_precision(np.eye(4), np.arange(4)) == 1.0


def test_mean_average_precision_without_a_label():
    with pytest.raises(ValueError, match="at least one label. Received: none."):
        metrics.mean_average_precision(RANKED, np.zeros((4, 4), int))


def test_confusion_matrix():
    logits = np.array([[3, 2, 1, 0], [1, 3, 2, 0], [3, 2, 1, 0], [1, 1, 1, 1]])
    found = metrics.confusion_matrix(logits, [0, 1, 1, 3], 4)
    expected = [[1, 0, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    assert found.tolist() == expected
    assert found.dtype == np.int64


def test_confusion_matrix_refuses():
    with pytest.raises(ValueError, match=r"one label a video. Received: multi-hot \(4"):
        metrics.confusion_matrix(RANKED, SEVERAL, 4)
    with pytest.raises(ValueError, match="`num_classes` columns, 5. Received: 4."):
        metrics.confusion_matrix(RANKED, [0, 0, 0, 0], 5)


# Paired bootstrap


def test_bootstrap_is_binomial_where_one_answers_nothing():
    """The difference is then a's accuracy: 70 of 100, its draws binomial."""
    correct = np.arange(100) < 70
    found = metrics.paired_bootstrap(correct, np.zeros(100, bool))
    expected = scipy.stats.binom.ppf((0.025, 0.975), 100, 0.7) / 100
    assert found[0] == pytest.approx(0.7)
    assert found[1:] == pytest.approx(tuple(expected), abs=0.011)


def test_bootstrap_draws_videos_as_a_plain_loop_does():
    random = np.random.default_rng(1)
    a, b = random.random((2, 60)) < [[0.8], [0.6]]
    draws = random.integers(0, 60, (10000, 60))
    differences = a[draws].mean(axis=1) - b[draws].mean(axis=1)
    found = metrics.paired_bootstrap(a, b)
    assert found[0] == pytest.approx(a.mean() - b.mean())
    expected = tuple(np.percentile(differences, (2.5, 97.5)))
    assert found[1:] == pytest.approx(expected, abs=0.018)  # one video of sixty


def test_bootstrap_of_equal_answers_is_zero():
    correct = np.arange(50) % 3 == 0
    assert metrics.paired_bootstrap(correct, correct) == (0, 0, 0)


def test_bootstrap_changes_sign_with_its_arguments():
    random = np.random.default_rng(2)
    a, b = random.random((2, 200)) < [[0.8], [0.7]]
    difference, low, high = metrics.paired_bootstrap(a, b)
    assert difference == pytest.approx(a.mean() - b.mean())
    assert low < difference < high
    found = metrics.paired_bootstrap(b, a)
    assert found == pytest.approx((-difference, -high, -low), abs=0.01)


def test_bootstrap_takes_runs_as_no_further_videos():
    random = np.random.default_rng(3)
    a, b = random.random((2, 80)) < [[0.8], [0.6]]
    once = metrics.paired_bootstrap(a, b)
    assert metrics.paired_bootstrap(np.stack([a] * 5), b) == pytest.approx(once)
    # Two runs that are each right on another half: every video half right.
    halves = np.stack([np.arange(80) < 40, np.arange(80) >= 40])
    found = metrics.paired_bootstrap(halves, np.zeros(80))
    assert found == pytest.approx((0.5, 0.5, 0.5))


def test_bootstrap_is_seeded():
    random = np.random.default_rng(4)
    a, b = random.random((2, 97)) < [[0.8], [0.6]]
    few = {"num_samples": 50}
    first = metrics.paired_bootstrap(a, b, **few)
    assert metrics.paired_bootstrap(a, b, **few) == first
    assert metrics.paired_bootstrap(a, b, **few, seed=1) != first


@pytest.mark.parametrize(
    "a, b, message",
    [
        ([1, 0], [1], "the same videos. Received: 2 and 1."),
        (
            [],
            [],
            r"must be \(N,\) or \(S, N\), not empty. Received: \(0,\)",
        ),
        ([1], np.zeros((1, 1, 1)), r"`correct_b` must be .* Received: \(1, 1, 1\)"),
        ([1, 0], [1, np.nan], "`correct_b` must be numbers. Received: NaN"),
    ],
)
def test_bootstrap_refuses(a, b, message):
    with pytest.raises(ValueError, match=message):
        metrics.paired_bootstrap(a, b)


def test_summary():
    found = metrics.summary(LOGITS, LABELS)
    assert found["top1"] == 0.25
    assert found["top5"] == 1.0
    assert found["mean_class"] == pytest.approx((0.5 + 0 + 0) / 3)
    assert found["num_videos"] == 4
    assert (found["top1_low"], found["top1_high"]) == metrics.wilson_interval(1, 4)
    # Class 0: videos 0 and 3, of scores 3 1 3 1: one of two at 3, two of four at 1.
    # Class 1: video 2, of scores 2 3 2 2: one of four. Class 2: video 1, of scores
    # 1 2 1 3: at rank two.
    assert found["map"] == pytest.approx((0.5 + 0.25 + 0.5) / 3)


def test_summary_of_several_labels():
    found = metrics.summary(RANKED, SEVERAL)
    assert found == {
        "hit1": 0.5,  # videos 0 and 1
        "hit5": 0.75,  # all but video 3, which has no label
        "map": pytest.approx((5 / 6 + 1 / 4 + 1) / 3),
        "num_videos": 4,
    }


SINGLE_LABEL = [metrics.top_k_accuracy, metrics.mean_class_accuracy]
EITHER = [metrics.mean_average_precision, metrics.summary]


@pytest.mark.parametrize(
    "logits, labels",
    [
        (np.zeros((0, 3)), np.zeros(0, int)),
        (np.zeros((2, 3)), np.zeros(3, int)),
        (np.zeros(3), np.zeros(3, int)),
        (np.zeros((2, 3)), np.zeros((2, 4), int)),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2), int)),
    ],
)
@pytest.mark.parametrize("metric", SINGLE_LABEL + EITHER)
def test_shapes_that_do_not_fit(metric, logits, labels):
    with pytest.raises(ValueError, match=r"\(N,\) or \(N, K\), N > 0. Received: \("):
        metric(logits, labels)


@pytest.mark.parametrize("metric", SINGLE_LABEL)
def test_one_label_a_video(metric):
    message = r"one label a video. Received: multi-hot \(2, 3\)"
    with pytest.raises(ValueError, match=message):
        metric(np.zeros((2, 3)), np.zeros((2, 3), int))


@pytest.mark.parametrize(
    "logits, labels, message",
    [
        ([[1, 2], [np.nan, 1]], [0, 1], "`logits` must be numbers. Received: NaN"),
        ([[1, 2], [2, 1]], [0, 2], "`labels` must be 0 to 1, .* Received: 2."),
        ([[1, 2], [2, 1]], [-1, 0], "`labels` must be 0 to 1, .* Received: -1."),
        ([[1, 2], [2, 1]], [0.0, 1.0], "must be integers. Received: float64."),
        ([[1, 2], [2, 1]], [[0, 2], [1, 0]], "must be 0 or 1. Received: 2."),
    ],
)
def test_values_that_do_not_fit(logits, labels, message):
    with pytest.raises(ValueError, match=message):
        metrics.summary(logits, labels)


def test_summary_ranks_the_softmax_scores_of_single_labels():
    """Logits rank the first video above the second in class 0; its share is less."""
    logits, labels = np.array([[5.0, 6.0], [1.0, 0.0]]), np.array([1, 0])
    assert metrics.mean_average_precision(logits, labels) == 0.75
    assert metrics.summary(logits, labels)["map"] == 1.0


def test_endpoint_error_is_a_mean_length():
    flow, expected = np.zeros((2, 3, 4, 2)), np.zeros((2, 3, 4, 2))
    expected[0, 1, 2] = 3, -4
    expected[1, 0, 0] = 0, 7
    assert metrics.endpoint_error(flow, expected) == pytest.approx(12 / 24)
    assert metrics.endpoint_error(expected, flow) == pytest.approx(12 / 24)
    lengths = metrics.endpoint_errors(flow, expected)
    assert lengths.shape == (24,) and sorted(lengths)[-3:] == [0, 5, 7]


def test_endpoint_error_skips_unknown_pixels():
    flow, expected = np.zeros((2, 2, 2)), np.ones((2, 2, 2), np.float32)
    expected[0, 0], expected[0, 1] = 1e38, np.nan  # whose square overflows
    valid = np.array([[False, False], [True, True]])
    assert metrics.endpoint_error(flow, expected, valid) == pytest.approx(2**0.5)
    assert metrics.endpoint_errors(flow, expected, valid.copy()).shape == (2,)


@pytest.mark.parametrize(
    "flow, expected, valid, message",
    [
        (np.zeros((2, 2, 2)), np.zeros((4, 4, 2)), None, "enlarge the smaller first"),
        (np.zeros((2, 2, 3)), np.zeros((2, 2, 3)), None, r"both be \(..., H, W, 2\)"),
        (np.zeros((2, 2, 2)), np.zeros((2, 2, 2)), [True], r"bool \(2, 2\), .*\(1,\)"),
        (np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), [[1]], "Received: int64"),
        (np.zeros((1, 1, 2)), np.zeros((1, 1, 2)), [[False]], "no such pixel"),
        (np.zeros((0, 1, 2)), np.zeros((0, 1, 2)), None, "no such pixel"),
        (
            np.full((1, 1, 2), np.nan),
            np.zeros((1, 1, 2)),
            None,
            "`flow` must be finite",
        ),
        (np.zeros((1, 1, 2)), np.full((1, 1, 2), np.inf), None, "`expected` must be"),
    ],
)
def test_flow_that_does_not_fit(flow, expected, valid, message):
    with pytest.raises(ValueError, match=message):
        metrics.endpoint_error(flow, expected, valid)
