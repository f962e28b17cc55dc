"""Class-wise differences: counted by hand; bars as long as they are, and coloured."""

import numpy as np
import pytest

from vidzoo import explain, metrics
from vidzoo.errors import VidzooError
from vidzoo.evaluation import Scores
from vidzoo.explain.class_bars import NEGATIVE, POSITIVE

CLASSES = ("jump", "run", "sit", "wave")


def scores(labels, answers, classes=CLASSES, ids=None):
    logits = np.eye(len(classes), dtype=np.float32)[np.array(answers)]
    ids = np.array(ids or [f"v{i}" for i in range(len(labels))])
    return Scores(ids, np.array(labels), logits, np.array(classes), "center")


#        jump        run      wave
LABELS = [0, 0, 0, 0, 1, 1, 3, 3, 3]
A = [0, 0, 0, 1, 1, 3, 3, 3, 0]  # 3 of 4, 1 of 2, 2 of 3
B = [0, 1, 1, 1, 1, 1, 3, 0, 3]  # 1 of 4, 2 of 2, 2 of 3


def test_counted_by_hand():
    found = explain.class_differences(scores(LABELS, A), scores(LABELS, B))
    assert found.classes == ("jump", "wave", "run")
    assert found.absent == ("sit",)
    assert found.counts.tolist() == [4, 3, 2]
    assert found.class_accuracy_a.tolist() == [3 / 4, 2 / 3, 1 / 2]
    assert found.class_accuracy_b.tolist() == [1 / 4, 2 / 3, 1]
    assert found.differences.tolist() == [0.5, 0, -0.5]
    assert (found.accuracy_a, found.accuracy_b) == (6 / 9, 5 / 9)
    assert found.difference == pytest.approx(1 / 9)
    correct = [np.array(x) == LABELS for x in (A, B)]
    expected = metrics.paired_bootstrap(*correct)
    assert (found.difference, found.low, found.high) == expected


def test_videos_are_matched_by_id():
    order = [4, 0, 8, 2, 6, 1, 3, 5, 7]
    shuffled = scores(
        [LABELS[i] for i in order],
        [B[i] for i in order],
        ids=[f"v{i}" for i in order],
    )
    ours = explain.class_differences(scores(LABELS, A), scores(LABELS, B))
    theirs = explain.class_differences(scores(LABELS, A), shuffled)
    assert ours.classes == theirs.classes
    np.testing.assert_array_equal(ours.differences, theirs.differences)
    assert ours.low == theirs.low


def test_equal_differences_stay_in_the_order_of_classes():
    """1/3 - 2/3 and 2/6 - 4/6 are equal; so is their rank."""
    labels = [1] * 6 + [0] * 3
    a, b = [1] * 2 + [2] * 4 + [0] + [2] * 2, [1] * 4 + [2] * 2 + [0] * 2 + [2]
    found = explain.class_differences(scores(labels, a), scores(labels, b))
    assert found.classes == ("jump", "run")


def test_other_classes_and_videos_are_errors():
    other = scores(LABELS, B, classes=("jump", "run", "sit", "swim"))
    with pytest.raises(VidzooError, match="b.npz does not go with a.npz: 1 class in "):
        explain.class_differences(scores(LABELS, A), other, ("a.npz", "b.npz"))
    other = scores(LABELS[:-1], B[:-1])
    with pytest.raises(
        VidzooError, match=r"1 video in a.npz only \(v8\).* Give scores"
    ):
        explain.class_differences(scores(LABELS, A), other, ("a.npz", "b.npz"))


def test_several_labels_have_no_accuracy_by_class():
    hot = np.eye(4, dtype=np.uint8)[LABELS]
    several = Scores(
        np.array([f"v{i}" for i in range(9)]),
        hot,
        hot.astype(np.float32),
        np.array(CLASSES),
        "center",
    )
    with pytest.raises(ValueError, match="needs one label a video"):
        explain.class_differences(several, several)


# Bars


def bars_of(picture, colour):
    """Height and width of each bar of a colour, from the top."""
    mask = np.abs(picture.astype(int) - colour).max(axis=-1) <= 2
    rows = np.flatnonzero(mask.sum(axis=1) > 5)
    runs = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
    return [(len(r), int(np.median(mask[r].sum(axis=1)))) for r in runs if len(r)]


def drawn(gains, num_videos=100):
    """Bars of classes where a answers so many of 100 videos more than b."""
    labels = np.repeat(np.arange(len(gains)), num_videos)
    classes = [f"class {i}" for i in range(len(gains))]
    wrong = (labels + 1) % len(gains)
    rank = np.tile(np.arange(num_videos), len(gains))
    hits = np.repeat(gains, num_videos)
    a = np.where(rank < np.maximum(hits, 0), labels, wrong)
    b = np.where(rank < np.maximum(-hits, 0), labels, wrong)
    found = explain.class_differences(
        scores(labels, a, classes), scores(labels, b, classes)
    )
    return explain.class_bars(found, "a", "b")


def test_bars_are_sorted_coloured_and_as_long_as_the_differences():
    picture = drawn([-30, 20, 60, 0, -10])
    blue, red = (bars_of(picture, colour) for colour in (POSITIVE, NEGATIVE))
    unit = blue[0][1] / 60
    assert [width / unit for _, width in blue] == pytest.approx([60, 20], abs=0.5)
    assert [width / unit for _, width in red] == pytest.approx([10, 30], abs=0.5)
    columns = [
        np.flatnonzero((np.abs(picture.astype(int) - c).max(axis=-1) <= 2).any(axis=0))
        for c in (POSITIVE, NEGATIVE)
    ]
    assert columns[1].max() <= columns[0].min() + 1  # red left of zero, blue right


def test_of_many_classes_both_ends_are_drawn():
    picture = drawn([*range(-50, 51)])
    blue, red = (bars_of(picture, colour) for colour in (POSITIVE, NEGATIVE))
    assert (len(blue), len(red)) == (20, 20)
    assert blue[0][1] / blue[-1][1] == pytest.approx(50 / 31, rel=0.05)
    assert picture.shape[0] < 1000


@pytest.mark.parametrize("gains", [[0, 0], [5, 3], [-5, -3], [100, -100]])
def test_pictures_of_one_sign_or_none(gains):
    picture = drawn(gains)
    assert len(bars_of(picture, POSITIVE)) == sum(gain > 0 for gain in gains)
    assert len(bars_of(picture, NEGATIVE)) == sum(gain < 0 for gain in gains)


def test_names_of_any_kind():
    labels, names = [0, 1, 2], ("$x_{", "日本" * 40, "")
    found = explain.class_differences(
        scores(labels, [0, 1, 2], names), scores(labels, [1, 2, 0], names)
    )
    assert explain.class_bars(found, "$a_{", "b" * 200).shape[1] == 760
