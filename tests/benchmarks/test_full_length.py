"""The benchmarks of full-length video: their arithmetic by hand, and that they run."""

import json

import numpy as np
import pytest

from benchmarks import conv_pooling, frame_order, long_video, ucf101_features
from vidzoo.evaluation import Scores
from vidzoo_data import video
from vidzoo_data.records.read import Records


def scores(answers):
    """Scores of two classes: the label is 0, a right answer is class 0."""
    logits = np.array([[1.0, 0.0] if ok else [0.0, 1.0] for ok in answers], np.float32)
    return Scores(
        video_ids=np.array(["v", "w", "x", "y"]),
        labels=np.zeros(4, int),
        logits=logits,
        classes=np.array(["a", "b"]),
        protocol="whole-video",
    )


def test_conv_pooling_is_compared_with_single_frames():
    found = conv_pooling.compare(
        {
            "single frame": {"0": scores([1, 0, 0, 0]), "1": scores([1, 1, 0, 0])},
            "conv pooling": {"0": scores([1, 1, 0, 0]), "1": scores([1, 1, 1, 0])},
        }
    )
    assert found["means"] == {"single frame": 0.375, "conv pooling": 0.625}
    difference, low, high = found["differences"]["conv pooling - single frame"]
    assert difference == pytest.approx(0.25)
    assert 0 <= low < 0.25 < high <= 0.5
    assert found["num_test"] == {"0": 4, "1": 4}


def test_rules_are_compared_with_the_weighted_one():
    right, half = scores([1, 1, 1, 1]), scores([1, 0, 1, 0])
    found = ucf101_features.compare(
        {
            "single frame": {"seed 0": half},
            "late pooling": {"seed 0": right},
            "LSTM, last": {"seed 0": half},
            "LSTM, weighted": {"seed 0": right},
        }
    )
    assert found["means"]["late pooling"] == 1.0
    assert found["intervals"]["late pooling"] == [1.0, 1.0]
    low, high = found["intervals"]["single frame"]
    assert low < 0.5 < high
    differences = {name: found["differences"][name][0] for name in found["differences"]}
    assert differences == {
        "late pooling - single frame": 0.5,
        "LSTM, weighted - single frame": 0.5,
        "LSTM, weighted - LSTM, last": 0.5,
    }


def features():
    """Features of 24 videos in the file's form, whose two classes are far apart."""
    random = np.random.default_rng(0)
    label = np.arange(24) % 2
    values = random.integers(0, 20, (24, 25, 8)).astype(np.uint8)
    values[label == 1, :, :4] += 100
    group = 1 + np.arange(24) // 2
    names = [
        f"{'ab'[c]}/v_{'ab'[c]}_g{g:02}_c01.avi"
        for c, g in zip(label, group, strict=True)
    ]
    return {
        "features": values,
        "scale": np.linspace(0.01, 0.02, 24, dtype=np.float32),
        "label": label.astype(np.int16),
        "train": group > 3,
        "classes": np.array(["a", "b"]),
        "ucf101_name": np.array(names),
    }


def test_features_become_records(tmp_path):
    arrays = features()
    ucf101_features.write_records(arrays, tmp_path / "records")
    data = Records(tmp_path / "records")
    sizes = {name: len(ids) for name, ids in data.splits.items()}
    assert sizes == {"train": 18, "test": 6, "fit": 14, "val": 4}  # groups 5 and 10
    for row, name in enumerate(arrays["ucf101_name"]):
        found = data.read_features(data.videos[name], [0, 24])
        expected = arrays["features"][row, [0, 24]] * arrays["scale"][row]
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_networks_on_features_are_measured(tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "features.npz", **features())
    small = {"num_layers": 1, "num_cells": 8}
    monkeypatch.setitem(
        ucf101_features.NETWORKS,
        "LSTM",
        {
            "model": "lstm_classifier",
            "changes": {"epochs": 12, "learning_rate": 0.03},
            "model_options": small,
        },
    )
    arguments = [str(tmp_path / "features.npz"), str(tmp_path / "out"), "--seeds=0"]
    assert ucf101_features.main([*arguments, "--networks=LSTM"]) == 0
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert found["accuracies"]["LSTM, weighted"]["seed 0"] == 1.0
    assert found["ridge"]["mean"] == 1.0
    assert "LSTM, weighted: 1.000" in capsys.readouterr().out


def test_long_video_is_as_long_as_asked(tmp_path):
    path = tmp_path / "long.mp4"
    long_video.write_video(path, 60)
    with video.open_video(path) as decoded:
        assert (decoded.width, decoded.height, decoded.fps) == (320, 240, 25)
        frames = list(decoded)
    assert len(frames) == 60
    assert np.abs(frames[0].astype(int) - frames[30]).mean() > 5  # it moves


def test_twins_are_scored_as_pairs():
    """What answers alike to both has one right at most."""
    right_or_wrong = [[1, 0, 1, 1], [0, 1, 0, 1]]
    forwards, backwards = map(scores, right_or_wrong)
    found = frame_order.measured(forwards, backwards)
    assert found["top1"] == 5 / 8 and found["num_pairs"] == 4
    assert found["low"] < 5 / 8 < found["high"]
    alike = [scores([1, 0, 0, 0]), scores([0, 1, 1, 0])]
    assert frame_order.measured(*alike)["top1"] == 3 / 8
