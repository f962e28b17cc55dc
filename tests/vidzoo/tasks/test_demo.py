"""The demo at toy scale: every step runs, and its verdict is its numbers'."""

import json

import pytest

from vidzoo.errors import UsageError
from vidzoo.tasks import demo


@pytest.mark.slow
def test_demo_walks_the_whole_way(tmp_path, monkeypatch, quick_backbones):
    monkeypatch.setitem(demo.SCALES, "demo", demo.Scale(64, 16, 1, tdn_low=0.6))
    out = tmp_path / "demo"
    results = demo.run(out)
    assert results["num_test"] == 16
    assert [(row["network"], row["label"]) for row in results["rows"]] == [
        ("TDN", "motion"),
        ("TSN", "motion"),
        ("TSN", "shape"),
    ]
    tdn, tsn, shape = results["rows"]
    assert tdn["passed"] == (tdn["low"] >= 0.6)
    assert tsn["passed"] == (tsn["top1"] <= 0.30)
    assert shape["passed"] == (shape["top1"] >= 0.80)
    assert results["passed"] == all(row["passed"] for row in results["rows"])
    assert not results["passed"]  # one epoch on 64 clips teaches nothing
    assert len(results["prediction"]["top"]) == 5
    assert json.loads((out / "results.json").read_text())["rows"] == results["rows"]
    assert (out / "model" / "saved_model.pb").is_file()


def test_demo_leaves_other_folders_alone(tmp_path):
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        demo.run(tmp_path)
    assert (tmp_path / "precious.txt").read_text() == "mine"
