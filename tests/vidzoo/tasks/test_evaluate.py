"""Protocols, splits and several labels, through the tasks a user runs."""

import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.command import command
from tests.records import record, write_records
from vidzoo import metrics, models
from vidzoo.errors import UsageError
from vidzoo.tasks import evaluate, export, predict, train
from vidzoo_data import clips
from vidzoo_data.clips import stream
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records

HEIGHT, WIDTH, SIZE = 48, 64, 32
CLASSES = ("a", "b", "c")
SPLITS = {
    "train1": [f"v{i:02d}" for i in (0, 1, 2, 3, 4, 5)],
    "test1": [f"v{i:02d}" for i in (6, 7, 8, 9, 10)],
    "train2": [f"v{i:02d}" for i in (2, 3, 4, 5, 6, 7)],
    "test2": [f"v{i:02d}" for i in (0, 1, 8, 9)],
    "train3": [f"v{i:02d}" for i in (5, 6, 7, 8, 9, 10)],
    "test3": [f"v{i:02d}" for i in (0, 1, 2)],
    "two": ["v09", "v07"],
}


def textured(num_frames, seed):
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (num_frames, HEIGHT, WIDTH, 3), np.uint8)
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames])


@pytest.fixture(scope="module")
def videos():
    """Eleven videos of 3 to 23 frames."""
    return {
        f"v{i:02d}": record(f"v{i:02d}", textured(3 + 2 * i, i), labels=(i % 3,))
        for i in range(11)
    }


@pytest.fixture(scope="module")
def records(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    write_records(folder, list(videos.values()), CLASSES, splits=SPLITS)
    return folder


@pytest.fixture(scope="module")
def runs(records, tmp_path_factory):
    """A folder of a TDN for each of the three splits."""
    out = tmp_path_factory.mktemp("runs") / "tdn"
    train.run(
        records,
        out,
        model="tdn",
        backbone="toy",
        recipe="scratch",
        changes={"epochs": 3, "batch_size": 3},
        frame_size=SIZE,
        split="train1,train2,train3",
    )
    assert sorted(entry.name for entry in out.iterdir()) == [
        "train1",
        "train2",
        "train3",
    ]
    return out


# Protocols


def views_of(video, num_clips, seed=0):
    """A plain loop over clips and crops: `(num_clips, 10, 3, 32, 32, 3)` pixels."""
    frames = [np.asarray(tf.io.decode_jpeg(jpeg, channels=3)) for jpeg in video.jpegs]
    bottom, right = HEIGHT - SIZE, WIDTH - SIZE
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    views = []
    for number in range(num_clips):
        drawn = stream.seed_of(seed, "view", video.video_id, number)
        frame_seed = tf.random.split(drawn, 3)[0]
        numbers = clips.Segments(3).random(len(frames), frame_seed).numpy()[:, 0]
        crops = []
        for y, x in [*corners, (bottom // 2, right // 2)]:
            clip = [frames[n][y : y + SIZE, x : x + SIZE] for n in numbers]
            crops += [clip, [frame[:, ::-1] for frame in clip]]
        views.append(crops)
    return np.array(views)


def test_25x10_is_a_loop_over_clips_crops_and_snippets(runs, records, videos):
    """A TDN of two snippets sees one pair at a time; all else is averaged here.

    A pair of one frame with itself gives that frame's own `image` logits.
    """
    scores, measured = evaluate.run(runs / "train1", records, protocol="25x10")
    assert measured["split"] == "test1" and measured["num_videos"] == 5
    assert scores.video_ids.tolist() == SPLITS["test1"]
    pair_network = models.TDN(
        3,
        num_segments=2,
        backbone="toy",
        frame_shape=(SIZE, SIZE, 3),
        weights=runs / "train1" / "weights.npz",
    )
    of_pairs = tf.function(lambda pairs: pair_network(pairs, training=False))
    for video_id, found in zip(scores.video_ids, scores.logits, strict=True):
        logits = []
        for crops in views_of(videos[video_id], 25):
            for t in range(3):
                same = of_pairs(np.stack([crops[:, t], crops[:, t]], 1))["image"]
                logits.append((0.5 / 3) * np.asarray(same))
            for t in range(2):
                moved = of_pairs(np.stack([crops[:, t], crops[:, t + 1]], 1))
                logits.append((0.5 / 2) * np.asarray(moved["difference"]))
        expected = np.sum(logits, axis=(0, 1)) / (25 * 10)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_random_clips_depend_on_seed_and_video_alone(runs, records, tmp_path):
    def logits(**options):
        options = {"protocol": "4x2", "out": tmp_path / "s.npz"} | options
        scores, _ = evaluate.run(runs / "train1", records, **options)
        return dict(zip(scores.video_ids.tolist(), scores.logits, strict=True))

    expected = logits()
    others = logits(split="two", batch_size=3, workers=1)
    assert set(others) == {"v07", "v09"}
    for video_id, found in others.items():
        np.testing.assert_allclose(found, expected[video_id], rtol=1e-5, atol=1e-6)
    reseeded = logits(seed=1)
    assert all(np.abs(reseeded[i] - expected[i]).max() > 1e-6 for i in expected)


def test_scores_keep_each_subnetworks_answers(runs, records):
    scores, measured = evaluate.run(runs / "train1", records)
    assert set(scores.streams) == {"image", "difference"}
    mean = (scores.streams["image"] + scores.streams["difference"]) / 2
    np.testing.assert_allclose(scores.logits, mean, rtol=1e-5, atol=1e-6)
    for name, logits in scores.streams.items():
        top1 = (logits.argmax(axis=1) == scores.labels).mean()
        assert measured[f"{name}_top1"] == pytest.approx(top1)


# Splits


def test_mean_of_three_splits_is_the_mean_of_three_runs(runs, records, capfd):
    assert command("evaluate", runs, records, "--json") == 0
    printed = json.loads(capfd.readouterr().out)
    alone = {}
    for number in (1, 2, 3):
        scores, alone[number] = evaluate.run(runs / f"train{number}", records)
        assert scores.video_ids.tolist() == SPLITS[f"test{number}"]
        assert printed["splits"][f"test{number}"] == alone[number]
    for name in ("top1", "top5", "mean_class", "map", "image_top1", "difference_top1"):
        mean = (alone[1][name] + alone[2][name] + alone[3][name]) / 3
        assert printed["mean"][name] == pytest.approx(mean), name
    written = json.loads((runs / "scores-mean-center.json").read_text())
    assert written == printed


def test_two_runs_of_one_split_have_no_mean(runs, records, tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).symlink_to(runs / "train2")
    with pytest.raises(UsageError, match="trained on train2, train2; a mean over"):
        evaluate.run_splits(tmp_path, records)


def test_confusion_is_written_beside_the_scores(runs, records, tmp_path):
    out = tmp_path / "scores.npz"
    scores, _ = evaluate.run(
        runs / "train1", records, out=out, split="test1", confusion=True
    )
    described = json.loads((tmp_path / "scores-confusion.json").read_text())
    expected = np.zeros((3, 3), int)
    for label, answer in zip(scores.labels, scores.logits.argmax(1), strict=True):
        expected[label, answer] += 1
    assert described["matrix"] == expected.tolist()
    picture = cv2.imread(str(tmp_path / "scores-confusion.png"))
    assert min(picture.shape[:2]) > 200


# Several labels


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A TSN trained by FCVID's recipe on videos with one or two labels, exported."""
    root = tmp_path_factory.mktemp("several")
    labels = [(0,), (1, 2), (2,), (0, 1), (1,), (0, 2), (0, 1, 2), (2, 1)]
    videos = [
        record(f"v{i}", textured(4, i), labels=each) for i, each in enumerate(labels)
    ]
    splits = {"train": ["v0", "v1", "v2", "v3"], "test": ["v4", "v5", "v6", "v7"]}
    write_records(root / "records", videos, CLASSES, splits=splits)
    train.run(
        root / "records",
        root / "run",
        model="tsn",
        backbone="toy",
        recipe="fcvid",
        changes={"steps": [3], "batch_size": 2},
        frame_size=SIZE,
    )
    export.run(root / "run", root / "model")
    return root, np.array([[0, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 1]])


@pytest.mark.parametrize("protocol", ["center", "2x2"])
def test_several_labels_are_measured_as_such(several, protocol):
    root, labels = several
    scores, measured = evaluate.run(root / "run", root / "records", protocol=protocol)
    np.testing.assert_array_equal(scores.labels, labels)
    hits = labels[np.arange(4), scores.logits.argmax(axis=1)]
    assert measured["hit1"] == hits.mean()
    assert measured["map"] == metrics.mean_average_precision(scores.logits, labels)
    assert "top1" not in measured
    with pytest.raises(UsageError, match="needs one label a video"):
        evaluate.run(root / "run", root / "records", confusion=True)


def test_several_labels_are_served_as_sigmoids(several):
    root, _ = several
    scores, _ = evaluate.run(root / "run", root / "records")
    served = tf.saved_model.load(str(root / "model"))
    jpegs = [jpegs_of(root / "records", video_id) for video_id in scores.video_ids]
    found = served.signatures["classify_jpegs"](jpegs=padded(jpegs))["scores"]
    expected = 1 / (1 + np.exp(-scores.logits.astype(np.float64)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert predict.Classifier(root / "model").classes == list(CLASSES)


# Exported classifiers


def jpegs_of(folder, video_id):
    records = Records(folder)
    parsed = schema.parse(records.read(records.videos[video_id]))
    return parsed[schema.FRAME_JPEG].numpy().tolist()


def padded(rows):
    """`(N, F)`: shorter rows filled up with empty strings."""
    longest = max(map(len, rows))
    return tf.constant([row + [b""] * (longest - len(row)) for row in rows])


def test_classify_jpegs_answers_as_the_model_in_memory(runs, records, tmp_path):
    scores, _ = evaluate.run(runs / "train1", records)
    export.run(runs / "train1", tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model"))
    jpegs = padded([jpegs_of(records, video_id) for video_id in scores.video_ids])
    found = served.signatures["classify_jpegs"](jpegs=jpegs)["scores"]
    expected = tf.nn.softmax(scores.logits)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(tf.errors.InvalidArgumentError, match="one image or more"):
        served.signatures["classify_jpegs"](jpegs=tf.constant([[b"", b""]]))
