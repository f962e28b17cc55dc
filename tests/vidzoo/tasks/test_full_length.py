"""Networks of full-length video, from video files to served answers."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.command import command
from tests.records import coordinate_frames, record, write_records
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo.errors import RecordError, UsageError
from vidzoo.evaluation import Scores
from vidzoo.tasks import evaluate, export, predict, prepare, run_folder, train
from vidzoo.weights import open_weights
from vidzoo_data import clips
from vidzoo_data.records.read import Records

TOY = {"backbone": "toy", "frame_size": 32}
SMALL = {
    "feature_pooling": {"fc_size": 16},
    "lstm_classifier": {"num_layers": 2, "num_cells": 8},
    "single_frame": {},
}
# Frames of the four test videos: shorter and longer than a window, a clip, a chunk.
LENGTHS = (6, 12, 30, 37)


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    root = tmp_path_factory.mktemp("videos")
    rows = ["path,label,split"]
    for i in range(8):
        label, split = ("right", "left")[i % 2], "train" if i < 4 else "test"
        shift = 1 if label == "right" else -1
        length = 24 if i < 4 else LENGTHS[i - 4]
        write_video(root / f"{label}/{i}.avi", num_frames=length, shift=shift, seed=i)
        rows.append(f"{label}/{i}.avi,{label},{split}")
    (root / "videos.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def records(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "out"
    prepare.run(videos / "videos.csv", out, layout="csv", size=48, workers=1)
    return out


def trained(records, out, model, *, options=None, **changes):
    """A run of two epochs."""
    changes = {"epochs": 2, "batch_size": 4, "num_frames": 12} | changes
    options = SMALL[model] | (options or {})
    train.run(
        *(records, out),
        model=model,
        recipe="scratch",
        changes=changes,
        model_options=options,
        **TOY,
    )
    return out


@pytest.fixture(scope="module")
def runs(records, tmp_path_factory):
    """A finished run of each kind of network."""
    root = tmp_path_factory.mktemp("runs")
    return {
        "slow": trained(
            records, root / "slow", "feature_pooling", options={"pooling": "slow"}
        ),
        "lstm": trained(records, root / "lstm", "lstm_classifier"),
        "single": trained(records, root / "single", "single_frame", num_frames=1),
    }


def test_videos_have_the_lengths_they_are_meant_to(records):
    data = Records(records)
    assert sorted(v.num_frames for v in data.split("test")) == sorted(LENGTHS)


@pytest.mark.parametrize("kind", ["slow", "lstm", "single"])
def test_whole_videos_score_as_the_network_on_all_frames(kind, runs, records):
    scores, measured = evaluate.run(runs[kind], records, protocol="whole-video")
    assert measured["seed"] is None and measured["num_videos"] == 4
    description = run_folder.read_finished(runs[kind])
    data = Records(records)
    for row, entry in enumerate(data.split("test")):
        length = entry.num_frames
        if kind == "slow":
            length = max(length, 10)  # one window: shorter videos are repeated
        model = run_folder.build_model(
            description["model"],
            description["arguments"] | {"num_frames": length},
            runs[kind] / run_folder.WEIGHTS,
        )
        (frames,) = clips.record_chunks(
            *(data, entry),
            sampling=clips.Whole(num_frames=length),
            crop=clips.CenterCrop(32),
            chunk_length=100,
        )
        expected = model(frames[None], training=False)
        expected = expected["logits"] if kind == "lstm" else expected
        np.testing.assert_allclose(
            scores.logits[row], expected[0], rtol=1e-4, atol=1e-5
        )


def test_random_examples_are_averaged_and_counted(runs, records, tmp_path):
    out = tmp_path / "scores.npz"
    code = command(
        *("evaluate", runs["lstm"], records, "--protocol=6-random", f"--out={out}")
    )
    assert code == 0
    scores = Scores.load(out)
    measured = json.loads(out.with_suffix(".json").read_text())
    assert measured["num_views"] == 6 and measured["seed"] == 0
    model, description = run_folder.load_trained(runs["lstm"])
    data = Records(records)
    views = clips.view_batches(
        *(data, "test"),
        sampling=clips.Excerpt(12, clips.Whole()),
        num_clips=6,
        crop=clips.RandomCrop(32, flip=True),
        batch_size=1,
        seed=0,
    )
    single = [model(view["rgb"], training=False)["logits"][0] for view in views]
    singles = np.reshape(single, (4, 6, 2))
    np.testing.assert_allclose(
        scores.logits, singles.mean(axis=1), rtol=1e-4, atol=1e-5
    )
    hits = singles.argmax(axis=2) == scores.labels[:, None]
    np.testing.assert_allclose(scores.clip_hits[1], hits.mean(axis=1), atol=1e-6)
    assert measured["clip_hit1"] == pytest.approx(hits.mean())
    assert measured["clip_hit5"] == 1.0  # of two classes


@pytest.mark.parametrize("kind", ["slow", "lstm"])
def test_served_model_predicts_whole_videos(kind, runs, records, videos, tmp_path):
    export.run(runs[kind], tmp_path / "model")
    scores, _ = evaluate.run(
        *(runs[kind], records), protocol="whole-video", out=tmp_path / "s.npz"
    )
    classifier = predict.Classifier(tmp_path / "model")
    for video_id, logits in zip(scores.video_ids, scores.logits, strict=True):
        found = classifier.predict(videos / video_id)
        assert found.error is None
        np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.scores.sum(), 1, rtol=1e-5)


def test_served_model_takes_clips_and_jpegs(runs, records, tmp_path):
    export.run(runs["slow"], tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model"))
    model, _ = run_folder.load_trained(runs["slow"])
    clip = np.random.default_rng(0).integers(0, 256, (2, 12, 32, 32, 3), np.uint8)
    found = served.signatures["logits"](clip=tf.constant(clip))["logits"]
    np.testing.assert_allclose(found, model(clip), rtol=1e-4, atol=1e-5)
    data = Records(records)
    entry = max(data.split("test"), key=lambda video: video.num_frames)
    jpegs = data.read_frames(entry, range(entry.num_frames))
    found = served.signatures["classify_jpegs"](jpegs=tf.constant([jpegs]))["scores"]
    (batch,) = clips.center_batches(
        *(data, "test"),
        sampling=clips.Excerpt(12, clips.Whole()),
        crop=clips.CenterCrop(32),
        batch_size=4,
    )
    row = batch["video_id"].numpy().tolist().index(entry.video_id.encode())
    expected = tf.nn.softmax(model(batch["rgb"][row : row + 1]))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_expansion_is_one_command(records, tmp_path):
    out = tmp_path / "run"
    arguments = (
        *("train", records, f"--out={out}", "--model=feature_pooling"),
        *("--backbone=toy", "--frame_size=32", "--fc_size=8", "--recipe=scratch"),
        *("--epochs=1", "--batch_size=4", "--aggregate=fc"),
    )
    assert command(*arguments, "--num_frames=1,10,20") == 0
    shapes = {}
    for number in (1, 10, 20):
        file = out / f"frames-{number}" / "weights.npz"
        arrays = open_weights(file).arrays
        shapes[number] = arrays["fc6/kernel"].shape
        description = json.loads((file.parent / "run.json").read_text())
        assert description["arguments"]["num_frames"] == number
    assert shapes == {1: (128, 8), 10: (1280, 8), 20: (2560, 8)}
    assert command(*arguments, "--num_frames=1,10,20", "--resume") == 0
    assert command(*arguments, "--num_frames=1,10,20") == 1  # holds runs already


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--num_frames=30,10",), "give growing numbers"),
        (("--num_frames=1,10", "--split=train,test"), "one number for several splits"),
        (
            ("--num_frames=9", "--pooling=slow"),
            "`num_frames` must be >= 10 for pooling",
        ),
        (("--num_segments=3",), "its clips have --num_frames"),
        (("--pooling=early",), "`pooling` must be one of"),
        (("--first=5",), "`first` must be at least `num_frames`"),
        (("--modality=depth",), "no modality 'depth'"),
    ],
)
def test_wrong_flags(arguments, message, records, tmp_path, capsys):
    code = command(
        *("train", records, f"--out={tmp_path / 'run'}", "--model=feature_pooling"),
        *("--backbone=toy", "--frame_size=32", "--recipe=scratch", *arguments),
    )
    assert code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("weights.npz"))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--num_frames=10,20",), "a slow_fusion cannot be expanded"),
        (("--modality=flow_image",), "slow_fusion sees rgb"),
        (("--modality=two-stream",), "slow_fusion sees rgb"),
    ],
)
def test_wrong_flags_of_slow_fusion(arguments, message, records, tmp_path, capsys):
    code = command(
        *("train", records, f"--out={tmp_path / 'run'}", "--model=slow_fusion"),
        *("--recipe=scratch", *arguments),
    )
    assert code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_several_labels_are_no_one_label(runs, tmp_path):
    frames = coordinate_frames(12)
    videos = [record("v", frames, labels=(0, 1)), record("w", frames, labels=(1,))]
    folder = tmp_path / "several"
    splits = {"train": ["w"], "test": ["v", "w"]}
    classes = run_folder.read_finished(runs["lstm"])["classes"]
    write_records(folder, videos, classes=classes, splits=splits)
    with pytest.raises(RecordError, match="v has 2 labels"):
        evaluate.run(runs["lstm"], folder, protocol="whole-video")


def test_runs_of_before_there_was_full_length_video_go_on(records, tmp_path):
    run = tmp_path / "run"
    options = {"model": "tsn", "recipe": "scratch", "changes": {"epochs": 1}, **TOY}
    train.run(records, run, **options)
    described = json.loads((run / "run.json").read_text())
    for name in ("num_frames", "fps", "first"):
        del described["recipe"][name]
    for phase in described["recipe"]["phases"]:
        del phase["decay_rate"], phase["per_frame"]
    (run / "run.json").write_text(json.dumps(described))
    (run / "weights.npz").unlink()
    train.run(records, run, resume=True, **options)
    scores, _ = evaluate.run(run, records)
    assert np.isfinite(scores.logits).all()


def test_frames_are_no_option_of_networks_on_snippets(records, tmp_path, capsys):
    code = command("train", records, f"--out={tmp_path}/r", "--model=tsn", "--fps=2")
    assert code == 2
    assert "--fps is no option of tsn" in capsys.readouterr().err


def test_networks_of_one_length_cannot_see_whole_videos(records, tmp_path):
    run = trained(
        *(records, tmp_path / "run", "feature_pooling"), options={"pooling": "local"}
    )
    with pytest.raises(UsageError, match="a local network is for one number of frames"):
        evaluate.run(run, records, protocol="whole-video")
    scores, _ = evaluate.run(run, records)
    export.run(run, tmp_path / "model")
    found = predict.Classifier(tmp_path / "model")
    assert "whole_video" not in found._how
    assert scores.logits.shape == (4, 2)


def test_slow_fusion_is_trained_on_consecutive_frames(records, tmp_path):
    run = tmp_path / "run"
    train.run(
        *(records, run),
        model="slow_fusion",
        recipe="scratch",
        frame_size=48,
        changes={"epochs": 1, "batch_size": 4},
        model_options={"fc_size": 8},
    )
    arguments = run_folder.read_finished(run)["arguments"]
    assert (arguments["num_frames"], arguments["frame_shape"]) == (10, [48, 48, 3])
    scores, _ = evaluate.run(run, records, protocol="2x2")
    assert np.isfinite(scores.logits).all()
