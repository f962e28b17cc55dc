"""Recipes, phases and run folders, through the task itself."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from tests.records import coordinate_frames, record, write_records
from vidzoo.errors import CheckpointError, RecordError, UsageError, WeightsError
from vidzoo.models import backbones, image_classifier
from vidzoo.tasks import evaluate, train
from vidzoo.weights import PRESETS, RemoteFile, names, save_weights

TOY = {"backbone": "toy", "frame_size": 32}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    random = np.random.default_rng(0)
    videos = []
    for i in range(8):
        frames = coordinate_frames(5)
        frames[..., 2] = random.integers(0, 256, frames.shape[:3])
        videos.append(record(f"{i}.avi", frames, labels=(i % 2,)))
    ids = [video.video_id for video in videos]
    splits = {"train": ids[:6], "test": ids[6:], "all": ids}
    write_records(folder / "records", videos, splits=splits)
    return folder / "records"


def log_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "recipe, changes, phases",
    [
        ("hmdb51", {"steps": [3, 2], "batch_size": 2}, [(3, 1), (5, 2)]),
        ("fcvid", {"steps": [2, 1], "batch_size": 4}, [(2, 1), (3, 2)]),
        ("finetune", {"epochs": [1], "batch_size": 6}, [(1, 1), (2, 2)]),
        ("finetune", {"epochs": [1], "batch_size": 6, "crop": "multi-scale"}, None),
    ],
)
def test_a_tdn_is_trained_in_two_phases(recipe, changes, phases, records, tmp_path):
    run = tmp_path / "run"
    train.run(records, run, model="tdn", recipe=recipe, changes=changes, **TOY)
    logged = log_of(run)
    if phases:
        assert [(line["step"], line["phase"]) for line in logged] == phases
    assert all(np.isfinite(line["loss"]) for line in logged)
    described = json.loads((run / "run.json").read_text())
    assert described["recipe"]["phases"][0]["frozen"] == ["image"]
    assert described["arguments"]["num_segments"] == (2 if recipe == "hmdb51" else 3)
    scores, _ = evaluate.run(run, records)
    assert np.isfinite(scores.logits).all()


def test_mixed_precision_trains_and_its_weights_are_float32(records, tmp_path):
    run = tmp_path / "run"
    changes = {"epochs": 1, "batch_size": 6}
    train.run(
        *(records, run),
        model="tsn",
        recipe="motion-shapes",
        changes=changes,
        mixed_precision=True,
        **TOY,
    )
    with np.load(run / "weights.npz") as data:
        kinds = {data[name].dtype.name for name in data.files if "__" not in name}
    assert kinds == {"float32"}
    assert json.loads((run / "run.json").read_text())["precision"] == "mixed_bfloat16"
    evaluate.run(run, records)


@pytest.fixture(scope="module")
def convolved(records, tmp_path_factory):
    """A finished run of a TDN that merges by convolution, trained on `all`."""
    run = tmp_path_factory.mktemp("convolved") / "run"
    train.run(records, run, **CONVOLVED)
    return run


CONVOLVED = {
    **TOY,
    "model": "tdn",
    "recipe": "motion-shapes",
    "changes": {"epochs": 1, "batch_size": 4},
    "model_options": {"difference_merge": "conv"},
    "split": "all",
}


def test_resuming_without_an_option_of_the_first_run(convolved, records):
    other = CONVOLVED | {"model_options": {}}
    message = r"another arguments \(difference_merge\): conv, not None"
    with pytest.raises(CheckpointError, match=message):
        train.run(records, convolved, resume=True, **other)


def test_a_split_that_no_test_split_goes_with(convolved, records):
    with pytest.raises(UsageError, match="split 'all', which no .* train, test"):
        evaluate.run(convolved, records)
    evaluate.run(convolved, records, split="test")


def test_results_replace_nothing_else(convolved, records, tmp_path):
    picture = tmp_path / "scores-confusion.png"
    picture.write_text("mine")
    options = {"split": "test", "out": tmp_path / "scores.npz", "confusion": True}
    with pytest.raises(UsageError, match="scores-confusion.png: exists"):
        evaluate.run(convolved, records, **options)
    assert picture.read_text() == "mine"


def test_a_line_of_the_log_that_a_power_cut_left_half(records, tmp_path):
    run = tmp_path / "run"
    options = {**TOY, "model": "tsn", "recipe": "motion-shapes"}
    options["changes"] = {"epochs": 2, "batch_size": 6}
    train.run(records, run, **options)
    expected = log_of(run)
    with (run / "log.jsonl").open("a") as file:
        file.write('{"step": 3, "pha')
    train.run(records, run, resume=True, **options)
    assert log_of(run) == expected


def test_weights_of_a_preset(records, tmp_path, monkeypatch):
    """Their file lies in the cache; a resumed run goes on with it."""
    monkeypatch.setenv("VIDZOO_CACHE", str(tmp_path))
    file = RemoteFile("http://127.0.0.1:1/w.npz")
    preset = replace(
        PRESETS["c3d_sports1m"], name="toy", network="toy", variant="v1", files=(file,)
    )
    monkeypatch.setitem(PRESETS, "toy", preset)
    monkeypatch.setattr(names, "DEFAULTS", ("toy",))
    backbone = backbones.get("toy")
    network = image_classifier.build(backbone, 3, (32, 32, 3), None, "toy")
    (tmp_path / "weights" / "toy").mkdir(parents=True)
    path = tmp_path / "weights" / "toy" / "w.npz"
    save_weights(path, network, network="toy", backbone="toy", variant="v1")
    options = {**TOY, "model": "tsn", "weights": "imagenet"}
    options["changes"] = {"epochs": 1, "batch_size": 6}
    run = tmp_path / "run"
    with pytest.raises(WeightsError, match="toy: its licence is CC BY-NC"):
        train.run(records, run, **options)
    train.run(records, run, accept_license=True, **options)
    described = json.loads((run / "run.json").read_text())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert described["inputs"]["weights"] == "toy"
    assert described["initial_weights_sha256"] == digest
    assert described["recipe"]["name"] == "finetune"
    for weights in ("imagenet", "toy", path):
        train.run(records, run, resume=True, **options | {"weights": weights})


def test_splits_are_named_once(records, tmp_path):
    with pytest.raises(UsageError, match="train,train; name each split once"):
        train.run(records, tmp_path, model="tsn", split="train,train", **TOY)


def test_another_split_can_be_added_to_a_folder_of_runs(records, tmp_path):
    options = {**TOY, "model": "tsn", "recipe": "motion-shapes"}
    options["changes"] = {"epochs": 1, "batch_size": 6}
    out = tmp_path / "runs"
    train.run(records, out, split="train,all", **options)
    (out / "scores-mean-center.json").write_text("{}")
    with pytest.raises(CheckpointError, match="all: holds a run already"):
        train.run(records, out, split="all,test", **options)
    assert not (out / "test").exists()
    train.run(records, out, split="all,test", resume=True, **options)
    assert (out / "test" / "weights.npz").exists()


def test_several_labels_are_refused_before_a_folder_is_made(tmp_path):
    frames = coordinate_frames(3)
    videos = [record("a.avi", frames), record("b.avi", frames, labels=(0, 1))]
    write_records(tmp_path / "records", videos)
    with pytest.raises(RecordError, match="b.avi has 2 labels, .* --loss=sigmoid"):
        train.run(tmp_path / "records", tmp_path / "run", model="tsn", **TOY)
    assert not (tmp_path / "run").exists()
