"""The benchmarks of ActionFlowNet: their arithmetic by hand, and that they run."""

import json

import numpy as np
import pytest

from benchmarks import (
    action_flow,
    actionflownet_cost,
    chairs_overfit,
    flow_supervision,
    motion_clips,
)
from tests.benchmarks.test_full_length import scores
from vidzoo_data import synthetic
from vidzoo_data.flow.warp import warp


def test_both_tasks_are_compared_with_the_others():
    found = action_flow.compare(
        {
            "scratch": {"0": scores([1, 0, 0, 0]), "1": scores([1, 1, 0, 0])},
            "FlowNet fine-tune": {"0": scores([1, 1, 0, 0]), "1": scores([1, 1, 0, 0])},
            "ActionFlowNet": {"0": scores([1, 1, 0, 0]), "1": scores([1, 1, 1, 0])},
        }
    )
    assert found["means"]["ActionFlowNet"] == 0.625
    differences = {name: each[0] for name, each in found["differences"].items()}
    assert differences == {
        "ActionFlowNet - scratch": pytest.approx(0.25),
        "ActionFlowNet - FlowNet fine-tune": pytest.approx(0.125),
    }


def test_memory_is_planned_by_a_line():
    found = {1: {"peak_bytes": 500}, 2: {"peak_bytes": 800}, 3: {"peak_bytes": 1100}}
    planned = actionflownet_cost.planned(found)
    assert planned["bytes_per_clip"] == pytest.approx(300)
    assert planned["fixed_bytes"] == pytest.approx(200)
    assert planned["bytes_per_device"][8] == pytest.approx(200 + 300 * 16)


def test_three_networks_are_timed_in_turn(quick_backbones):
    size = {"backbone": "tiny3d", "num_frames": 8, "frame_shape": (32, 32, 3)}
    found = actionflownet_cost.measure_inference(1, 2, **size)
    assert found["seconds"].keys() == {"classifier", "bare encoder", "multitask"}
    ratios = found["times as long as the classifier"]
    assert ratios.keys() == {"bare encoder", "multitask"}
    assert all(each["min"] > 0 for each in ratios.values())


def test_errors_of_a_pair_are_known():
    true = np.zeros((1, 1, 224, 224, 2), np.float32)
    true[..., 0] = 3
    true[0, 0, :100] = np.nan
    flow = np.zeros((1, 1, 56, 56, 2), np.float32)
    flow[..., 1] = 4
    assert chairs_overfit._errors(true, flow) == {
        "epe at 56": pytest.approx(5),
        "epe at 224": pytest.approx(5),
        # Unknown flow counts as none where it is enlarged across its border.
        "perfect 56 at 224": pytest.approx(0, abs=0.1),
        "zero flow at 56": pytest.approx(3),
    }


@pytest.mark.parametrize("turn", range(8))
def test_turned_flow_leads_to_the_next_frame(turn):
    scene = synthetic.draw_scene(
        np.random.default_rng(0), "right", "star", size=64, num_frames=3
    )
    frames, (flow, visible) = synthetic.render(scene), synthetic.exact_flow(scene)
    both = np.concatenate([frames[:2], frames[1:]], axis=-1)
    seen = visible[..., None] * np.ones(2, np.float32)
    clip, turned = motion_clips.turned_clip(both, flow, turn)
    _, seen = motion_clips.turned_clip(both, seen, turn)
    for t in range(2):
        warped, inside = warp(clip[t, ..., 3:], turned[t])
        counted = inside & (np.abs(seen[t, ..., 0]) == 1)
        error = np.abs(warped - clip[t, ..., :3]).mean(axis=-1)
        still = np.abs(clip[t, ..., 3:].astype(float) - clip[t, ..., :3]).mean(axis=-1)
        moves = counted & (np.linalg.norm(turned[t], axis=-1) > 0.5)
        assert error[moves].mean() < 0.5 * still[moves].mean()


def test_rows_are_trained_scored_and_resumed(tmp_path, capsys, quick_backbones):
    sizes = ["--num_train=16", "--num_test=16", "--labels=1", "--seeds=0"]
    steps = ["--steps=1", "--pretrain_steps=1", "--pretrain_3d_steps=1"]
    rows = ["--rows=2F scratch,2F stacked,1F appearance,ActionFlowNet"]
    arguments = [str(tmp_path), *sizes, *steps, *rows]
    assert flow_supervision.main(arguments) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert [*found["rows"]] == rows[0].partition("=")[2].split(",")
    for by_labels in found["rows"].values():
        assert 0 <= by_labels["1"]["mean"] <= 1
    (errors,) = found["flow"].values()
    assert errors["zero flow"] > 0 and np.isfinite(errors["future"])
    weights = tmp_path / "seed0/ActionFlowNet-1/weights.npz"
    before = weights.stat().st_mtime_ns
    assert flow_supervision.main(arguments) == 0
    assert weights.stat().st_mtime_ns == before
    assert json.loads((tmp_path / "results.json").read_text())["rows"] == found["rows"]
    assert len([*(tmp_path / "flow").iterdir()]) == 8  # a strip for each motion
    assert found["pretrained"]["0"]["flownet3d"]["epe"] > 0
    capsys.readouterr()
    assert flow_supervision.main([*arguments, "--flow_weight=2"]) == 1
    assert "by another recipe than the flags now say" in capsys.readouterr().err
