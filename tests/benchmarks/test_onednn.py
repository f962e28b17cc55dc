"""The benchmark of oneDNN: its arithmetic by hand, and that it runs."""

import json
import sys
from functools import partial

from benchmarks import onednn
from vidzoo import models
from vidzoo.training import devices


def test_times_are_compared_round_by_round():
    off = [{"C3D": {"train": each, "infer": 8.0}} for each in (60.0, 90.0, 30.0)]
    on = {"C3D": {"train": 10.0, "infer": 4.0}}
    found = onednn.compared([(each, on) for each in off])
    ratios = found["times as long without"]["C3D"]
    assert ratios["train"] == {"median": 6.0, "min": 3.0, "max": 9.0}
    assert ratios["infer"]["median"] == 2.0
    assert found["milliseconds off"]["C3D"]["train"]["median"] == 60.0
    assert found["milliseconds on"]["C3D"]["train"]["max"] == 10.0


def test_a_network_is_timed_in_either_mode(quick_backbones, monkeypatch, capsys):
    tiny = partial(models.TSN, backbone="tiny", frame_shape=(32, 32, 3))
    monkeypatch.setattr(onednn, "NETWORKS", {"TSN": (tiny, 2)})
    monkeypatch.setattr(sys, "argv", ["-c", "2", "0"])
    exec(onednn._MEASURE, {})
    told = json.loads(capsys.readouterr().out)
    assert told["milliseconds"]["TSN"].keys() == {"train", "infer"}
    assert told["onednn"] == devices.onednn()


_CHILD = """
import json, os, sys
on = os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
steps, seed = map(int, sys.argv[1:])
factor = 1.0 if on else 2.0
found = {"TSN": {"train": steps * factor, "infer": seed * factor}}
print("a library's greeting")
print(json.dumps({"onednn": on, "milliseconds": found}))
"""


def test_every_round_is_off_and_on(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(onednn, "_MEASURE", _CHILD)
    assert onednn.main([str(tmp_path), "--rounds=2", "--steps=5", "--seed=7"]) == 0
    found = json.loads((tmp_path / "results.json").read_text())
    assert found["milliseconds off"]["TSN"]["train"]["median"] == 10
    assert found["milliseconds on"]["TSN"]["infer"]["max"] == 7
    assert found["times as long without"]["TSN"]["infer"]["min"] == 2
    said = capsys.readouterr()
    assert "TSN" in said.out
    assert said.err.splitlines() == ["onednn: 1/2 rounds", "onednn: 2/2 rounds"]


def test_what_cannot_be_turned_off_is_an_error(monkeypatch, capsys, tmp_path):
    stuck = _CHILD.replace('{"onednn": on,', '{"onednn": True,')
    monkeypatch.setattr(onednn, "_MEASURE", stuck)
    assert onednn.main([str(tmp_path), "--rounds=1"]) == 1
    assert "leaves oneDNN on whatever it is told" in capsys.readouterr().err
    assert not (tmp_path / "results.json").exists()
