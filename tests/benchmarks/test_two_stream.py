"""The two-stream benchmarks' arithmetic, by hand, and that they run at all."""

import json

import numpy as np
import pytest

from benchmarks import flow_speed, motion_shapes, two_stream
from tests.records import coordinate_frames, record, write_records
from vidzoo.evaluation import Scores


def scores(fused, rgb, flow):
    """Scores of two classes: the label is 0, a right answer is class 0."""

    def logits(answers):
        return np.array([[1.0, 0.0] if ok else [0.0, 1.0] for ok in answers])

    return Scores(
        video_ids=np.array(["v", "w", "x", "y"]),
        labels=np.zeros(4, int),
        logits=logits(fused),
        classes=np.array(["a", "b"]),
        protocol="5x2",
        streams={"rgb": logits(rgb), "flow": logits(flow)},
    )


def test_differences_are_to_the_better_stream():
    found = two_stream.compare(
        {
            "seed 0": scores([1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]),
            "seed 1": scores([1, 1, 0, 1], [1, 0, 0, 0], [1, 1, 0, 1]),
        }
    )
    assert found["means"] == {"rgb": 0.25, "flow": 0.625, "fusion": 0.875}
    differences = found["differences"]
    assert list(differences) == ["fusion - flow", "flow - rgb"]
    gain = differences["fusion - flow"]
    assert gain["difference"] == pytest.approx(0.25)
    assert 0 <= gain["low"] < 0.25 < gain["high"] <= 0.5
    assert found["accuracies"]["fusion"] == {"seed 0": 1.0, "seed 1": 0.75}


def test_flow_speed_counts_and_divides(tmp_path, capsys):
    random = np.random.default_rng(0)
    videos = []
    for i in range(3):
        frames = coordinate_frames(4)
        frames[..., 2] = random.integers(0, 256, frames.shape[:3])
        videos.append(record(f"{i}.avi", frames))
    write_records(tmp_path / "records", videos)
    out = tmp_path / "speed.json"
    arguments = [str(tmp_path / "records"), "--method=dis", "--num_videos=2"]
    assert flow_speed.main([*arguments, "--repetitions=2", f"--out={out}"]) == 0
    measured = json.loads(out.read_text())
    assert measured["num_fields"] == 6 and measured["frame"] == [48, 64]
    assert all(each["min"] > 0 for each in measured["fields_per_second"].values())
    assert "to loops at once" in capsys.readouterr().out


def test_motion_shapes_runs(tmp_path, capsys, quick_backbones):
    out = tmp_path / "out"
    out.mkdir()
    assert motion_shapes.main([str(out), "--num_train=16", "--num_test=8"]) == 0
    printed = capsys.readouterr().out
    assert "TSN on rgb" in printed and "TSN on flow" in printed
    results = json.loads((out / "results.json").read_text())
    assert results["tsn"]["flow"]["num_videos"] == 8 and results["num_classes"] == 8
