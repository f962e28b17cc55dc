"""Scores: averaged over views, kept and read back."""

import numpy as np
import pytest
import tensorflow as tf

from vidzoo.errors import RecordError, VidzooError
from vidzoo.evaluation import Scores, classify

CLASSES = ("a", "b", "c")


def batch(*rows):
    """Rows of (video id, label, value); the clip is one value."""
    ids, labels, values = zip(*rows, strict=True)
    return {
        "rgb": tf.reshape(tf.constant(values, tf.float32), (-1, 1, 1, 1, 1)),
        "label": tf.constant(labels, tf.int32),
        "video_id": tf.constant(ids),
    }


def model(clip):
    """Logits that say what the clip holds."""
    value = tf.reshape(clip, (-1, 1))
    return {"logits": tf.concat([value, 2 * value, -value], 1), "image": value}


def test_views_of_a_video_are_averaged():
    seen = []
    scores = classify(
        model,
        [
            batch(("x", 0, 1.0), ("ü/y", 2, 10.0), ("x", 0, 3.0)),
            batch(("x", 0, 8.0)),
        ],
        CLASSES,
        "25x10",
        seen.append,
    )
    assert list(scores.video_ids) == ["x", "ü/y"]
    assert list(scores.labels) == [0, 2]
    np.testing.assert_allclose(scores.logits, [[4, 8, -4], [10, 20, -10]])
    assert scores.logits.dtype == np.float32
    assert (list(scores.classes), scores.protocol) == (list(CLASSES), "25x10")
    assert seen == [3, 4]


def test_plain_logits_work_too():
    scores = classify(
        lambda clip: model(clip)["logits"], [batch(("x", 1, 2.0))], CLASSES, "center"
    )
    np.testing.assert_allclose(scores.logits, [[2, 4, -2]])


def test_label_beyond_the_classes():
    with pytest.raises(
        RecordError, match="y: label 3 of 3 classes, but the model knows 3. Evaluate"
    ):
        classify(model, [batch(("x", 0, 1.0), ("y", 3, 1.0))], CLASSES, "center")


def test_no_clips():
    with pytest.raises(RecordError, match="no clip to classify"):
        classify(model, [], CLASSES, "center")


def test_scores_come_back(tmp_path):
    scores = classify(model, [batch(("x", 0, 1.0), ("ü", 2, 2.0))], CLASSES, "center")
    scores.save(tmp_path / "s.npz")
    loaded = Scores.load(tmp_path / "s.npz")
    for name in ("video_ids", "labels", "logits", "classes"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(scores, name))
        assert getattr(loaded, name).dtype == getattr(scores, name).dtype
    assert loaded.protocol == "center"
    assert [file.name for file in tmp_path.iterdir()] == ["s.npz"]


def _other_arrays(path):
    np.savez(path, logits=np.zeros((1, 3)))


def _objects(path):
    names = ("video_ids", "labels", "logits", "classes", "protocol")
    np.savez(path, **dict.fromkeys(names, np.array([None], dtype=object)))


def _text(path):
    path.write_text("scores")


def _npy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _missing(path):
    pass


@pytest.mark.parametrize("write", [_other_arrays, _objects, _text, _npy, _missing])
def test_not_a_scores_file(write, tmp_path):
    write(tmp_path / "s.npz")
    with pytest.raises(VidzooError, match=r"s\.npz: not a scores file"):
        Scores.load(tmp_path / "s.npz")
