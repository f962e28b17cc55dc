"""Scores: averaged over views, kept and read back."""

import time

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
        RecordError, match="y: label 3, but for 3 classes it is 0 to 2. Evaluate on "
    ):
        classify(model, [batch(("x", 0, 1.0), ("y", 3, 1.0))], CLASSES, "center")
    with pytest.raises(RecordError, match="x: label -1, but for 3 classes it is 0 to"):
        classify(model, [batch(("x", 0, 1.0), ("x", -1, 1.0))], CLASSES, "center")


def test_model_of_other_classes():
    message = "x: the records have 4 classes, but the model knows 3. Evaluate on rec"
    with pytest.raises(RecordError, match=message):
        classify(model, [batch(("x", 3, 1.0))], (*CLASSES, "d"), "center")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_model_that_answers_no_numbers(value):
    with pytest.raises(VidzooError, match="y: the model answers with NaN or infinity"):
        classify(model, [batch(("x", 0, 1.0), ("y", 0, value))], CLASSES, "center")


def several(*rows):
    """Like `batch`, with labels by class name."""
    ids, labels, values = zip(*rows, strict=True)
    hot = [[int(c in label) for c in CLASSES] for label in labels]
    return batch(*zip(ids, hot, values, strict=True))


def test_several_labels_a_video():
    batches = [several(("x", "ac", 1.0), ("y", "b", 5.0)), several(("x", "ac", 3.0))]
    scores = classify(model, batches, CLASSES, "center")
    assert list(scores.video_ids) == ["x", "y"]
    assert scores.labels.tolist() == [[1, 0, 1], [0, 1, 0]]
    assert scores.labels.dtype.kind in "iu"
    np.testing.assert_allclose(scores.logits, [[2, 4, -2], [5, 10, -5]])


@pytest.mark.parametrize("label", [[0, 2, 1], [1, 0], [1, 0, 0, 0]])
def test_several_labels_that_do_not_fit(label):
    message = r"x: label \[.*\], but for 3 classes it is 3 values, each 0 or 1. Evalu"
    with pytest.raises(RecordError, match=message):
        classify(model, [batch(("x", label, 1.0))], CLASSES, "center")


def two_streams(clip):
    """An image stream, a difference stream, their mean, and what is no logits."""
    image = model(clip)["logits"]
    return {
        "image": image,
        "logits": 2 * image,
        "difference": 3 * image,
        "flow": tf.zeros((clip.shape[0], 8, 8, 2)),
    }


def test_other_logits_of_a_network_are_kept_beside_its_answer(tmp_path):
    batches = [batch(("x", 0, 1.0), ("y", 1, 5.0)), batch(("x", 0, 3.0))]
    scores = classify(two_streams, batches, CLASSES, "center")
    assert set(scores.streams) == {"image", "difference"}
    image = np.array([[2, 4, -2], [5, 10, -5]], np.float32)
    scores.save(tmp_path / "s.npz")
    assert "logits_image" in np.load(tmp_path / "s.npz").files
    for found in (scores, Scores.load(tmp_path / "s.npz")):
        np.testing.assert_array_equal(found.streams["image"], image)
        np.testing.assert_array_equal(found.logits, 2 * image)
        np.testing.assert_array_equal(found.streams["difference"], 3 * image)
        assert found.streams["image"].dtype == np.float32


def linear(clip):
    """Logits of clips that hold their own logits."""
    return tf.reshape(clip, (clip.shape[0], -1))


def view_batches(logits, video_of_row, batch_size):
    """Batches of rows, `logits` (V, K) themselves as clips."""
    for start in range(0, len(logits), batch_size):
        rows = slice(start, start + batch_size)
        yield {
            "rgb": tf.constant(logits[rows, None, None, None, :]),
            "label": np.zeros(len(logits[rows]), np.int32),
            "video_id": np.array([f"{v}".encode() for v in video_of_row[rows]], object),
        }


@pytest.mark.parametrize("mixed", [False, True])
def test_batch_boundaries_change_nothing_but_rounding(mixed):
    """Against the mean in float64, over views in a row and over views spread out."""
    random = np.random.default_rng(0)
    logits = random.normal(1000, 1, (4 * 250, 3)).astype(np.float32)
    video_of_row = np.repeat(np.arange(4), 250)
    if mixed:
        random.shuffle(video_of_row)
    expected = [
        logits[video_of_row == v].astype(np.float64).mean(axis=0) for v in range(4)
    ]
    for batch_size in (1, 7, 250, 1000):
        batches = view_batches(logits, video_of_row, batch_size)
        scores = classify(linear, batches, CLASSES, "25x10")
        order = np.argsort(scores.video_ids)
        np.testing.assert_allclose(scores.logits[order], expected, rtol=1.2e-7)


def test_many_views_are_quick():
    """25 x 10 views of 80 videos, 400 classes: the sums take no time of note."""
    batches = list(
        view_batches(np.ones((20_000, 400), np.float32), np.arange(20_000) // 250, 250)
    )
    classes = [str(c) for c in range(400)]
    started = time.monotonic()
    scores = classify(linear, batches, classes, "25x10")
    assert time.monotonic() - started < 5  # 0.1 s where it was written
    assert scores.logits.shape == (80, 400)


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
    assert (loaded.protocol, loaded.streams) == ("center", {})
    assert [file.name for file in tmp_path.iterdir()] == ["s.npz"]


def test_several_labels_come_back(tmp_path):
    scores = classify(model, [several(("x", "ab", 1.0))], CLASSES, "center")
    scores.save(tmp_path / "s.npz")
    assert Scores.load(tmp_path / "s.npz").labels.tolist() == [[1, 1, 0]]


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


def arrays(**changed):
    """What `np.savez` needs for a scores file of two videos and three classes."""
    return {
        "video_ids": np.array(["x", "y"]),
        "labels": np.array([0, 2]),
        "logits": np.zeros((2, 3), np.float32),
        "classes": np.array(CLASSES),
        "protocol": np.array("center"),
    } | changed


def test_file_without_streams_is_read(tmp_path):
    np.savez(tmp_path / "s.npz", **arrays())
    scores = Scores.load(tmp_path / "s.npz")
    assert scores.streams == {}
    assert (scores.labels.tolist(), scores.protocol) == ([0, 2], "center")


@pytest.mark.parametrize(
    "changed, message",
    [
        (
            {"logits": np.zeros((3, 3))},
            r"logits is float64 \(3, 3\), expected floats of",
        ),
        ({"logits": np.zeros((2, 3), int)}, r"expected floats of shape \(2, 3\)"),
        ({"labels": np.zeros(3, int)}, r"integers of shape \(2,\) or \(2, 3\)"),
        ({"labels": np.zeros((2, 4), int)}, r"labels is int64 \(2, 4\), expected in"),
        ({"labels": np.zeros(2)}, r"labels is float64 \(2,\), expected integers"),
        ({"labels": np.array([0, 3])}, "labels are 0 to 3, expected 0 to 2"),
        ({"labels": np.full((2, 3), 2)}, "labels are 2 to 2, expected 0 to 1"),
        ({"classes": np.array(["a"])}, r"logits is float32 \(2, 3\), .* \(2, 1\)"),
        ({"classes": np.arange(3)}, r"classes is int64 \(3,\), expected text of sha"),
        ({"video_ids": np.array("x")}, r"video_ids is <U1 \(\), expected text of"),
        ({"video_ids": np.array(["x", "x"])}, "video_ids names a video twice"),
        ({"protocol": np.array(["a", "b"])}, r"protocol is <U1 \(2,\), expected text"),
        (
            {"logits": np.array([[0, 1, 2], [0, np.nan, 2]])},
            "logits holds NaN or infinity, first for y",
        ),
        ({"logits_image": np.zeros((2, 4))}, r"logits_image is float64 \(2, 4\)"),
        (
            {
                "video_ids": np.zeros(0, "U1"),
                "labels": np.zeros(0, int),
                "logits": np.zeros((0, 3)),
            },
            "it holds no video",
        ),
    ],
)
def test_damaged_scores_file(changed, message, tmp_path):
    np.savez(tmp_path / "s.npz", **arrays(**changed))
    with pytest.raises(
        VidzooError, match=rf"s\.npz: not a scores file.*{message}"
    ) as e:
        Scores.load(tmp_path / "s.npz")
    assert "\n" not in str(e.value)


def test_every_flipped_byte_is_an_error_or_harmless(tmp_path):
    file = tmp_path / "s.npz"
    classify(model, [batch(("x", 0, 1.0))], CLASSES, "center").save(file)
    whole, before = file.read_bytes(), Scores.load(file)
    outcomes = set()
    for place in range(0, len(whole), 3):
        file.write_bytes(
            whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :]
        )
        try:
            found = Scores.load(file)
        except VidzooError:
            outcomes.add("error")
        else:
            outcomes.add("harmless")  # such as a date in the archive
            np.testing.assert_array_equal(found.logits, before.logits)
            assert found.labels == before.labels
    assert outcomes == {"error", "harmless"}
