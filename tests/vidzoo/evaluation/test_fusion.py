"""Fusion against numbers worked out by hand, its properties, and what it refuses."""

import dataclasses

import numpy as np
import pytest

from tests.vidzoo.evaluation.streams import CLASSES, drawn, reordered, scores
from vidzoo import metrics
from vidzoo.errors import VidzooError
from vidzoo.evaluation import Scores, fuse, fuse_by_svm, fusion, mean_over_splits
from vidzoo.evaluation.measures import measure

# Three videos, by hand. l1 norms: RGB 10, 4, 0 and flow 20, 8, 5.
RGB = scores([[5, -3, 2], [1, 1, -2], [0, 0, 0]], [0, 2, 1], protocol="25x10")
FLOW = scores([[-8, 4, 8], [2, -4, 2], [1, 3, -1]], [0, 2, 1])
BY_HAND = [
    # 0.5 - 0.6, -0.3 + 0.3, 0.2 + 0.6
    [-0.1, 0.0, 0.8],
    # 0.25 + 0.375, 0.25 - 0.75, -0.5 + 0.375
    [0.625, -0.5, -0.125],
    # a vector of zeros stays one: 1.5 times 0.2, 0.6, -0.2
    [0.3, 0.9, -0.3],
]


def test_three_videos_by_hand():
    fused = fuse([RGB, FLOW], [1, 1.5], "l1", names=["rgb", "flow"])
    np.testing.assert_allclose(fused.logits, BY_HAND, atol=1e-6)
    assert fused.logits.dtype == np.float32
    assert fused.video_ids.tolist() == ["v0", "v1", "v2"]
    assert fused.labels.tolist() == [0, 2, 1]
    assert fused.classes.tolist() == list(CLASSES)
    assert fused.protocol == "l1, 1 x rgb (25x10) + 1.5 x flow (center)"


def test_streams_are_the_inputs_as_they_were():
    fused = fuse([RGB, FLOW], [1, 1.5], names=["rgb", "flow"])
    assert list(fused.streams) == ["rgb", "flow"]
    np.testing.assert_array_equal(fused.streams["rgb"], RGB.logits)
    np.testing.assert_array_equal(fused.streams["flow"], FLOW.logits)
    measured = measure(fused)
    for name, stream in (("rgb", RGB), ("flow", FLOW)):
        alone = metrics.summary(stream.logits, stream.labels)
        for metric in ("top1", "top1_low", "top1_high", "top5", "map"):
            assert measured[f"{name}_{metric}"] == alone[metric]


def test_other_normalisations_by_hand():
    first, second = scores([[1, 2, -4]]), scores([[0, 3, 0.5]])
    fused = fuse([first, second], [2, 1], "none")
    np.testing.assert_allclose(fused.logits, [[2, 7, -7.5]], atol=1e-6)
    ln = np.log  # softmax of logarithms is shares
    first, second = scores([ln([1, 2, 5])]), scores([ln([6, 3, 1]) + 100])
    fused = fuse([first, second], [1, 0.5], "softmax")
    expected = [[0.125 + 0.3, 0.25 + 0.15, 0.625 + 0.05]]
    np.testing.assert_allclose(fused.logits, expected, atol=1e-5)


def test_defaults_are_l1_and_equal_weights():
    expected = fuse([RGB, FLOW], [1, 1], "l1")
    found = fuse([RGB, FLOW])
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert list(found.streams) == ["1", "2"]


def test_three_streams():
    fused = fuse([RGB, FLOW, RGB], [1, 1.5, 2])
    rgb = np.array([[0.5, -0.3, 0.2], [0.25, 0.25, -0.5], [0, 0, 0]])
    np.testing.assert_allclose(fused.logits, BY_HAND + 2 * rgb, atol=1e-6)


@pytest.mark.parametrize("factor", [1e-3, 7.0, 1e4])
def test_l1_does_not_see_a_streams_scale(factor):
    first, second = drawn()
    scaled = dataclasses.replace(second, logits=second.logits * np.float32(factor))
    expected, found = fuse([first, second]), fuse([first, scaled])
    np.testing.assert_allclose(found.logits, expected.logits, atol=1e-6)


@pytest.mark.parametrize("normalize", fusion.NORMALIZATIONS)
def test_a_weight_of_zero_leaves_the_others_ranking(normalize):
    first, second = drawn()
    fused = fuse([first, second], [1, 0], normalize)
    np.testing.assert_array_equal(
        np.argsort(fused.logits, axis=1), np.argsort(first.logits, axis=1)
    )


@pytest.mark.parametrize("normalize", fusion.NORMALIZATIONS)
def test_common_factor_of_weights_does_not_rank(normalize):
    first, second = drawn()
    once = fuse([first, second], [1, 1.5], normalize).logits
    often = fuse([first, second], [200, 300], normalize).logits
    np.testing.assert_allclose(often, 200 * once, rtol=1e-5, atol=1e-4)


def test_order_of_videos_is_that_of_the_first_and_changes_nothing_else():
    first, second = drawn()
    order = np.random.default_rng(1).permutation(40)
    expected = fuse([first, second], [1, 1.5])
    assert_same(fuse([first, reordered(second, order)], [1, 1.5]), expected)
    mixed = fuse([reordered(first, order), second], [1, 1.5])
    assert mixed.video_ids.tolist() == first.video_ids[order].tolist()
    assert_same(mixed, reordered(expected, order), streams=False)
    np.testing.assert_array_equal(mixed.streams["2"], second.logits[order])


def assert_same(found, expected, *, streams=True):
    for name in ("video_ids", "labels", "logits", "classes", "protocol"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    if streams:
        for name, logits in expected.streams.items():
            np.testing.assert_array_equal(found.streams[name], logits)


def test_several_labels_are_kept():
    labels = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], np.uint8)
    several = [dataclasses.replace(each, labels=labels) for each in (RGB, FLOW)]
    fused = fuse(several, [1, 1.5])
    np.testing.assert_array_equal(fused.labels, labels)
    np.testing.assert_allclose(fused.logits, BY_HAND, atol=1e-6)
    # RGB answers run, run, run, one hit; flow and both together sit, run, walk, two.
    gain = fusion.gain_over_best(fused)
    assert (gain.stream, gain.gain) == ("2", 0)


def test_only_the_prediction_takes_part(tmp_path):
    """A TDN's scores hold its two classifiers' too; fused scores, their streams."""
    tdn = dataclasses.replace(RGB, streams={"image": RGB.logits * -9})
    fused = fuse([tdn, FLOW], [1, 1.5], names=["rgb", "flow"])
    np.testing.assert_allclose(fused.logits, BY_HAND, atol=1e-6)
    assert list(fused.streams) == ["rgb", "flow"]
    again = fuse([fused, RGB], names=["both", "rgb"])
    assert list(again.streams) == ["both", "rgb"]
    assert "both (l1, 1 x rgb" in again.protocol


def test_fused_scores_come_back_from_their_file(tmp_path):
    fused = fuse([RGB, FLOW], names=["runs/rgb", "ü"])
    fused.save(tmp_path / "f.npz")
    assert_same(Scores.load(tmp_path / "f.npz"), fused)


def test_gain_over_the_best_stream():
    first, second = drawn()
    fused = fuse([first, second], names=["a", "b"])
    right = {
        name: logits.argmax(axis=1) == fused.labels
        for name, logits in {"": fused.logits, **fused.streams}.items()
    }
    best = "a" if right["a"].mean() >= right["b"].mean() else "b"
    expected = metrics.paired_bootstrap(right[""], right[best])
    gain = fusion.gain_over_best(fused)
    assert (gain.stream, (gain.gain, gain.low, gain.high)) == (best, expected)


def test_mean_over_splits_of_fused_metrics():
    found = {}
    for split, seed in (("test1", 1), ("test2", 2)):
        fused = fuse(drawn(seed), names=["rgb", "flow"])
        found[split] = measure(fused) | {
            "protocol": fused.protocol,
            "model": "rgb + flow",
            "classes": list(CLASSES),
            "fusion": {"method": "average"},
        }
    mean = mean_over_splits(found)
    both = [found[split]["rgb_top1"] for split in found]
    assert mean["rgb_top1"] == pytest.approx(sum(both) / 2)


# What is refused


@pytest.mark.parametrize(
    "weights, message",
    [
        ([1], r"one number per stream, 2\. Received: 1, 1\."),
        ([1, 2, 3], r"one number per stream, 2\. Received: 3, 1,2,3\."),
        ([1, -1.5], r"0, or from .* Received: 1,-1\.5\."),
        ([0, 0], r"not all of them 0\. Received: 0,0\."),
        ([1, np.nan], r"Received: 1,nan\."),
        ([np.inf, 1], r"Received: inf,1\."),
        ([1e-30, 1e-30], r"Received: 1e-30,1e-30\."),
    ],
)
def test_weights_that_are_none(weights, message):
    with pytest.raises(ValueError, match=f"^`weights` must be .*{message}$"):
        fuse([RGB, FLOW], weights)


def test_unknown_normalisation():
    message = r"`normalize` must be one of l1, softmax, none\. Received: l2\."
    with pytest.raises(ValueError, match=message):
        fuse([RGB, FLOW], normalize="l2")
    with pytest.raises(ValueError, match=message):
        fuse_by_svm([RGB, FLOW], drawn(), "l2")


def test_too_few_and_names_alike():
    with pytest.raises(ValueError, match=r"two or more\. Received: 1\."):
        fuse([RGB])
    with pytest.raises(ValueError, match=r"all different\. Received: a, a\."):
        fuse([RGB, FLOW], names=["a", "a"])
    with pytest.raises(ValueError, match=r"one per stream, 2.* Received: a, b, c\."):
        fuse([RGB, FLOW], names=["a", "b", "c"])


def mismatch(*given):
    with pytest.raises(VidzooError) as caught:
        fuse(given, names=["rgb.npz", "flow.npz", "third.npz"][: len(given)])
    assert "\n" not in str(caught.value)
    return str(caught.value)


END = (
    " Give scores of the same videos, as `vidzoo evaluate` makes them from the same "
    "split."
)


def test_other_videos():
    other = dataclasses.replace(FLOW, video_ids=np.array(["v1", "x", "y"]))
    assert mismatch(RGB, other) == (
        "flow.npz does not go with rgb.npz: 2 videos in rgb.npz only (v0, v2), "
        f"2 videos in flow.npz only (x, y); other labels in rgb.npz and in flow.npz "
        f"for 1 video: v1 is sit and run.{END}"
    )


def test_videos_that_only_one_has():
    fewer = reordered(FLOW, [0, 2])
    assert mismatch(RGB, fewer) == (
        "flow.npz does not go with rgb.npz: 1 video in rgb.npz only (v1), "
        f"0 videos in flow.npz only.{END}"
    )
    first, second = drawn()
    ids = np.array([f"w{i}" for i in range(40)])
    assert (
        "40 videos in rgb.npz only (v0, v1, v2 and 37 more), "
        "40 videos in flow.npz only (w0, w1, w2 and 37 more)."
    ) in mismatch(first, dataclasses.replace(second, video_ids=ids))


def test_other_labels():
    other = dataclasses.replace(FLOW, labels=np.array([0, 1, 0]))
    assert mismatch(RGB, other) == (
        "flow.npz does not go with rgb.npz: other labels in rgb.npz and in flow.npz "
        f"for 2 videos: v1 is sit and walk, v2 is walk and run.{END}"
    )


def test_other_sets_of_labels():
    hot = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], np.uint8)
    changed = hot.copy()
    changed[0], changed[1] = [0, 1, 0], [1, 0, 0]
    one, other = (dataclasses.replace(RGB, labels=each) for each in (hot, changed))
    assert "for 2 videos: v0 is run+sit and walk, v1 is none and run." in mismatch(
        one, other
    )
    assert "videos have one label in flow.npz, several in rgb.npz." in mismatch(
        one, FLOW
    )
    assert "videos have one label in rgb.npz, several in flow.npz." in mismatch(
        RGB, other
    )


def test_other_classes():
    other = dataclasses.replace(FLOW, classes=np.array(["run", "walk", "stand"]))
    assert mismatch(RGB, other).startswith(
        "flow.npz does not go with rgb.npz: 1 class in rgb.npz only (sit), "
        "1 class in flow.npz only (stand); "
    )
    more = scores(np.zeros((3, 4)), [0, 2, 1], classes=(*CLASSES, "stand"))
    assert mismatch(RGB, more) == (
        "flow.npz does not go with rgb.npz: 0 classes in rgb.npz only, "
        f"1 class in flow.npz only (stand).{END}"
    )


def test_classes_in_another_order():
    other = dataclasses.replace(FLOW, classes=np.array(["run", "sit", "walk"]))
    assert (
        "the same classes in another order: walk, sit at 1, sit, walk at 2"
    ) in mismatch(RGB, other)


def test_every_file_that_does_not_match_is_named():
    other = dataclasses.replace(FLOW, video_ids=np.array(["v0", "v1", "x"]))
    text = mismatch(RGB, other, reordered(RGB, [0, 1]))
    assert "flow.npz does not go with rgb.npz: 1 video in rgb.npz only (v2), " in text
    assert "third.npz does not go with rgb.npz: 1 video in rgb.npz only (v2), " in text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_numbers(value):
    logits = FLOW.logits.copy()
    logits[1:, 2] = value
    text = mismatch(RGB, dataclasses.replace(FLOW, logits=logits))
    assert text.startswith(
        "flow.npz: the logits of 2 videos hold NaN or infinity, first those of v1."
    )


def test_overflow_is_no_score():
    huge = scores(np.full((3, 3), 3e38), [0, 2, 1])
    with pytest.raises(VidzooError, match="the fused scores: the logits of 3 videos"):
        fuse([RGB, huge], [1, 100], "none")
