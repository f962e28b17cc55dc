"""Sports-1M's lists and videos; names alone are looked at, so empty files will do."""

import numpy as np
import pytest

from tests.vidzoo_data.test_sources import ids, touch
from vidzoo.errors import SourceError, UsageError
from vidzoo_data import sources

WATCH = "https://www.youtube.com/watch?v="
# The line that the data set's README gives as an example, and others of its form.
TRAIN = f"{WATCH}UDqivjS-lpI 2,1\n{WATCH}-x_0 0\nhttp://youtu.be/abc123 1\n"
TEST = f"{WATCH}deep&feature=related 0\nhttps://m.youtube.com/watch?a=b&v=gone 2\n"
LABELS = "boomerang\nyağlı güreş\nt'ai chi ch'uan\n"


@pytest.fixture
def lists(tmp_path):
    (tmp_path / "lists").mkdir()
    return write(tmp_path / "lists")


def write(folder, train=TRAIN, test=TEST, labels=LABELS):
    (folder / "train_partition.txt").write_text(train)
    (folder / "test_partition.txt").write_text(test)
    (folder / "labels.txt").write_text(labels, encoding="utf-8")
    return folder


@pytest.fixture
def videos(tmp_path):
    names = ("UDqivjS-lpI.mp4", "-x_0.WEBM", "abc123.flv", "b/a/deep.mkv", "gone.mp4")
    return touch(tmp_path / "videos", *names)


def read(videos, lists, **options):
    return sources.read("sports1m", videos, splits_dir=lists, **options)


def test_videos_by_their_youtube_ids(videos, lists):
    source = read(videos, lists)
    assert (source.name, source.classes) == ("sports1m", tuple(LABELS.splitlines()))
    assert {video.video_id: video.labels for video in source.videos} == {
        "-x_0": ("boomerang",),
        "UDqivjS-lpI": ("yağlı güreş", "t'ai chi ch'uan"),
        "abc123": ("yağlı güreş",),
        "deep": ("boomerang",),
        "gone": ("t'ai chi ch'uan",),
    }
    paths = {video.video_id: video.path for video in source.videos}
    assert paths["deep"] == videos / "b/a/deep.mkv"
    assert paths["-x_0"] == videos / "-x_0.WEBM"
    assert source.splits == {
        "train": ("-x_0", "UDqivjS-lpI", "abc123"),
        "test": ("deep", "gone"),
    }
    assert (source.size, source.fps, source.seconds) == ((256, 256), 1, 300)
    assert source.notes == (
        "warning: the lists have 3 classes, sports1m as published 487",
        "warning: the lists have 5 videos, sports1m as published 1133158",
    )


def test_lists_as_the_repository_has_them(videos, lists):
    (lists / "original").mkdir()
    for name in ("train_partition.txt", "test_partition.txt"):
        (lists / name).rename(lists / "original" / name)
    assert len(read(videos, lists).videos) == 5
    packed = lists / "original" / "test_partition.txt.gz"
    (lists / "original" / "test_partition.txt").rename(packed)
    with pytest.raises(SourceError, match="partition.txt.gz: is compressed; unpack it"):
        read(videos, lists)


def test_all_the_classes(tmp_path, videos, lists):
    """Labels of 1,000 lines by a plain loop; 487 classes cause no note."""
    generator = np.random.default_rng(0)
    expected = {
        f"v{i}": sorted(generator.choice(487, 1 + i % 3, replace=False).tolist())
        for i in range(1000)
    }
    touch(videos, *(f"{video_id}.mp4" for video_id in expected))
    lines = [f"{WATCH}{i} {','.join(map(str, n))}\n" for i, n in expected.items()]
    names = [f"sport {i}" for i in range(487)]
    write(lists, "".join(lines[:600]), "".join(lines[600:]), "\n".join(names))
    source = read(videos, lists)
    assert {video.video_id: video.labels for video in source.videos} == {
        video_id: tuple(names[n] for n in numbers)
        for video_id, numbers in expected.items()
    }
    assert (len(source.splits["train"]), len(source.splits["test"])) == (600, 400)
    assert not any("published 487" in note for note in source.notes)
    assert "5 videos under" in source.notes[-1]  # of the fixture, in no list


def test_gone_videos(videos, lists):
    (videos / "gone.mp4").unlink()
    with pytest.raises(
        SourceError,
        match=r"sports1m: 1 of 5 videos are missing under .*; first: gone. Put each "
        r"there as <YouTube id>.mp4, .* gone from YouTube, or go on without them "
        r"\(`--allow_missing`\).$",
    ):
        read(videos, lists)
    source = read(videos, lists, allow_missing=True)
    assert source.missing == (("gone", "listed, but there is no such file"),)
    assert "gone" not in ids(source) and source.splits["test"] == ("deep",)
    assert source.notes[-1] == "1 of 5 listed videos are missing"


def test_listed_twice(videos, lists):
    again = f"{WATCH}abc123 0\n{WATCH}abc123 1\n"
    write(lists, train=TRAIN + again, test=f"{TEST}{WATCH}-x_0 2\n")
    source = read(videos, lists)
    labels = {video.video_id: video.labels for video in source.videos}
    assert labels["abc123"] == ("boomerang", "yağlı güreş")
    assert labels["-x_0"] == ("boomerang", "t'ai chi ch'uan")
    assert source.splits["train"] == ("-x_0", "UDqivjS-lpI", "abc123")
    assert source.splits["test"] == ("-x_0", "deep", "gone")
    assert source.notes[2:] == (
        "2 lines of a video that its list had already; its classes are those of all "
        "its lines",
        "warning: 1 video listed for training and for test, and kept in both; first: "
        "-x_0",
    )


@pytest.mark.parametrize(
    "line",
    [
        "abc 1",
        f"{WATCH}abc",
        f"{WATCH}abc x",
        f"{WATCH}abc 1,",
        f"{WATCH}abc 1 2",
        f"{WATCH}abc -1",
        f"{WATCH} 1",
        "https://example.com/watch?v=abc 1",
    ],
)
def test_damaged_lines(videos, lists, line):
    write(lists, test=f"{TEST}\n{line}\n")
    message = "test_partition.txt, line 4: found .*; expected <URL of YouTube> <class n"
    with pytest.raises(SourceError, match=message) as error:
        read(videos, lists)
    assert line.strip() in str(error.value)


def test_a_class_without_a_name(videos, lists):
    write(lists, train=f"{WATCH}abc 0,3\n")
    with pytest.raises(
        SourceError, match="line 1: has the class 3; labels.txt names 0 "
    ):
        read(videos, lists)


def test_two_files_of_one_video(videos, lists):
    touch(videos, "b/gone.webm")
    with pytest.raises(SourceError, match="is there a second time as .*gone.*; keep"):
        read(videos, lists)


@pytest.mark.parametrize("name", ["labels.txt", "train_partition.txt"])
def test_without_a_list(videos, lists, name):
    (lists / name).unlink()
    with pytest.raises(SourceError, match=f"lists/{name}: there is no such file; exp"):
        read(videos, lists)


def test_options(videos, lists):
    with pytest.raises(UsageError, match="sports1m needs .* with `--splits_dir`"):
        sources.read("sports1m", videos)
    with pytest.raises(UsageError, match="`--classes` is not an option of the layout"):
        read(videos, lists, classes="x")
    with pytest.raises(SourceError, match="expected the videos of sports1m"):
        read(videos / "no", lists)
    with pytest.raises(
        SourceError, match="expected labels.txt and train_partition.txt"
    ):
        read(videos, lists / "no")
