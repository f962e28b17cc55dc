"""The run folder of a training: that it is this run's, and what is said if not."""

import logging

import pytest

from vidzoo.errors import CheckpointError
from vidzoo.tasks import run_folder
from vidzoo.tasks.claimed_run import claimed
from vidzoo.training import RECIPES

DESCRIPTION = {
    "model": "tsn",
    "arguments": {"backbone": "resnet18", "modality": "rgb"},
    "classes": ["run", "walk"],
    "recipe": RECIPES["scratch"]["tsn"]["rgb"].as_dict(),
    "split": "train",
    "seed": 0,
    "precision": "float32",
    "initial_weights_sha256": None,
    "num_devices": 1,
    "jit_compile": False,
    "onednn": True,
    "data": {"plan": "abc"},
}


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "run"
    with claimed(folder, DESCRIPTION, resume=False):
        pass
    return folder


def _resume(out, description):
    with claimed(out, description, resume=True):
        pass


def test_the_same_run_goes_on_without_a_word(out, caplog):
    with caplog.at_level(logging.INFO, "vidzoo"):
        _resume(out, DESCRIPTION)
    assert not caplog.records


@pytest.mark.parametrize(
    "name, value", [("num_devices", 2), ("jit_compile", True), ("onednn", False)]
)
def test_what_changes_the_bits_is_said(name, value, out, caplog):
    _resume(out, DESCRIPTION | {name: value})
    began = f"begun with {name.replace('_', ' ')} {DESCRIPTION[name]}"
    assert f"{began}, goes on with {value}; not to the same bits" in caplog.text


def test_a_run_from_before_onednn_was_noted_goes_on(out, caplog):
    before = {name: value for name, value in DESCRIPTION.items() if name != "onednn"}
    run_folder.write_description(out, before)
    _resume(out, DESCRIPTION)
    assert not caplog.records


@pytest.mark.parametrize(
    "changes, said",
    [
        ({"seed": 1}, "another seed: 0, not 1"),
        ({"split": "test"}, "another split: train, not test"),
        ({"data": {"plan": "x"}}, r"another data \(plan\): abc, not x"),
        ({"classes": ["a"]}, "another classes"),
    ],
)
def test_another_run_is_not_gone_on_with(changes, said, out):
    before = run_folder.read_description(out)
    with pytest.raises(CheckpointError, match=f"{out}: its run has {said}"):
        _resume(out, DESCRIPTION | changes)
    assert run_folder.read_description(out) == before


def test_a_run_is_not_begun_over_another(out, tmp_path):
    with pytest.raises(CheckpointError, match=f"{out}: holds a run already"):
        with claimed(out, DESCRIPTION, resume=False):
            pass
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine.txt").touch()
    with pytest.raises(CheckpointError, match="other: not empty, and no run folder"):
        _resume(other, DESCRIPTION)
    assert [entry.name for entry in other.iterdir()] == ["mine.txt"]
