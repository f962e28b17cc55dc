"""ACT and FCVID: their lists, and what is wrong with damaged ones."""

import numpy as np
import pytest

from vidzoo.errors import SourceError, UsageError
from vidzoo_data import sources
from vidzoo_data.sources import fcvid


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(folder, **texts):
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return folder


# ACT

ACT = {
    "classInd": "1 kick bag\n2 kick people\n",
    "trainlist": "kicking/a.avi 1\r\nkicking/b b.avi 2\r\n",
    "testlist": "\nc.avi 2\n",
}
ACT_VIDEOS = ("kicking/a.avi", "kicking/b b.avi", "c.avi")


@pytest.fixture
def act(tmp_path):
    return write(tmp_path / "lists", **ACT), touch(tmp_path / "videos", *ACT_VIDEOS)


def test_act(act):
    lists, videos = act
    source = sources.read("act", videos, splits_dir=lists)
    assert (source.name, source.classes) == ("act", ("kick bag", "kick people"))
    assert {video.video_id: video.labels for video in source.videos} == {
        "c.avi": ("kick people",),
        "kicking/a.avi": ("kick bag",),
        "kicking/b b.avi": ("kick people",),
    }
    assert all(video.path.is_file() for video in source.videos)
    assert source.splits == {
        "train": ("kicking/a.avi", "kicking/b b.avi"),
        "test": ("c.avi",),
    }
    assert (source.size, source.fps) == (None, None)
    assert source.notes == (
        "warning: the lists have 2 classes, act as published 43",
        "warning: the lists have 2 train videos, act as published 7260",
        "warning: the lists have 1 test videos, act as published 3974",
    )


def test_act_of_the_published_counts_has_no_note(tmp_path):
    classes = "".join(f"{n} class{n}\n" for n in range(1, 44))
    names = [f"{n}.avi" for n in range(11_234)]
    lines = [f"{name} {n % 43 + 1}\n" for n, name in enumerate(names)]
    lists = write(
        tmp_path / "lists",
        classInd=classes,
        trainlist="".join(lines[:7260]),
        testlist="".join(lines[7260:]),
    )
    videos = touch(tmp_path / "videos", *names[:2])
    source = sources.read("act", videos, splits_dir=lists, allow_missing=True)
    assert len(source.classes) == 43
    assert source.notes == ("11232 of 11234 listed videos are missing",)
    assert source.videos[1].labels == ("class2",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "classInd",
            "1 kick\n3 run\n",
            "classInd.txt, line 2: found 3 run; expected 2",
        ),
        ("classInd", "1 kick\n2 kick\n", "line 2: names the class kick a second time"),
        (
            "trainlist",
            "a.avi\n",
            "trainlist.txt, line 1: found a.avi; expected <video>",
        ),
        ("trainlist", "a.avi kick\n", "line 1: found a.avi kick; .* docs/data.md has"),
        (
            "testlist",
            "c.avi 3\n",
            "line 1: unknown class 3; classInd.txt has the numbe",
        ),
        (
            "testlist",
            "c.avi 0\n",
            "line 1: unknown class 0; .* numbers 1 to 2. Correct",
        ),
        (
            "testlist",
            "c.avi 2\nkicking/a.avi 1\n",
            "testlist.txt, line 2: kicking/a.avi is listed in train and in test; first "
            "at .*trainlist.txt, line 1. Take",
        ),
        ("testlist", "c.avi 2\nc.avi 1\n", "line 2: c.avi is listed twice; first at"),
        (
            "testlist",
            "../c.avi 2\n",
            r"line 1: \.\./c.avi leads out of the folder of v",
        ),
        ("testlist", "/c.avi 2\n", "line 1: /c.avi leads out of the folder of videos"),
        (
            "testlist",
            "c.avi 2\nd.avi 2\n",
            "act: 1 of 4 videos are missing under .*; f",
        ),
    ],
)
def test_act_errors(act, name, text, message):
    lists, videos = act
    write(lists, **{name: text})
    with pytest.raises(SourceError, match=message) as error:
        sources.read("act", videos, splits_dir=lists)
    assert "\n" not in str(error.value)


def test_act_without_its_lists(act):
    lists, videos = act
    with pytest.raises(UsageError, match="act needs .* with `--splits_dir`"):
        sources.read("act", videos)
    with pytest.raises(UsageError, match="`--classes` is not an option of the layout"):
        sources.read("act", videos, splits_dir=lists, classes="x")
    with pytest.raises(SourceError, match="no such folder; expected classInd.txt, tra"):
        sources.read("act", videos, splits_dir=lists / "no")
    (lists / "testlist.txt").unlink()
    with pytest.raises(SourceError, match="testlist.txt: there is no such file; exp"):
        sources.read("act", videos, splits_dir=lists)


# FCVID

SPLIT, LABEL = fcvid.SPLIT_FILE.removesuffix(".txt"), fcvid.LABEL_FILE[:-4]
LISTED = (
    "panda/a.mp4\ttrain\r\nbeach/b.mp4\ttest\r\n"
    "multiple/beach_panda/c.mp4\ttrain\r\npanda/d.flv\ttest\r\n"
)
MATRIX = "0\t1\n1\t0\n1\t1\n0\t1\n"


@pytest.fixture
def official(tmp_path):
    names = [line.split("\t")[0] for line in LISTED.splitlines()]
    videos = touch(tmp_path / "videos", *names)
    return write(tmp_path / "materials", **{SPLIT: LISTED, LABEL: MATRIX}), videos


def test_fcvid(official):
    lists, videos = official
    source = sources.read("fcvid", videos, splits_dir=lists)
    assert (source.name, source.classes) == ("fcvid", ("beach", "panda"))
    assert {video.video_id: video.labels for video in source.videos} == {
        "beach/b.mp4": ("beach",),
        "multiple/beach_panda/c.mp4": ("beach", "panda"),
        "panda/a.mp4": ("panda",),
        "panda/d.flv": ("panda",),
    }
    assert source.splits == {
        "train": ("multiple/beach_panda/c.mp4", "panda/a.mp4"),
        "test": ("beach/b.mp4", "panda/d.flv"),
    }
    assert (source.size, source.fps) == ((256, 256), 1 / 3)
    assert source.notes == (
        "warning: the lists have 2 classes, fcvid as published 239",
        "warning: the lists have 4 videos, fcvid as published 91223",
    )


def test_fcvid_with_names_and_floats(official, tmp_path):
    lists, videos = official
    write(lists, **{LABEL: "0.0 1e0 0\n0 0 0\n1 1 0\n0 1.0 0\n"})
    (tmp_path / "names.txt").write_text("x\ny\nz\n")
    source = sources.read(
        "fcvid", videos, splits_dir=lists, classes=tmp_path / "names.txt"
    )
    assert source.classes == ("x", "y", "z")
    assert [video.labels for video in source.videos] == [
        (),
        ("x", "y"),
        ("y",),
        ("y",),
    ]
    note = f"1 video of no category in {fcvid.LABEL_FILE}; first: beach/b.mp4"
    assert note in source.notes
    (tmp_path / "names.txt").write_text("x\ny\n")
    with pytest.raises(
        SourceError, match="names 2 categories, and .* has 3 columns. Give"
    ):
        sources.read("fcvid", videos, splits_dir=lists, classes=tmp_path / "names.txt")


def test_fcvid_matrix_of_full_width(official):
    """Labels by NumPy's reading of the same matrix, 239 columns wide."""
    lists, videos = official
    matrix = np.random.default_rng(0).integers(0, 2, (500, 239))
    matrix[:239] = np.eye(239, dtype=int)[::-1]
    names = [f"c{238 - i if i < 239 else i}/{i}.mp4" for i in range(500)]
    touch(videos, *names)
    listed = "".join(f"{n} {('train', 'test')[i % 2]}\n" for i, n in enumerate(names))
    np.savetxt(lists / fcvid.LABEL_FILE, matrix, fmt="%d")
    write(lists, **{SPLIT: listed})
    source = sources.read("fcvid", videos, splits_dir=lists)
    assert source.classes == tuple(f"c{n}" for n in range(239))
    labels = {video.video_id: video.labels for video in source.videos}
    for name, row in zip(names, matrix, strict=True):
        assert labels[name] == tuple(f"c{n}" for n in np.flatnonzero(row))
    assert len(source.splits["train"]) == len(source.splits["test"]) == 250
    assert "classes" not in source.notes[0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (SPLIT, LISTED.replace("test", "val"), "line 2: found beach/b.mp4\tval; expec"),
        (SPLIT, "panda/a.mp4\n", "line 1: found panda/a.mp4; expected <video> and tra"),
        (
            SPLIT,
            f"{LISTED}panda/a.mp4 test\n",
            "line 5: panda/a.mp4 is listed in train and in test; first at .*, line 1",
        ),
        (SPLIT, f"{LISTED}beach/b.mp4 test\n", "line 5: beach/b.mp4 is listed twice"),
        (
            SPLIT,
            f"{LISTED}x/e.mp4 test\n",
            "has 4 rows, and FCVID_VideoName_.* 5 video",
        ),
        (
            LABEL,
            "0 1\n1 0\n1 1\n0 2\n",
            "Label.txt, line 4: found 2; expected a row of",
        ),
        (LABEL, "0 1\n1 x\n1 1\n0 1\n", "Label.txt, line 2: found x; expected a row"),
        (LABEL, "0 1\n1\n1 1\n0 1\n", "line 2: found 1 values, and 2 in the first row"),
        (LABEL, "0 1\n1 0\n", "Label.txt: has 2 rows, and .* 4 videos; they belong"),
        (
            LABEL,
            "0 1\n1 0\n1 1\n1 0\n",
            r"column 1 cannot be named: .* lie in beach, panda, .* \(`--classes`\)",
        ),
        (
            LABEL,
            "0 1 0\n1 0 0\n1 1 0\n0 1 0\n",
            "column 3 cannot be named: .* lie in no folder, where",
        ),
    ],
)
def test_fcvid_errors(official, name, text, message):
    lists, videos = official
    write(lists, **{name: text})
    with pytest.raises(SourceError, match=message) as error:
        sources.read("fcvid", videos, splits_dir=lists)
    assert "\n" not in str(error.value)


def test_fcvid_with_missing_videos(official):
    lists, videos = official
    (videos / "panda/d.flv").unlink()
    with pytest.raises(SourceError, match="fcvid: 1 of 4 videos are missing under .*"):
        sources.read("fcvid", videos, splits_dir=lists)
    source = sources.read("fcvid", videos, splits_dir=lists, allow_missing=True)
    assert source.missing == (("panda/d.flv", "listed, but there is no such file"),)
    assert source.splits["test"] == ("beach/b.mp4",)
    assert source.notes[-1] == "1 of 4 listed videos are missing"


def test_fcvid_without_its_files(official):
    lists, videos = official
    with pytest.raises(UsageError, match="fcvid needs .* with `--splits_dir`"):
        sources.read("fcvid", videos)
    (lists / fcvid.LABEL_FILE).unlink()
    with pytest.raises(SourceError, match="FCVID_Label.txt: there is no such file"):
        sources.read("fcvid", videos, splits_dir=lists)
