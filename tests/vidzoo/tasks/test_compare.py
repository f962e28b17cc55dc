"""The verb compare, as a user meets it."""

import json

import cv2
import numpy as np
import pytest

from vidzoo import metrics
from vidzoo.evaluation import Scores

CLASSES = ("jump", "run", "sit", "wave")
LABELS = np.array([0, 0, 0, 0, 1, 1, 3, 3, 3])
A = [0, 0, 0, 1, 1, 3, 3, 3, 0]  # jump 3 of 4, run 1 of 2, wave 2 of 3
B = [0, 1, 1, 1, 1, 1, 3, 0, 3]  # jump 1 of 4, run 2 of 2, wave 2 of 3


def write(path, labels, answers, classes=CLASSES):
    ids = np.array([f"v{i}" for i in range(len(labels))])
    logits = np.eye(len(classes), dtype=np.float32)[np.array(answers)]
    Scores(ids, np.array(labels), logits, np.array(classes), "center").save(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("motion.npz", LABELS, A)
    write("looks.npz", LABELS, B)
    return tmp_path


COMPARE = ("compare", "motion.npz", "looks.npz")


def test_json(folder, vidzoo):
    code, out, err = vidzoo(*COMPARE, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    interval = metrics.paired_bootstrap(np.equal(A, LABELS), np.equal(B, LABELS))
    assert tuple(found[name] for name in ("difference", "low", "high")) == interval
    assert found["a"] == {
        "name": "motion",
        "file": "motion.npz",
        "protocol": "center",
        "top1": 6 / 9,
    }
    assert found["b"]["top1"] == 5 / 9
    assert (found["num_videos"], found["plot"]) == (9, None)
    assert [(n, c["difference"]) for n, c in found["classes"].items()] == [
        ("jump", 0.5),
        ("wave", 0.0),
        ("run", -0.5),
        ("sit", None),
    ]
    assert found["classes"]["jump"] == {
        "num_videos": 4,
        "a": 0.75,
        "b": 0.25,
        "difference": 0.5,
    }
    assert sorted(p.name for p in folder.iterdir()) == ["looks.npz", "motion.npz"]


def test_table_and_bars(folder, vidzoo):
    code, out, err = vidzoo(*COMPARE, "--plot=bars.png")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "motion minus looks: 9 videos"
    assert lines[-1] == "bars.png"
    rows = [line for line in lines if "│" in line]
    for row, texts in zip(
        rows,
        (
            ("top-1", "0.667", "0.556", "+0.111", " to "),
            ("jump", "4", "0.750", "0.250", "+0.500"),
            ("wave", "3", "0.667", "0.667", "+0.000"),
            ("run", "2", "0.500", "1.000", "-0.500"),
            ("(1 that no video has)",),
        ),
        strict=True,
    ):
        assert all(text in row for text in texts), row
    picture = cv2.imread("bars.png")[..., ::-1].astype(int)
    blue = (np.abs(picture - (31, 95, 180)).max(axis=-1) <= 2).any(axis=1)
    red = (np.abs(picture - (204, 37, 41)).max(axis=-1) <= 2).any(axis=1)
    assert np.flatnonzero(blue).max() < np.flatnonzero(red).min()


def test_of_many_classes_the_first_and_last_are_printed(folder, vidzoo):
    classes = [f"class{i:02d}" for i in range(14)]
    labels = np.repeat(np.arange(14), 14)
    rank = np.tile(np.arange(14), 14)
    right = np.where(rank < labels, labels, (labels + 1) % 14)  # class c in c of 14
    write("a.npz", labels, right, classes)
    write("b.npz", labels, (labels + 1) % 14, classes)
    code, out, _ = vidzoo("compare", "a.npz", "b.npz")
    assert code == 0
    named = [word for word in out.split() if word.startswith("class") and len(word) > 5]
    assert named == [f"class{i:02d}" for i in (13, 12, 11, 10, 9, 4, 3, 2, 1, 0)]
    assert "(4 more: --json prints all)" in out


BAD = {
    "twice": (2, "is given twice", ("motion.npz", "./motion.npz")),
    "no file": (1, "none.npz: not a scores file", ("motion.npz", "none.npz")),
    "other videos": (
        1,
        "fewer.npz does not go with motion.npz: 1 video in motion.npz only (v8)",
        ("motion.npz", "fewer.npz"),
    ),
    "other classes": (
        1,
        "others.npz does not go with motion.npz: 1 class in motion.npz only (wave)",
        ("motion.npz", "others.npz"),
    ),
    "several labels": (
        2,
        "several.npz: accuracy by class needs one label a video",
        ("several.npz", "several2.npz"),
    ),
    "plot exists": (
        2,
        "mine.png: exists",
        ("motion.npz", "looks.npz", "--plot=mine.png"),
    ),
    "plot over an input": (
        2,
        "give the name of a .png",
        ("motion.npz", "looks.npz", "--plot=looks.npz"),
    ),
    "plot in no folder": (
        2,
        "--plot is no/bars.png; give",
        ("motion.npz", "looks.npz", "--plot=no/bars.png"),
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, folder, vidzoo):
    write("fewer.npz", LABELS[:-1], B[:-1])
    write("others.npz", LABELS, B, ("jump", "run", "sit", "swim"))
    hot = np.eye(4, dtype=np.uint8)[LABELS]
    for name in ("several.npz", "several2.npz"):
        write(name, hot, B)
    (folder / "mine.png").write_text("mine")
    contents = {path: path.read_bytes() for path in folder.iterdir()}
    expected_code, text, arguments = BAD[case]
    code, out, err = vidzoo("compare", *arguments)
    assert (code, out) == (expected_code, "")
    assert err.startswith("vidzoo compare: ") and err.count("\n") == 1
    assert text in err
    assert contents == {path: path.read_bytes() for path in folder.iterdir()}
