"""Networks that learn flow, from video files to served answers."""

import json
import logging

import numpy as np
import pytest

from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo import cli
from vidzoo.errors import CheckpointError, RecordError, UsageError
from vidzoo.tasks import evaluate, export, predict, prepare, run_folder, train
from vidzoo.weights import open_weights

PAIR = {"backbone": "tiny", "frame_size": 32, "recipe": "scratch"}
CLIP = {"backbone": "tiny3d", "frame_size": 32, "recipe": "scratch"}
SHORT = {"epochs": 1, "batch_size": 4}


def command(*arguments):
    """The exit code of a command line."""
    return cli._run(cli._parse(["vidzoo", *map(str, arguments)]))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Textures that move right or left for 18 frames, and one of 10 frames."""
    root = tmp_path_factory.mktemp("videos")
    rows = ["path,label,split"]
    for i in range(6):
        label = ("right", "left")[i % 2]
        shift = 2 if label == "right" else -2
        length = 10 if i == 5 else 18
        write_video(root / f"{label}/{i}.avi", num_frames=length, shift=shift, seed=i)
        rows.append(f"{label}/{i}.avi,{label},{'test' if i < 2 else 'train'}")
    (root / "videos.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def records(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "out"
    options = ["--layout=csv", "--size=48", "--method=dis", "--workers=1"]
    assert command("flow", videos / "videos.csv", out, *options) == 0
    return out


def log_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "flownet, network, size",
    [("flownet3d", "actionflownet", CLIP), ("flownet2f", "actionflownet2f", PAIR)],
)
def test_flow_first_then_both_tasks(flownet, network, size, videos, records, tmp_path):
    flow_run, run = tmp_path / "flow", tmp_path / "run"
    train.run(records, flow_run, model=flownet, changes=SHORT, **size)
    (logged,) = log_of(flow_run)
    assert np.isfinite(logged["epe"]) and "accuracy" not in logged
    weights = flow_run / "weights.npz"
    train.run(records, run, model=network, weights=weights, changes=SHORT, **size)
    (logged,) = log_of(run)
    assert np.isfinite([logged["epe"], logged["accuracy"], logged["loss"]]).all()
    arrays = open_weights(run / "weights.npz").arrays
    assert any(name.startswith("decoder_") for name in arrays)
    scores, _ = evaluate.run(run, records, protocol="2x2")
    assert scores.logits.shape == (2, 2) and np.isfinite(scores.logits).all()
    with pytest.raises(CheckpointError, match=f"predicts flow.*--model={network}"):
        evaluate.run(flow_run, records)
    served = tmp_path / "served"
    export.run(run, served)
    classifier = predict.Classifier(served)
    center, _ = evaluate.run(run, records)
    by_id = dict(zip(center.video_ids, center.logits, strict=True))
    for name in ("right/0.avi", "left/1.avi"):
        answer = classifier.predict(videos / name)
        assert answer.error is None
        np.testing.assert_allclose(answer.logits, by_id[name], atol=1e-4)


def test_weight_zero_trains_the_classifier_alone(records, tmp_path):
    run = tmp_path / "run"
    changes = SHORT | {"flow_weight": 0.0}
    train.run(records, run, model="actionflownet2f", changes=changes, **PAIR)
    arrays = open_weights(run / "weights.npz").arrays
    assert not any(name.startswith("decoder_") for name in arrays)
    assert run_folder.read_finished(run)["arguments"]["decoder"] is False
    assert "epe" not in log_of(run)[0]
    evaluate.run(run, records)


def test_stacked_keeps_its_flownet(records, tmp_path):
    flow_run, run = tmp_path / "flow", tmp_path / "run"
    train.run(records, flow_run, model="flownet2f", changes=SHORT, **PAIR)
    before = open_weights(flow_run / "weights.npz").arrays
    train.run(
        records,
        run,
        model="stacked_flow",
        weights=flow_run / "weights.npz",
        changes=SHORT,
        **PAIR,
    )
    after = open_weights(run / "weights.npz").arrays
    for name in before:
        same = np.asarray(after[f"flownet_{name}"]) == np.asarray(before[name])
        assert same.all(), name
    evaluate.run(run, records)


def test_other_classes_start_from_a_trained_network(videos, records, tmp_path, caplog):
    run = tmp_path / "run"
    changes = SHORT | {"flow_weight": 0.0}
    train.run(records, run, model="actionflownet2f", changes=changes, **PAIR)
    rows = (
        (videos / "videos.csv")
        .read_text()
        .replace("right/2.avi,right", "right/2.avi,up")
    )
    (videos / "three.csv").write_text(rows)
    three = tmp_path / "three"
    prepare.run(videos / "three.csv", three, layout="csv", size=48)
    caplog.set_level(logging.WARNING, "vidzoo")
    again = tmp_path / "again"
    options = {"model": "actionflownet2f", "changes": changes} | PAIR
    train.run(three, again, weights=run / "weights.npz", **options)
    assert "the classifier head of 2 classes is left out" in caplog.text
    assert open_weights(again / "weights.npz").arrays["head/kernel"].shape[-1] == 3


def test_unknown_flow_is_counted(records, tmp_path):
    """The video of 10 frames is repeated; where it begins anew, no field leads on."""
    run = tmp_path / "run"
    train.run(records, run, model="flownet3d", changes=SHORT, **CLIP)
    # One of 4 videos has 9 fields, repeated once in 16: 1 of 64 is not known.
    assert log_of(run)[0]["unknown"] == pytest.approx(1 / 64)


def test_missing_flow_says_which_command_makes_it(videos, tmp_path):
    prepare.run(videos / "videos.csv", tmp_path / "plain", layout="csv", size=48)
    with pytest.raises(RecordError, match="`vidzoo flow .*plain OUT`"):
        train.run(tmp_path / "plain", tmp_path / "run", model="actionflownet2f", **PAIR)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"model": "actionflownet2f", "num_segments": 3}, "clips have two frames"),
        ({"model": "actionflownet", "backbone": "tiny"}, "resnet3d, tiny3d"),
        (
            {"model": "actionflownet", "backbone": "tiny3d", "frame_size": 40},
            "multiples of 32",
        ),
        (
            {"model": "actionflownet", "changes": {"num_frames": 15}},
            "multiple of 8.*Received: 15",
        ),
        ({"model": "actionflownet", "changes": {"fps": 5.0}}, "--fps is no option"),
        ({"model": "flownet2f", "modality": "flow"}, "flownet2f sees rgb"),
        ({"model": "actionflownet2f", "changes": {"flow_weight": -1}}, "must be >= 0"),
    ],
)
def test_wrong_options_are_refused(options, message, records, tmp_path):
    with pytest.raises(UsageError, match=message):
        train.run(records, tmp_path / "run", **{"recipe": "scratch"} | options)
    assert not (tmp_path / "run").exists()
