"""The verb fuse, as a user meets it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from vidzoo import metrics
from vidzoo.evaluation import Scores, fuse, fuse_by_svm, fusion
from vidzoo.tasks.fuse import stream_names

CLASSES = ("run", "walk", "sit")


def write(path, logits, labels, prefix):
    ids = np.array([f"{prefix}{i}" for i in range(len(labels))])
    logits = logits.astype(np.float32)
    Scores(ids, labels, logits, np.array(CLASSES), "25x10").save(path)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with scores of two streams on two sets of videos."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for ending, num_videos in (("", 60), ("_train", 90)):
        labels = random.permutation(np.arange(num_videos) % 3)
        for name, noise in (("rgb", 1.0), ("flow", 1.3)):
            logits = 1.5 * np.eye(3)[labels] + random.normal(0, noise, (num_videos, 3))
            write(f"{name}{ending}.npz", logits, labels, f"v{ending}")
    return tmp_path


def loaded(*names):
    return [Scores.load(f"{name}.npz") for name in names]


FUSE = ("fuse", "rgb.npz", "flow.npz")


def test_fused_scores_and_metrics(folder, vidzoo):
    code, out, err = vidzoo(
        *FUSE, "--weights=1,1.5", "--normalize=l1", "--out=both.npz", "--json"
    )
    assert (code, err) == (0, "")
    printed = json.loads(out)
    assert printed == json.loads((folder / "both.json").read_text())
    found = Scores.load("both.npz")
    expected = fuse(loaded("rgb", "flow"), [1, 1.5], "l1", names=["rgb", "flow"])
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert found.protocol == "l1, 1 x rgb (25x10) + 1.5 x flow (25x10)"
    assert printed["protocol"] == found.protocol
    assert printed["top1"] == metrics.top_k_accuracy(found.logits, found.labels)
    for name in ("rgb", "flow"):
        (stream,) = loaded(name)
        np.testing.assert_array_equal(found.streams[name], stream.logits)
        alone = metrics.summary(stream.logits, stream.labels)
        assert printed[f"{name}_top1"] == alone["top1"]
        assert printed[f"{name}_top1_low"] == alone["top1_low"]
    gain = fusion.gain_over_best(found)
    assert (gain.gain, gain.low, gain.high) == tuple(
        printed[name] for name in ("gain", "gain_low", "gain_high")
    )
    assert printed["fusion"] == {
        "best": gain.stream,
        "method": "average",
        "normalize": "l1",
        "files": {"rgb": "rgb.npz", "flow": "flow.npz"},
        "weights": {"rgb": 1.0, "flow": 1.5},
    }
    assert set(printed["class_ap"]) == set(CLASSES)


def test_table(folder, vidzoo):
    before = sorted(folder.iterdir())
    code, out, err = vidzoo(*FUSE)
    assert (code, err) == (0, "")
    assert sorted(folder.iterdir()) == before
    first = "fusion by l1, 1 x rgb (25x10) + 1 x flow (25x10): 60 videos"
    assert out.splitlines()[0] == first
    fused = fuse(loaded("rgb", "flow"), names=["rgb", "flow"])
    summary = metrics.summary(fused.logits, fused.labels)
    gain = fusion.gain_over_best(fused)
    for label, value, interval in (
        (
            "top-1 ",
            f"{summary['top1']:.3f}",
            f"{summary['top1_low']:.3f} to {summary['top1_high']:.3f}",
        ),
        ("mAP", f"{summary['map']:.3f}", ""),
        ("top-1, rgb alone", "", " to "),
        ("top-1, flow alone", "", " to "),
        (
            f"top-1, fused minus {gain.stream}",
            f"{gain.gain:+.3f}",
            f"{gain.low:+.3f} to {gain.high:+.3f}",
        ),
    ):
        (line,) = [line for line in out.splitlines() if f"│ {label}" in line]
        assert value in line and interval in line


@pytest.mark.parametrize("normalize", ["softmax", "none"])
def test_other_normalisations(normalize, folder, vidzoo):
    code, _, _ = vidzoo(*FUSE, f"--normalize={normalize}", "--out=both.npz")
    assert code == 0
    expected = fuse(loaded("rgb", "flow"), normalize=normalize)
    np.testing.assert_array_equal(Scores.load("both.npz").logits, expected.logits)


def test_svm(folder, vidzoo):
    code, out, err = vidzoo(
        *(*FUSE, "--method=svm", "--fit=rgb_train.npz,flow_train.npz"),
        *("--out=both.npz", "--json"),
    )
    assert (code, err) == (0, "")
    fit, test = loaded("rgb_train", "flow_train"), loaded("rgb", "flow")
    found = Scores.load("both.npz")
    np.testing.assert_array_equal(found.logits, fuse_by_svm(test, fit).logits)
    how = json.loads(out)["fusion"]
    assert (how["method"], how["num_fit"]) == ("svm", 90)
    assert how["fit"] == ["rgb_train.npz", "flow_train.npz"]
    assert found.protocol == "svm on l1, rgb (25x10) + flow (25x10)"


def test_confusion_is_beside_the_scores(folder, vidzoo):
    code, _, err = vidzoo(*FUSE, "--out=both.npz", "--confusion")
    assert (code, err) == (0, "")
    described = json.loads((folder / "both-confusion.json").read_text())
    assert np.sum(described["matrix"]) == 60
    assert (folder / "both-confusion.png").stat().st_size > 1000


def test_earlier_scores_are_replaced(folder, vidzoo):
    assert vidzoo(*FUSE, "--weights=1,0", "--out=both.npz")[0] == 0
    first = Scores.load("both.npz").logits
    assert vidzoo(*FUSE, "--weights=0,1", "--out=both.npz")[0] == 0
    assert np.abs(Scores.load("both.npz").logits - first).max() > 0.1
    assert not list(folder.glob(".*"))


def test_several_labels(folder, vidzoo):
    for name in ("rgb", "flow"):
        (each,) = loaded(name)
        write(f"{name}.npz", each.logits, np.eye(3, dtype=np.uint8)[each.labels], "v")
    code, out, err = vidzoo(*FUSE, "--out=both.npz", "--weights=1,1.5")
    assert (code, err) == (0, "")
    assert "Hit@1, rgb alone" in out and "Hit@1, fused minus " in out
    assert Scores.load("both.npz").labels.shape == (60, 3)
    code, _, err = vidzoo(*FUSE, "--out=both.npz", "--confusion")
    assert code == 2 and "--confusion needs one a video" in err
    svm = (*FUSE, "--method=svm", "--fit=rgb_train.npz,flow_train.npz")
    code, _, err = vidzoo(*svm)
    assert code == 2 and "rgb.npz: its videos have several labels; --method=svm" in err


def test_one_label_a_video_is_not_learnt_from_several(folder, vidzoo):
    for name in ("rgb_train", "flow_train"):
        (each,) = loaded(name)
        write(f"{name}.npz", each.logits, np.eye(3, dtype=np.uint8)[each.labels], "w")
    svm = (*FUSE, "--method=svm", "--fit=rgb_train.npz,flow_train.npz")
    code, _, err = vidzoo(*svm)
    assert code == 2 and "rgb_train.npz: its videos have several labels" in err


# What is refused, in one line

FIT = "--fit=rgb_train.npz,flow_train.npz"
BAD = {
    "one file": (2, "only rgb.npz is given; fusion is of two", FUSE[:2]),
    "a file twice": (2, "link.npz: is given twice", (*FUSE, "link.npz")),
    "too few weights": (2, "one number per stream, 2. Rec", (*FUSE, "--weights=1")),
    "a negative weight": (2, "Received: 1,-1. (--weights)", (*FUSE, "--weights=1,-1")),
    "no weight at all": (2, "Received: 0,0. (--weights)", (*FUSE, "--weights=0,0")),
    "NaN for a weight": (2, "Received: nan,1. (--weights)", (*FUSE, "--weights=nan,1")),
    "no number": (2, "'1,x': give a number, or several", (*FUSE, "--weights=1,x")),
    "unknown normalisation": (
        2,
        "one of l1, softmax, none. Received: l2. (--normalize)",
        (*FUSE, "--normalize=l2"),
    ),
    "unknown method": (2, "one of: average, svm", (*FUSE, "--method=mean")),
    "fit without svm": (2, "--fit is for --method=svm", (*FUSE, FIT)),
    "svm without fit": (2, "--fit has 0 files", (*FUSE, "--method=svm")),
    "svm with one fit": (
        2,
        "--fit has 1 files; --method=svm learns from one for each of 2 streams",
        (*FUSE, "--method=svm", "--fit=rgb_train.npz"),
    ),
    "svm with weights": (
        2,
        "--weights is for --method=average",
        (*FUSE, "--method=svm", FIT, "--weights=1,1.5"),
    ),
    "tested on what was learnt from": (
        1,
        "rgb.npz and rgb.npz share 60 videos: v0, v1, v2 and 57 more",
        (*FUSE, "--method=svm", "--fit=rgb.npz,flow.npz"),
    ),
    "learnt from videos that differ": (
        1,
        "flow.npz does not go with rgb_train.npz: 90 videos in rgb_train.npz only",
        (*FUSE, "--method=svm", "--fit=rgb_train.npz,flow.npz"),
    ),
    "other videos": (
        1,
        "flow_train.npz does not go with rgb.npz: 60 videos in rgb.npz only (v0, v1, "
        "v2 and 57 more), 90 videos in flow_train.npz only (v_train0, v_train1, ",
        ("fuse", "rgb.npz", "flow_train.npz"),
    ),
    "a file that is not there": (
        1,
        "no.npz: not a scores file",
        ("fuse", "rgb.npz", "no.npz"),
    ),
    "no scores file": (1, "n.txt: not a scores file", ("fuse", "rgb.npz", "n.txt")),
    "NaN": (
        1,
        "nan.npz: not a scores file, or a damaged one: logits holds NaN or infinity, "
        "first for v7",
        ("fuse", "rgb.npz", "nan.npz"),
    ),
    "over an input": (2, "--out is flow.npz, an input", (*FUSE, "--out=flow.npz")),
    "over a link to an input": (2, "an input", (*FUSE, "--out=link.npz")),
    "over what is learnt from": (
        2,
        "--out is rgb_train.npz, an input",
        (*FUSE, "--method=svm", FIT, "--out=rgb_train.npz"),
    ),
    "over something else": (
        1,
        "other.npz: not a scores file",
        (*FUSE, "--out=other.npz"),
    ),
    "over metrics of another": (2, "mine.json: exists", (*FUSE, "--out=mine.npz")),
    "no .npz": (2, "--out is both.csv; give", (*FUSE, "--out=both.csv")),
    "in no folder": (2, "--out is no/both.npz; give", (*FUSE, "--out=no/both.npz")),
    "confusion beside nothing": (2, "give --out too", (*FUSE, "--confusion")),
}


@pytest.fixture
def with_bad_files(folder):
    (folder / "n.txt").write_text("no scores")
    (folder / "mine.json").write_text("{}")
    (folder / "link.npz").symlink_to("rgb.npz")
    np.savez("other.npz", a=np.zeros(3))
    with np.load("flow.npz") as data:
        arrays = dict(data)
    arrays["logits"][7:, 1] = np.nan
    np.savez("nan.npz", **arrays)
    return folder


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, with_bad_files, vidzoo):
    expected_code, text, arguments = BAD[case]
    contents = {path: path.read_bytes() for path in with_bad_files.iterdir()}
    code, out, err = vidzoo(*arguments)
    assert (code, out) == (expected_code, ""), err
    assert text in err
    (message,) = [line for line in err.splitlines() if line.startswith("vidzoo fuse: ")]
    assert text in message
    assert code == 2 or err.count("\n") == 1
    assert contents == {path: path.read_bytes() for path in with_bad_files.iterdir()}


def test_runs_of_the_same_file_names_are_told_apart(folder, vidzoo):
    for name in ("rgb", "flow"):
        (folder / "runs" / name).mkdir(parents=True)
        shutil.copy(f"{name}.npz", f"runs/{name}/scores-test-25x10.npz")
    code, out, _ = vidzoo("fuse", *sorted(folder.glob("runs/*/*.npz")), "--json")
    assert code == 0
    assert list(json.loads(out)["fusion"]["weights"]) == ["flow", "rgb"]


@pytest.mark.parametrize(
    "files, names",
    [
        (["a.npz", "b/c.npz"], ["a", "c"]),
        (["a/1/s.npz", "b/1/s.npz"], ["a", "b"]),
        (["a/1/s.npz", "b/2/s.npz"], ["a/1", "b/2"]),
        (["a/1/s.npz", "a/2/s.npz", "a/2/t.npz"], ["1/s", "2/s", "2/t"]),
        (["s.npz", "s/s.npz"], ["s", "s/s"]),
        (["x/s.npz", "s.npz"], ["x/s", "s"]),
        (["s.npz", "s.scores"], ["s.npz", "s.scores"]),
    ],
)
def test_stream_names(files, names):
    assert stream_names([Path(file) for file in files]) == names
