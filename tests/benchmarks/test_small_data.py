"""The fine-tuning benchmark, on a handful of real clips for one epoch."""

import csv
import json
import shutil

import pytest

from benchmarks import small_data


@pytest.mark.slow
def test_small_data_trains_exports_and_predicts(shared_data, tmp_path):
    clips = shared_data / "clips" / "jhmdb10"
    with (clips / "split1.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    chosen = []
    for label in ("golf", "pullup"):
        for subset, count in (("train", 4), ("test", 2)):
            matching = (r["label"] == label and r["subset"] == subset for r in rows)
            chosen += [r for r, fits in zip(rows, matching, strict=True) if fits][
                :count
            ]
    videos = tmp_path / "videos"
    for row in chosen:
        (videos / row["label"]).mkdir(parents=True, exist_ok=True)
        shutil.copy(clips / row["path"], videos / row["path"])
    with (videos / "split.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "subset"])
        writer.writeheader()
        writer.writerows(chosen)
    weights = shared_data / "weights" / "bvlc_googlenet_oihw.npz"
    arguments = [str(videos / "split.csv"), str(tmp_path / "out")]
    arguments += [f"--weights={weights}", "--seeds=3", "--epochs=1"]
    assert small_data.main(arguments) == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (row,) = results["seeds"]
    assert row["seed"] == 3
    assert results["num_test"] == 4
    assert results["mean_top1"] == row["top1"]
    assert row["predict_top3"] == 1.0  # of two classes
    # The SavedModel on the file answers as the trained model does on the record.
    assert row["predict_max_difference"] <= 1e-5
    assert 0 <= results["baseline_top1"] <= 1
