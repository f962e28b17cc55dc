"""Networks that learn flow, from video files to served answers."""

import json
import logging

import numpy as np
import pytest

from tests.command import command
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo.errors import CheckpointError, RecordError, UsageError
from vidzoo.tasks import evaluate, export, predict, prepare, run_folder, train
from vidzoo.weights import open_weights

PAIR = {"backbone": "toy", "frame_size": 32, "recipe": "scratch"}
CLIP = {"backbone": "toy3d", "frame_size": 32, "recipe": "scratch"}
SHORT = {"epochs": 1, "batch_size": 4}


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


def trained(out, records, model, size, **options):
    """A run of one short epoch."""
    changes = SHORT | options.pop("changes", {})
    train.run(records, out, model=model, changes=changes, **size | options)
    return out


@pytest.fixture(scope="module")
def flow_runs(records, tmp_path_factory):
    """A FlowNet on 16 frames and one on two."""
    root = tmp_path_factory.mktemp("flow")
    return {
        name: trained(root / name, records, name, size)
        for name, size in (("flownet3d", CLIP), ("flownet2f", PAIR))
    }


@pytest.fixture(scope="module")
def classifier_run(records, tmp_path_factory):
    """An encoder on two frames that learned classes alone."""
    out = tmp_path_factory.mktemp("classifier") / "run"
    changes = {"flow_weight": 0.0}
    return trained(out, records, "actionflownet2f", PAIR, changes=changes)


@pytest.mark.parametrize(
    "flownet, network, size",
    [("flownet3d", "actionflownet", CLIP), ("flownet2f", "actionflownet2f", PAIR)],
)
def test_flow_first_then_both_tasks(
    flownet, network, size, flow_runs, videos, records, tmp_path
):
    flow_run, run = flow_runs[flownet], tmp_path / "run"
    (logged,) = log_of(flow_run)
    assert np.isfinite(logged["epe"]) and "accuracy" not in logged
    trained(run, records, network, size, weights=flow_run / "weights.npz")
    (logged,) = log_of(run)
    assert np.isfinite([logged["epe"], logged["accuracy"], logged["loss"]]).all()
    arrays = open_weights(run / "weights.npz").arrays
    assert any(name.startswith("decoder_") for name in arrays)
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


def test_weight_zero_trains_the_classifier_alone(classifier_run, records):
    arrays = open_weights(classifier_run / "weights.npz").arrays
    assert not any(name.startswith("decoder_") for name in arrays)
    assert run_folder.read_finished(classifier_run)["arguments"]["decoder"] is False
    assert "epe" not in log_of(classifier_run)[0]
    scores, _ = evaluate.run(classifier_run, records, protocol="2x2")
    assert scores.logits.shape == (2, 2) and np.isfinite(scores.logits).all()


def test_stacked_keeps_its_flownet(flow_runs, records, tmp_path):
    start, run = flow_runs["flownet2f"] / "weights.npz", tmp_path / "run"
    trained(run, records, "stacked_flow", PAIR, weights=start)
    before, after = (open_weights(x).arrays for x in (start, run / "weights.npz"))
    for name in before:
        same = np.asarray(after[f"flownet_{name}"]) == np.asarray(before[name])
        assert same.all(), name
    evaluate.run(run, records)


# Rows of tables 4.1 and 4.3 that see one frame or one field, by section 4.4.2
@pytest.mark.parametrize("modality, num_channels", [("rgb", 3), ("flow", 2)])
def test_one_image_is_learned_as_the_others(modality, num_channels, records, tmp_path):
    options = {"backbone": "toy", "frame_size": 32, "recipe": "action-flow"}
    changes = {"steps": 1, "batch_size": 4}
    run = tmp_path / "run"
    train.run(
        *(records, run), model="tsn", modality=modality, changes=changes, **options
    )
    described = run_folder.read_finished(run)
    assert described["arguments"]["num_segments"] == 1
    assert described["arguments"]["frame_shape"] == [32, 32, num_channels]
    (phase,) = described["recipe"]["phases"]
    assert (phase["optimizer"], phase["learning_rate"]) == ("adam", 1e-4)


def test_random_weights_are_no_reason_to_warn_of_the_papers_recipe(
    records, tmp_path, caplog
):
    changes = {"steps": 1, "batch_size": 4}
    options = {"recipe": "ucf101", "backbone": "toy", "frame_size": 32}
    train.run(
        *(records, tmp_path / "run"), model="flownet2f", changes=changes, **options
    )
    assert "hardly moves" not in caplog.text


def test_other_classes_start_from_a_trained_network(
    classifier_run, videos, tmp_path, caplog
):
    rows = (videos / "videos.csv").read_text()
    rows = rows.replace("right/2.avi,right", "right/2.avi,up")
    (videos / "three.csv").write_text(rows)
    three = tmp_path / "three"
    prepare.run(videos / "three.csv", three, layout="csv", size=48)
    caplog.set_level(logging.WARNING, "vidzoo")
    options = {"changes": {"flow_weight": 0.0}}
    start = classifier_run / "weights.npz"
    again = trained(
        tmp_path / "again", three, "actionflownet2f", PAIR, weights=start, **options
    )
    assert "the classifier head of 2 classes is left out" in caplog.text
    assert open_weights(again / "weights.npz").arrays["head/kernel"].shape[-1] == 3


def test_unknown_flow_is_counted(flow_runs):
    """The video of 10 frames is repeated; where it begins anew, no field leads on."""
    # One of 4 videos has 9 fields, repeated once in 16: 1 of 64 is not known.
    (logged,) = log_of(flow_runs["flownet3d"])
    assert logged["unknown"] == pytest.approx(1 / 64)


def test_missing_flow_says_which_command_makes_it(videos, tmp_path):
    prepare.run(videos / "videos.csv", tmp_path / "plain", layout="csv", size=48)
    with pytest.raises(RecordError, match="`vidzoo flow .*plain OUT`"):
        train.run(tmp_path / "plain", tmp_path / "run", model="actionflownet2f", **PAIR)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "options, message",
    [
        ({"model": "actionflownet2f", "num_segments": 3}, "clips have two frames"),
        ({"model": "actionflownet", "backbone": "toy"}, "resnet3d, tiny3d, toy3d"),
        (
            {"model": "actionflownet", "backbone": "toy3d", "frame_size": 40},
            "multiples of 32",
        ),
        (
            {"model": "actionflownet", "changes": {"num_frames": 15}},
            "multiple of 8.*Received: 15",
        ),
        ({"model": "actionflownet", "changes": {"fps": 5.0}}, "--fps is no option"),
        ({"model": "flownet2f", "modality": "flow"}, "flownet2f sees rgb"),
        ({"model": "actionflownet2f", "changes": {"flow_weight": -1}}, "must be >= 0"),
        ({"model": "flownet3d", "changes": {"flow_weight": 0.0}}, "nothing but flow"),
        (
            {"model": "tsn", "changes": {"flow_weight": 2.0}},
            "--flow_weight is no option of tsn, which predicts no flow",
        ),
        (
            {"model": "stacked_flow"},
            "must have been trained before: give its weights.*--model=flownet2f",
        ),
    ],
)
def test_wrong_options_are_refused(options, message, records, tmp_path):
    with pytest.raises(UsageError, match=message):
        train.run(records, tmp_path / "run", **{"recipe": "scratch"} | options)
    assert not (tmp_path / "run").exists()
