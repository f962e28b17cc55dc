"""Official layouts through the verbs: FCVID from videos to class-wise AP, and ACT."""

import json

import numpy as np
import pytest

from tests.vidzoo.tasks.test_cli import COLOURS, write_video
from vidzoo import metrics
from vidzoo.evaluation import scores
from vidzoo.tasks import show
from vidzoo_data.records.read import Records

NAMES = ("beach", "forest", "panda")
# Columns of each of the twelve videos; some are of several categories.
COLUMNS = [(0,), (1,), (2,), (0, 1), (1, 2), (0, 2)] * 2
TOY = ("--model=tsn", "--backbone=toy", "--recipe=fcvid", "--steps=2")


@pytest.fixture(scope="module")
def fcvid(tmp_path_factory):
    """Videos of 7.1 s at 10 frames a second, and the two official files."""
    root = tmp_path_factory.mktemp("fcvid")
    listed, rows = [], []
    colours = list(COLOURS.values())
    for i, columns in enumerate(COLUMNS):
        folder = "_".join(NAMES[c] for c in columns)
        folder = f"multiple/{folder}" if len(columns) > 1 else folder
        video_id = f"{folder}/{i:02d}.avi"
        write_video(root / "videos" / video_id, 71, colours[columns[0]])
        listed.append(f"{video_id} {'train' if i < 6 else 'test'}\n")
        rows.append("\t".join("01"[c in columns] for c in range(3)) + "\n")
    materials = root / "materials"
    materials.mkdir()
    (materials / "FCVID_VideoName_TrainTestSplit.txt").write_text("".join(listed))
    (materials / "FCVID_Label.txt").write_text("".join(rows))
    return root


def test_fcvid_from_videos_to_average_precision(fcvid, vidzoo):
    root, records, run = fcvid, fcvid / "records", fcvid / "run"
    flags = ("--layout=fcvid", f"--splits_dir={root}/materials", "--workers=1")
    code, _, err = vidzoo("prepare", root / "videos", records, *flags)
    assert code == 0
    assert "fcvid: frames are stored at 256x256 pixels (--size)" in err
    assert "fcvid: a frame is kept every 3 seconds (--fps; --fps=all keeps all)" in err
    assert "warning: the lists have 12 videos, fcvid as published 91223" in err
    data = Records(records)
    assert data.classes == NAMES
    assert data.made_with["size"] == [256, 256]
    assert data.made_with["fps"] == 1 / 3
    # The frames at 0, 3 and 6 of 7.1 seconds.
    videos = data.videos.values()
    assert {(v.num_frames, v.height, v.width) for v in videos} == {(3, 256, 256)}
    assert sorted(v.labels for v in videos) == sorted(COLUMNS)

    flags = (*TOY, "--batch_size=3", "--frame_size=32", f"--out={run}")
    assert vidzoo("train", records, *flags)[0] == 0

    code, out, _ = vidzoo("evaluate", run, records, "--json")
    assert code == 0
    measured = json.loads(out)
    kept = scores.Scores.load(run / "scores-test-center.npz")
    expected = metrics.class_average_precision(kept.logits, kept.labels)
    assert measured["class_ap"] == pytest.approx(
        dict(zip(NAMES, expected, strict=True))
    )
    assert measured["map"] == pytest.approx(expected.mean())
    assert kept.labels.sum() == sum(map(len, COLUMNS[6:]))

    code, out, _ = vidzoo("evaluate", run, records)
    assert code == 0 and "mAP" in out and "average precision" in out
    for name, value in measured["class_ap"].items():
        assert f"{name}" in out and f"{value:.3f}" in out


@pytest.mark.parametrize(
    ("flags", "size", "num_frames"),
    [(("--size=32", "--fps=1"), 32, 8), (("--size=32x40", "--fps=all"), [32, 40], 71)],
)
def test_the_users_own_size_and_rate_win(
    flags, size, num_frames, fcvid, tmp_path, vidzoo
):
    code, _, err = vidzoo(
        *("prepare", fcvid / "videos", tmp_path / "records"),
        *("--layout=fcvid", f"--splits_dir={fcvid}/materials", "--workers=1"),
        *flags,
    )
    assert code == 0
    assert "frames are stored at" not in err and "a frame is kept" not in err
    data = Records(tmp_path / "records")
    assert data.made_with["size"] == size
    assert {video.num_frames for video in data.videos.values()} == {num_frames}


def test_bad_rates_are_usage(fcvid, tmp_path, vidzoo):
    source = (fcvid / "videos", tmp_path / "records")
    code, _, err = vidzoo("prepare", *source, "--fps=some")
    assert code == 2 and "'some': give frames per second, such as 6, or all" in err
    code, _, err = vidzoo("prepare", *source, "--fps=0")
    assert code == 2 and "`fps` must be above 0. Received: 0.0" in err


def test_act_is_prepared(tmp_path, vidzoo):
    for name in ("kick/a.avi", "b.avi", "c.avi"):
        write_video(tmp_path / "videos" / name, 4)
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 kick\n2 run\n")
    (lists / "trainlist.txt").write_text("kick/a.avi 1\nb.avi 2\n")
    (lists / "testlist.txt").write_text("c.avi 2\n")
    code, _, err = vidzoo(
        *("prepare", tmp_path / "videos", tmp_path / "records"),
        *("--layout=act", f"--splits_dir={lists}", "--size=32", "--workers=1"),
    )
    assert code == 0 and "act as published 7260" in err
    data = Records(tmp_path / "records")
    assert (data.name, data.classes) == ("act", ("kick", "run"))
    labels = {i: video.labels for i, video in data.videos.items()}
    assert labels == {"kick/a.avi": (0,), "b.avi": (1,), "c.avi": (1,)}
    assert {name: len(data.split(name)) for name in data.splits} == {
        "train": 2,
        "test": 1,
    }


def test_long_lists_of_classes_show_both_ends(capsys):
    names = [f"class{n:02d}" for n in range(14)]
    class_ap = dict(zip(names, np.linspace(0, 1, 14).tolist(), strict=True))
    measured = {
        **{"hit1": 0.5, "hit5": 1.0, "map": 0.5, "num_videos": 3},
        **{"model": "tsn", "protocol": "center", "split": "test"},
        "class_ap": class_ap | {"never": None},
    }
    show.metrics(measured, as_json=False)
    shown = [word for word in capsys.readouterr().out.split() if "class" in word]
    ranked = names[::-1]
    assert [word for word in shown if word in names] == ranked[:5] + ranked[-5:]
    show.metrics(measured, as_json=False)
    out = capsys.readouterr().out
    assert "(4 more: --json prints all)" in out and "(1 that no video has)" in out
