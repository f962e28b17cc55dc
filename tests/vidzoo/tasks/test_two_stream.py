"""Flow and two-stream networks, from video files to served answers."""

import json
import re
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.command import command
from tests.records import png
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo.errors import CheckpointError, RecordError, UsageError, VidzooError
from vidzoo.evaluation import Scores, fuse
from vidzoo.models import two_stream as two_stream_model
from vidzoo.tasks import (
    evaluate,
    export,
    flow,
    predict,
    prepare,
    run_folder,
    train,
    two_stream,
)
from vidzoo.weights import open_weights
from vidzoo_data.records.read import Records

TOY = {"backbone": "toy", "frame_size": 32, "recipe": "scratch"}
SHORT = {"changes": {"epochs": 1, "batch_size": 4}}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Textures that move right or left, listed with three overlapping splits."""
    root = tmp_path_factory.mktemp("videos")
    rows = ["path,label,split"]
    for i in range(8):
        label = ("right", "left")[i % 2]
        shift = 2 if label == "right" else -2
        write_video(root / f"{label}/{i}.avi", num_frames=12, shift=shift, seed=i)
        for split in ("1", "2"):
            kind = "test" if i // 2 == int(split) else "train"
            rows.append(f"{label}/{i}.avi,{label},{kind}{split}")
    (root / "videos.csv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture(scope="module")
def records(videos, tmp_path_factory):
    out = tmp_path_factory.mktemp("records") / "out"
    listed = str(videos / "videos.csv")
    options = ["--layout=csv", "--size=48", "--method=dis", "--workers=1"]
    assert command("flow", listed, str(out), *options) == 0
    return out


@pytest.fixture(scope="module")
def run(records, tmp_path_factory):
    """A two-stream TSN of split 1."""
    out = tmp_path_factory.mktemp("run") / "tsn"
    two_stream.train(records, out, model="tsn", split="train1", **TOY, **SHORT)
    return out


# One command trains, evaluates, exports and predicts


def test_streams_are_trained_apart(run, records):
    rgb, of_flow = (run_folder.read_finished(run / name) for name in ("rgb", "flow"))
    assert rgb["arguments"]["frame_shape"] == [32, 32, 3]
    assert of_flow["arguments"]["frame_shape"] == [32, 32, 10]
    assert of_flow["recipe"]["snippet_length"] == 5
    assert of_flow["data"]["made_with"]["flow"]["method"] == "dis"
    kernel = open_weights(run / "flow" / "weights.npz").arrays["image_conv1/kernel"]
    assert kernel.shape[2] == 10


def test_evaluate_fuses_the_streams(run, records, capsys):
    assert command("evaluate", str(run), str(records), "--json") == 0
    measured = json.loads(capsys.readouterr().out)
    streams = [
        Scores.load(run / name / "scores-test1-center.npz") for name in ("rgb", "flow")
    ]
    expected = fuse(streams, [1, 1.5], "l1", names=["rgb", "flow"])
    fused = Scores.load(run / "scores-test1-center.npz")
    np.testing.assert_array_equal(fused.logits, expected.logits)
    by_hand = sum(
        weight * scores.logits / np.abs(scores.logits).sum(1, keepdims=True)
        for weight, scores in zip((1, 1.5), streams, strict=True)
    )
    np.testing.assert_allclose(fused.logits, by_hand, atol=1e-6)
    assert measured["num_videos"] == 2 and measured["split"] == "test1"
    assert {"top1", "rgb_top1", "flow_top1", "gain_low"} <= measured.keys()
    assert json.loads((run / "scores-test1-center.json").read_text()) == measured
    assert command("evaluate", str(run), str(records)) == 0
    assert "flow alone" in capsys.readouterr().out


def test_other_weights_make_another_fusion(run, records):
    options = {"normalize": "softmax", "weights": [1.0, 0.0]}
    fused, measured = two_stream.evaluate(run, records, protocol="2x2", **options)
    streams = [
        Scores.load(run / name / "scores-test1-2x2.npz") for name in ("rgb", "flow")
    ]
    np.testing.assert_array_equal(fused.logits, fuse(streams, [1, 0], "softmax").logits)
    e = np.exp(streams[0].logits.astype(np.float64))
    np.testing.assert_allclose(fused.logits, e / e.sum(1, keepdims=True), atol=1e-6)
    assert measured["num_views"] == 4
    assert measured["fusion"]["weights"] == {"rgb": 1.0, "flow": 0.0}


def test_the_served_answer_is_the_measured_one(run, records, videos, tmp_path):
    export.run(run, tmp_path / "model")
    fused, _ = two_stream.evaluate(run, records)
    classifier = predict.Classifier(tmp_path / "model")
    for video_id, logits in zip(fused.video_ids, fused.logits, strict=True):
        prediction = classifier.predict(videos / video_id)
        assert prediction.error is None
        ours = prediction.logits / np.abs(prediction.logits).sum()
        np.testing.assert_allclose(ours, logits / np.abs(logits).sum(), atol=1e-5)
    opened = Records(records)
    entry = opened.videos[str(fused.video_ids[0])]
    x, y = opened.read_flow(entry, range(entry.num_flow))
    model = tf.saved_model.load(str(tmp_path / "model"))
    answer = model.signatures["classify_jpegs"](
        jpegs=tf.constant([opened.read_frames(entry, range(entry.num_frames))]),
        flow_x=tf.constant([x]),
        flow_y=tf.constant([y]),
    )
    scores = classifier.predict(videos / entry.video_id).scores
    np.testing.assert_allclose(answer["scores"][0], scores, atol=1e-6)


@pytest.mark.parametrize("normalize", ["l1", "softmax", "none"])
def test_served_scores_are_as_sharp_as_the_streams(normalize):
    random = np.random.default_rng(0)
    logits = {name: random.normal(0, 9, (5, 7)) for name in ("rgb", "flow")}
    softmax = tf.nn.softmax
    function = two_stream_model.NORMALIZATIONS[normalize]
    weights = (1.0, 1.5)
    fused = sum(
        w * np.asarray(function(x))
        for w, x in zip(weights, logits.values(), strict=True)
    )
    outputs = {"logits": fused} | logits
    scores = two_stream_model.fused_scores(outputs, weights, normalize, softmax)
    scores = np.asarray(scores)
    np.testing.assert_allclose(scores.sum(1), 1, rtol=1e-6)
    np.testing.assert_array_equal(scores.argsort(1), fused.argsort(1))
    x = logits["rgb"]
    same = {"logits": 2.5 * np.asarray(function(x)), "rgb": x, "flow": x}
    alone = two_stream_model.fused_scores(same, weights, normalize, softmax)
    np.testing.assert_allclose(alone, softmax(x), rtol=1e-6)


def test_a_network_on_flow_alone_is_served_too(run, records, videos, tmp_path):
    export.run(run / "flow", tmp_path / "model")
    scores, _ = evaluate.run(run / "flow", records)
    classifier = predict.Classifier(tmp_path / "model")
    found = classifier.predict(videos / str(scores.video_ids[0])).logits
    np.testing.assert_allclose(found, scores.logits[0], atol=1e-5)
    entry = Records(records).videos[str(scores.video_ids[0])]
    x, y = Records(records).read_flow(entry, range(entry.num_flow))
    classify = tf.saved_model.load(str(tmp_path / "model")).signatures["classify_jpegs"]
    rows = [[*x, b""], [*x[:3], *[b""] * (len(x) - 2)]]
    ys = [[*y, b""], [*y[:3], *[b""] * (len(y) - 2)]]
    both = classify(flow_x=tf.constant(rows), flow_y=tf.constant(ys))["scores"]
    alone = classify(flow_x=tf.constant([x[:3]]), flow_y=tf.constant([y[:3]]))["scores"]
    np.testing.assert_allclose(both[1], alone[0], atol=1e-6)
    small = png(np.zeros((20, 30), np.uint8))
    for wrong, message in (
        ({"flow_y": tf.constant([y[:2] + [b""]])}, "as many images of x as of y"),
        ({"flow_x": tf.constant([[x[0][:40]] * 3])}, "PNG|png|decode|Invalid"),
        ({"flow_x": tf.constant([[b""] * 3])}, "every row of `x` one image or more"),
        (
            {"flow_y": tf.constant([y[:3]] * 2)},
            r"rows of x as of y\D*1\D*2\b",
        ),
        ({"flow_y": tf.constant([[*y[:2], small]])}, "shape|size|dimension"),
        (
            {name: tf.constant([[small] * 3]) for name in ("flow_x", "flow_y")},
            "flow between frames of the stored size",
        ),
    ):
        given = {"flow_x": tf.constant([x[:3]]), "flow_y": tf.constant([y[:3]])} | wrong
        with pytest.raises(tf.errors.InvalidArgumentError, match=message):
            classify(**given)


def test_a_video_that_cannot_be_read_is_an_answer(run, tmp_path):
    export.run(run / "flow", tmp_path / "model")
    (tmp_path / "broken.avi").write_bytes(b"")
    answer = predict.Classifier(tmp_path / "model").predict(tmp_path / "broken.avi")
    assert "broken.avi: the file is empty" in answer.error


def test_splits_in_one_command(records, tmp_path, vidzoo):
    out = tmp_path / "runs"
    arguments = [
        *("train", str(records), f"--out={out}", "--model=tsn", "--backbone=toy"),
        *("--modality=two-stream", "--split=train1,train2", "--frame_size=32"),
        *("--recipe=scratch", "--epochs=1", "--batch_size=4"),
    ]
    assert command(*arguments) == 0
    assert command(*arguments, "--resume") == 0  # all is there
    code, printed, _ = vidzoo("evaluate", out, records, "--json")
    assert code == 0
    result = json.loads(printed)
    assert command(*arguments, "--resume") == 0  # results are in no way
    one = ["--split=train1", f"--out={out / 'train1'}", "--resume"]
    kept = [each for each in arguments if not each.startswith(("--split", "--out"))]
    assert command(*kept, *one) == 0
    top1 = [result["splits"][name]["top1"] for name in ("test1", "test2")]
    assert result["mean"]["top1"] == pytest.approx(np.mean(top1))
    assert {"rgb_top1", "flow_top1"} <= result["mean"].keys()
    (out / "train2" / "flow" / "run.json").unlink()  # as if it was stopped before
    code, _, err = vidzoo("evaluate", out, records)
    assert code == 1 and "train2/flow: no run folder" in err
    code, _, err = vidzoo(*kept, f"--out={out}2", "--split=train1,train1")
    assert code == 2 and "name each split once" in err
    assert not (tmp_path / "runs2").exists()


# A TDN on flow starts from a TSN on flow (section 5.3.4)


def test_a_tdn_takes_its_image_subnetwork_from_a_trained_tsn(run, records, tmp_path):
    start = tmp_path / "start.npz"
    train.run(
        records, tmp_path / "rgb", model="tsn", split="train1", seed=7, **TOY, **SHORT
    )
    (tmp_path / "rgb" / "weights.npz").rename(start)
    out = tmp_path / "tdn"
    two_stream.train(
        records,
        out,
        model="tdn",
        split="train1",
        weights=start,
        image_weights=run,
        backbone="toy",
        frame_size=32,
        recipe="ucf101",
        changes={"steps": [2, 1], "batch_size": 2, "learning_rate": [1e-2, 1e-12]},
    )
    ours = open_weights(out / "flow" / "weights.npz").arrays
    theirs = open_weights(run / "flow" / "weights.npz").arrays
    for name in ("image_conv1/kernel", "image_head/kernel"):  # frozen, but for 1e-12
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-9)
    of_rgb, theirs = (
        np.asarray(open_weights(file / "rgb/weights.npz").arrays["image_head/kernel"])
        for file in (out, run)
    )
    assert np.abs(of_rgb - theirs).max() > 1e-5  # of RGB the classifier trains
    rgb = np.asarray(open_weights(start).arrays["image_conv1/kernel"])
    expected = np.repeat(rgb.mean(2, keepdims=True), 10, axis=2)
    difference = np.asarray(ours["difference_conv1/kernel"])
    np.testing.assert_allclose(difference, expected, atol=0.02)  # trained two steps
    assert np.corrcoef(difference.ravel(), expected.ravel())[0, 1] > 0.98
    described = run_folder.read_finished(out / "flow")
    assert described["recipe"]["phases"][0]["frozen"] == ["image", "image_head"]
    assert described["inputs"]["image_weights"] == str(run)


def test_image_weights_are_of_this_split_modality_and_network(run, records, tmp_path):
    start = run / "rgb" / "weights.npz"
    options = {"model": "tdn", "weights": start, **TOY}
    for wrong, message in (
        ({"split": "train2"}, "its split is train1; .* train2 was wanted"),
        ({"modality": "flow"}, "its modality is rgb; .* flow was wanted"),
    ):
        given = {"split": "train1", "image_weights": run / "rgb"} | wrong
        with pytest.raises(CheckpointError, match=message):
            train.run(records, tmp_path / "out", **options | given)
    message = "freezes the image subnetwork, classifier included.*--image_weights"
    with pytest.raises(UsageError, match=message):
        two_stream.train(
            records,
            tmp_path / "out",
            split="train1",
            **options | {"recipe": "hmdb51"},
        )
    assert not (tmp_path / "out").exists()


def test_image_weights_are_for_a_tdn_with_weights(run, records, tmp_path):
    with pytest.raises(UsageError, match="--image_weights: is for --model=tdn, with"):
        train.run(
            records,
            tmp_path / "out",
            model="tsn",
            split="train1",
            image_weights=run,
            **TOY,
        )


# Flow images (section 3.3.4) and Simonyan & Zisserman's networks


def test_flow_images(records, tmp_path):
    out = tmp_path / "out"
    options = {"model": "tsn", "modality": "flow_image", "split": "train1"}
    train.run(records, out, **options, **TOY, **SHORT)
    assert run_folder.read_finished(out)["arguments"]["frame_shape"] == [32, 32, 2]
    scores, _ = evaluate.run(out, records)
    assert np.isfinite(scores.logits).all()


def test_cnn_m_2048_trains(records, tmp_path):
    out = tmp_path / "out"
    train.run(
        records,
        out,
        model="cnn_m_2048",
        modality="flow",
        frame_size=41,
        split="train1",
        recipe="two-stream",
        changes={"steps": 1, "batch_size": 2},
    )
    described = run_folder.read_finished(out)
    assert "backbone" not in described["arguments"]
    assert described["arguments"]["frame_shape"] == [41, 41, 20]
    scores, _ = evaluate.run(out, records)
    assert scores.logits.shape == (2, 2)
    export.run(out, tmp_path / "model")
    assert (tmp_path / "model" / "saved_model.pb").is_file()


# What is refused


def test_records_without_flow(videos, tmp_path):
    listed, out = videos / "videos.csv", tmp_path / "plain"
    prepare.run(listed, out, layout="csv", size=48, workers=1)
    options = {"model": "tsn", "split": "train1"} | TOY
    message = "plain: these records hold no flow. Add it with `vidzoo flow"
    with pytest.raises(RecordError, match=message):
        two_stream.train(out, tmp_path / "run", **options)
    with pytest.raises(RecordError, match=message):
        train.run(out, tmp_path / "run", modality="flow", **options)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match="--fps is for videos; .* holds records"):
        flow.run(out, tmp_path / "more", method="dis", fps=5.0)
    summary = flow.run(out, tmp_path / "more", method="dis", bound=10.0, workers=1)
    assert summary.num_videos == 8
    assert Records(tmp_path / "more").flow["bound"] == 10.0


def test_records_with_other_flow(run, videos, tmp_path):
    listed, out = videos / "videos.csv", tmp_path / "other"
    flow.run(listed, out, layout="csv", size=48, method="farneback", workers=1)
    with pytest.raises(RecordError, match="made with flow .*farneback.*dis"):
        evaluate.run(run / "flow", out)
    evaluate.run(run / "rgb", out)  # which does not look at it


@pytest.mark.parametrize("flag", ["--weights=1,2", "--normalize=l1"])
def test_fusion_flags_for_one_stream(flag, run, records, tmp_path, vidzoo):
    code, _, err = vidzoo("evaluate", run / "rgb", records, flag)
    assert code == 2
    assert re.search("is for two-stream runs; .* has one stream", err)
    code, _, err = vidzoo("export", run / "rgb", tmp_path / "model", flag)
    assert code == 2 and "weights and --normalize are for two-stream" in err


def test_fusion_that_cannot_be_is_found_before_scoring(run, records, videos, tmp_path):
    for wrong, message in (
        ({"normalize": "l2"}, "l1.*--normalize"),
        ({"weights": [1.0]}, "--weights"),
    ):
        with pytest.raises(UsageError, match=message):
            two_stream.evaluate(run, records, protocol="1x1", **wrong)
    plain = tmp_path / "plain"
    prepare.run(videos / "videos.csv", plain, layout="csv", size=48, workers=1)
    with pytest.raises(RecordError, match="made with flow None, the run was trained"):
        two_stream.evaluate(run, plain, protocol="1x1")
    assert not (run / "rgb" / "scores-test1-1x1.npz").exists()


def test_streams_of_other_classes_are_not_joined(run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    description = json.loads((copy / "flow" / "run.json").read_text())
    description["classes"].reverse()
    (copy / "flow" / "run.json").write_text(json.dumps(description))
    message = r"flow: its classes is \['right', 'left'\], but \['left', 'right'\]"
    with pytest.raises(CheckpointError, match=message):
        export.run(copy, tmp_path / "model")


def test_runs_and_models_from_before_there_was_flow(run, records, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run / "rgb", copy)
    file = copy / "run.json"
    description = json.loads(file.read_text())
    del description["arguments"]["modality"], description["recipe"]["snippet_length"]
    file.write_text(json.dumps(description))
    options = {"model": "tsn", "split": "train1", **TOY, **SHORT}
    train.run(records, copy, resume=True, **options)
    export.run(copy, tmp_path / "model")
    described = tmp_path / "model" / "assets.extra" / "vidzoo.json"
    how = json.loads(described.read_text())
    how |= how.pop("inputs")["clip"]
    described.write_text(json.dumps(how))
    with pytest.raises(VidzooError, match="older vidzoo. Export the run again"):
        predict.Classifier(tmp_path / "model")


def test_a_stream_that_is_not_trained(run, records, tmp_path):
    for name in ("rgb", "flow"):
        (tmp_path / name).mkdir()
        text = (run / name / "run.json").read_text()
        (tmp_path / name / "run.json").write_text(text)
    with pytest.raises(CheckpointError, match="rgb: training has not finished"):
        two_stream.evaluate(tmp_path, records)


def test_unknown_names(records, tmp_path):
    options = {"split": "train1", "backbone": "toy", "frame_size": 32}
    for wrong, message in (
        (
            {"modality": "depth"},
            "no modality 'depth'. Choose one of: rgb, flow",
        ),
        (
            {"recipe": "two-stream"},
            "no recipe 'two-stream' for tsn. Choose",
        ),
    ):
        with pytest.raises(UsageError, match=message):
            train.run(records, tmp_path / "out", model="tsn", **options | wrong)
    with pytest.raises(UsageError, match="`method` must be one of tvl1"):
        flow.run(records, tmp_path / "out", method="raft")


# Of full-length video


def test_streams_of_full_length_video(records, videos, tmp_path):
    run, model = tmp_path / "run", tmp_path / "model"
    two_stream.train(
        records,
        run,
        model="lstm_classifier",
        split="train1",
        model_options={"num_layers": 1, "num_cells": 8},
        changes={"epochs": 1, "batch_size": 4, "num_frames": 5},
        **TOY,
    )
    arguments = run_folder.read_finished(run / "flow")["arguments"]
    assert (arguments["modality"], arguments["frame_shape"][-1]) == ("flow_image", 2)
    scores, _ = two_stream.evaluate(run, records, protocol="whole-video")
    assert set(scores.streams) == {"rgb", "flow"}
    export.run(run, model)
    found = predict.Classifier(model).predict(videos / scores.video_ids[0])
    assert found.error is None and np.isfinite(found.logits).all()
