"""Fusion by a linear support vector machine: what it learns, and what it refuses."""

import dataclasses

import numpy as np
import pytest

from tests.vidzoo.evaluation.streams import drawn, reordered, scores
from vidzoo.errors import VidzooError
from vidzoo.evaluation import fuse, fuse_by_svm, fusion


@pytest.mark.parametrize("normalize", fusion.NORMALIZATIONS)
def test_svm_learns_which_stream_to_trust(normalize):
    """The second stream answers with the next class: averaging cannot know that."""
    fit, test = drawn(0, 90, "a"), drawn(1, 60, "b")
    for streams in (fit, test):
        labels = streams[1].labels
        shifted = np.roll(np.eye(3)[labels] * 4, 1, axis=1).astype(np.float32)
        streams[1] = dataclasses.replace(streams[1], logits=shifted)
    averaged = fuse(test, normalize=normalize)
    fused = fuse_by_svm(test, fit, normalize, names=["rgb", "flow"])
    assert (averaged.logits.argmax(axis=1) == averaged.labels).mean() < 0.7
    assert (fused.logits.argmax(axis=1) == fused.labels).mean() == 1
    assert fused.protocol == f"svm on {normalize}, rgb (center) + flow (center)"
    assert fused.logits.dtype == np.float32 and list(fused.streams) == ["rgb", "flow"]


def test_svm_is_one_against_the_rest_on_stacked_logits():
    """Against scikit-learn on features that are put together here."""
    from sklearn.svm import LinearSVC

    fit, test = drawn(0, 60, "a"), drawn(1, 20, "b")

    def stacked(streams):
        parts = []
        for each, learnt in zip(streams, fit, strict=True):
            part, of_fit = (
                s.logits / np.abs(s.logits).sum(axis=1, keepdims=True)
                for s in (each, learnt)
            )
            parts.append(part / np.sqrt((of_fit**2).sum(axis=1).mean()))
        return np.hstack(parts)

    for c in (1.0, 0.01):
        expected = []
        for k in range(3):
            machine = LinearSVC(C=c, dual=False, tol=1e-6)
            machine.fit(stacked(fit), fit[0].labels == k)
            expected.append(machine.decision_function(stacked(test)))
        found = fuse_by_svm(test, fit, c=c).logits
        np.testing.assert_allclose(found, np.stack(expected, axis=1), atol=1e-3)


def test_svm_gives_the_same_each_time_and_in_any_order():
    fit, test = drawn(0, 60, "a"), drawn(1, 20, "b")
    expected = fuse_by_svm(test, fit).logits
    np.testing.assert_array_equal(fuse_by_svm(test, fit).logits, expected)
    order = np.random.default_rng(0).permutation(60)
    mixed = fuse_by_svm(test, [reordered(fit[0], order), fit[1]])
    np.testing.assert_allclose(mixed.logits, expected, atol=1e-3)


def test_svm_of_two_classes():
    def two(seed, prefix):
        return [
            dataclasses.replace(
                each,
                labels=(each.labels > 0).astype(int),
                logits=each.logits[:, :2],
                classes=np.array(["no", "yes"]),
            )
            for each in drawn(seed, 60, prefix)
        ]

    fused = fuse_by_svm(two(1, "b"), two(0, "a"))
    assert fused.logits.shape == (60, 2)
    np.testing.assert_allclose(fused.logits[:, 0], -fused.logits[:, 1])
    assert (fused.logits.argmax(axis=1) == fused.labels).mean() > 0.7


def test_svm_on_a_stream_of_zeros():
    fit, test = drawn(0, 60, "a"), drawn(1, 20, "b")
    for streams in (fit, test):
        zeros = np.zeros_like(streams[1].logits)
        streams[1] = dataclasses.replace(streams[1], logits=zeros)
    assert np.isfinite(fuse_by_svm(test, fit).logits).all()


def test_svm_refuses_videos_it_is_tested_on():
    fit, test = drawn(0, 60), drawn(1, 20)
    with pytest.raises(
        VidzooError,
        match=r"^fit rgb and rgb share 20 videos: v0, v1, v2 and 17 more\. A video ",
    ):
        fuse_by_svm(test, fit, names=["rgb", "flow"])
    renamed = np.array([f"a{i}" for i in range(59)] + ["v7"])
    fit = [dataclasses.replace(each, video_ids=renamed) for each in fit]
    with pytest.raises(VidzooError, match=r"share 1 video: v7\. A video that was "):
        fuse_by_svm(test, fit)


def test_svm_refuses_what_it_cannot_learn_from():
    fit, test = drawn(0, 60, "a"), drawn(1, 20, "b")
    with pytest.raises(ValueError, match=r"one scores per stream, 2\. Received: 1\."):
        fuse_by_svm(test, fit[:1])
    for c in (0, -1, np.nan):
        with pytest.raises(ValueError, match=f"`c` must be a positive .*: {c}"):
            fuse_by_svm(test, fit, c=c)
    some = [reordered(each, np.flatnonzero(each.labels != 1)) for each in fit]
    with pytest.raises(VidzooError, match=r"^fit 1: no video of 1 class: walk\. Fit "):
        fuse_by_svm(test, some)
    other = [dataclasses.replace(e, classes=np.array(["a", "b", "c"])) for e in fit]
    with pytest.raises(VidzooError, match="^fit 1 does not go with 1: 3 classes in 1 "):
        fuse_by_svm(test, other)
    with pytest.raises(VidzooError, match="^fit 2 does not go with fit 1: 1 video in"):
        fuse_by_svm(test, [fit[0], reordered(fit[1], np.arange(59))])
    hot = [
        dataclasses.replace(each, labels=np.eye(3, dtype=int)[each.labels])
        for each in test
    ]
    with pytest.raises(ValueError, match="one label a video: a support vector machine"):
        fuse_by_svm(hot, fit)


def test_svm_of_one_class():
    def one(prefix):
        only = scores([[1.0]], ids=[prefix], classes=["a"])
        return [only, only]

    with pytest.raises(VidzooError, match="^fit 1: knows one class, a; a support"):
        fuse_by_svm(one("b"), one("a"))
