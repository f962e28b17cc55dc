"""From videos to a records folder: complete, reproducible, and hard to break."""

import csv
import ctypes
import errno
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from vidzoo.errors import RecordError, VideoError
from vidzoo_data import atomic, parallel, sources
from vidzoo_data.records import encode, schema, write
from vidzoo_data.records.read import Records

REPOSITORY = Path(write.__file__).parents[2]
OPTIONS = {"size": 32, "videos_per_shard": 3, "workers": 1}


def make_video(path, *, num_frames=6, height=40, width=50, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*codec), 25.0, (width, height)
    )
    for index in range(num_frames):
        writer.write(np.full((height, width, 3), level + 10 * index, np.uint8))
    writer.release()
    return path


def make_videos(root, num_videos=10):
    """Two classes, alternately AVI and MP4, of 3 to 6 frames."""
    for index in range(num_videos):
        name = f"{'ab'[index % 2]}/{index:02d}{('.avi', '.mp4')[index // 2 % 2]}"
        make_video(root / name, num_frames=3 + index % 4, level=8 * index)
    return root


def content(folder):
    """Every file below a folder, by name."""
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def read_csv(file):
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    return make_videos(tmp_path_factory.mktemp("videos"))


@pytest.fixture(scope="module")
def source(videos):
    return sources.read("folder", videos)


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory):
    """A records folder that nothing disturbed; do not change it."""
    out = tmp_path_factory.mktemp("records") / "new" / "out"
    progress = []
    summary = write.prepare(
        source, out, on_progress=lambda *numbers: progress.append(numbers), **OPTIONS
    )
    assert progress == [(done, 10) for done in range(11)]
    assert summary == write.Summary(10, 43, (), 0)
    return out


def test_files(prepared, source):
    shards = [f"shard-0000{n}-of-00004.tfrecord" for n in range(4)]
    others = ["dataset.json", "quarantine.csv", "videos.csv"]
    assert sorted(content(prepared)) == sorted(shards + others)

    described = json.loads((prepared / "dataset.json").read_text())
    videos_csv = (prepared / "videos.csv").read_bytes()
    assert described.pop("plan") != described.pop("videos_csv_sha256")
    for shard in described["shards"]:
        data = (prepared / shard["file"]).read_bytes()
        assert shard["bytes"] == len(data)
        assert shard.pop("sha256") == hashlib.sha256(data).hexdigest()
    assert [shard["num_videos"] for shard in described["shards"]] == [3, 3, 3, 1]
    assert sum(shard["num_frames"] for shard in described.pop("shards")) == 43
    assert described == {
        "schema_version": schema.SCHEMA_VERSION,
        "name": "folder",
        "made_with": {
            "layout": "folder",
            "size": 32,
            "fps": None,
            "jpeg_quality": 95,
            "videos_per_shard": 3,
        },
        "num_videos": 10,
        "num_frames": 43,
        "num_short": 0,
        "num_quarantined": 0,
        "classes": ["a", "b"],
        "splits": {name: list(ids) for name, ids in source.splits.items()},
    }
    assert (prepared / "quarantine.csv").read_bytes() == b"video_id,reason\n"
    assert str(prepared.parent).encode() not in b"".join(content(prepared).values())
    assert videos_csv.startswith(
        b"video_id,shard,offset,bytes,num_frames,height,width,fps,labels\na/00.avi,shar"
    )


def test_records_lie_where_videos_csv_says(prepared, source):
    rows = read_csv(prepared / "videos.csv")
    assert [row["video_id"] for row in rows] == [v.video_id for v in source.videos]
    for row, video in zip(rows, source.videos, strict=True):
        start, size = int(row["offset"]), int(row["bytes"])
        payload = (prepared / row["shard"]).read_bytes()[start : start + size]
        record = schema.parse(payload)
        encoded = encode.encode_video(video.path, size=32)
        assert tuple(record[schema.FRAME_JPEG].numpy()) == encoded.jpegs
        assert record[schema.VIDEO_ID].numpy().decode() == video.video_id
        assert record[schema.VIDEO_SOURCE].numpy().decode() == video.video_id
        label = source.classes.index(video.labels[0])
        assert record[schema.VIDEO_LABEL].numpy().tolist() == [label]
        assert row["labels"] == str(label)
        assert (row["height"], row["width"], row["fps"]) == ("32", "40", "25.0")
        assert int(row["num_frames"]) == len(encoded.jpegs)


def test_shards_are_tfrecords_of_mixed_classes(prepared):
    found = []
    for shard in sorted(prepared.glob("*.tfrecord")):
        ids = [
            schema.parse(payload)[schema.VIDEO_ID].numpy().decode()
            for payload in tf.data.TFRecordDataset(str(shard))
        ]
        found += ids
    order = sorted(found, key=lambda i: hashlib.sha256(i.encode()).digest())
    assert found == order and len(found) == 10
    assert {i[0] for i in found[:6]} == {"a", "b"}


def test_workers_change_nothing(prepared, source, tmp_path):
    write.prepare(source, tmp_path, **OPTIONS | {"workers": 2})
    assert content(tmp_path) == content(prepared)


def test_second_run_returns_at_once(prepared, source, monkeypatch):
    monkeypatch.setattr(parallel, "run_in_order", None)
    before = {file: file.stat().st_mtime_ns for file in prepared.iterdir()}
    assert write.prepare(source, prepared, **OPTIONS) == write.Summary(10, 43, (), 0)
    assert {file: file.stat().st_mtime_ns for file in prepared.iterdir()} == before


# Broken videos


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Twenty videos, three of them broken."""
    root = make_videos(tmp_path_factory.mktemp("broken"), 20)
    cut = root / "a" / "00.avi"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    (root / "b" / "01.avi").write_bytes(b"")
    (root / "a" / "04.avi").write_text("This is no video.\n" * 30)
    return root


def test_three_broken_among_twenty(broken, tmp_path):
    source = sources.read("folder", broken)
    summary = write.prepare(source, tmp_path, **OPTIONS | {"workers": 2})
    assert (summary.num_videos, summary.num_short) == (17, 0)
    reasons = dict(summary.quarantined)
    assert sorted(reasons) == ["a/00.avi", "a/04.avi", "b/01.avi"]
    assert reasons["a/00.avi"].startswith("the file is cut short: its RIFF header says")
    assert reasons["a/04.avi"].startswith("not a video that OpenCV's FFmpeg can open")
    assert reasons["b/01.avi"].startswith("the file is empty (0 bytes)")

    rows = read_csv(tmp_path / "quarantine.csv")
    assert {row["video_id"]: row["reason"] for row in rows} == reasons
    assert str(broken) not in str(reasons)
    kept = {row["video_id"] for row in read_csv(tmp_path / "videos.csv")}
    assert kept == {v.video_id for v in source.videos} - set(reasons)
    described = json.loads((tmp_path / "dataset.json").read_text())
    assert described["num_quarantined"] == 3
    assert {i for ids in described["splits"].values() for i in ids} == kept
    assert write.prepare(source, tmp_path, **OPTIONS) == summary


@pytest.mark.slow
def test_real_clips_with_wrong_headers_are_all_kept(shared_data, tmp_path):
    source = sources.read("csv", shared_data / "clips" / "jhmdb10" / "split1.csv")
    summary = write.prepare(source, tmp_path / "records", size=32, workers=2)
    assert summary.num_videos == summary.num_short == 314
    assert summary.quarantined == ()


def test_video_too_long_for_a_record_is_quarantined(videos, monkeypatch):
    monkeypatch.setattr(encode, "MAX_RECORD_BYTES", 900)
    with pytest.raises(VideoError, match=r"too long to store as one record: \d frames"):
        encode.encode_video(videos / "a" / "00.avi", size=32)


def test_short_video_is_counted_and_kept(tmp_path):
    path = make_video(tmp_path / "videos" / "a" / "1.avi", num_frames=6)
    make_video(tmp_path / "videos" / "b" / "2.avi")
    data = bytearray(path.read_bytes())
    for name, field in ((b"avih", 24), (b"strh", 40)):  # their numbers of frames
        start = data.find(name) + field
        data[start : start + 4] = (9).to_bytes(4, "little")
    path.write_bytes(data)
    source = sources.read("folder", tmp_path / "videos")
    summary = write.prepare(source, tmp_path / "out", **OPTIONS)
    assert summary == write.Summary(2, 12, (), 1)


def test_missing_videos_are_quarantined(videos, tmp_path):
    listed = tmp_path / "all.csv"
    listed.write_text("path,label,split\na/00.avi,a,train\nb/x.avi,b,train\n")
    source = sources.read("csv", listed, root=videos, allow_missing=True)
    summary = write.prepare(source, tmp_path / "out", **OPTIONS)
    expected = (("b/x.avi", "listed, but there is no such file"),)
    assert summary == write.Summary(1, 3, expected, 0)


def test_several_labels_reach_the_records(videos, tmp_path):
    listed = tmp_path / "all.csv"
    listed.write_text("path,labels,split\na/00.avi,run;sit,train\nb/01.avi,sit,train\n")
    source = sources.read("csv", listed, root=videos)
    write.prepare(source, tmp_path / "out", **OPTIONS)
    records = Records(tmp_path / "out")
    assert records.classes == ("run", "sit")
    for video_id, labels in {"a/00.avi": (0, 1), "b/01.avi": (1,)}.items():
        entry = records.videos[video_id]
        assert entry.labels == labels
        parsed = schema.parse(records.read(entry))
        assert tuple(parsed[schema.VIDEO_LABEL].numpy()) == labels


def test_no_video_decodes(tmp_path):
    for name in ("a/1.avi", "a/2.avi", "b/3.avi"):
        (tmp_path / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / name).touch()
    source = sources.read("folder", tmp_path / "videos")
    message = "none of the 3 videos can be stored, .* first: a/1.avi: the file is empty"
    for _ in range(2):
        with pytest.raises(RecordError, match=message):
            write.prepare(source, tmp_path / "out", **OPTIONS)
        assert list((tmp_path / "out").iterdir()) == []


def test_only_the_item_that_kills_its_process_is_lost():
    items = [b"a", b"b", 0, b"c", b"d", 0, b"e"]  # reading address 0 ends a process
    results = parallel.run_in_order(ctypes.string_at, items, workers=2)
    crashed = parallel.CRASHED
    assert list(results) == [b"a", b"b", crashed, b"c", b"d", crashed, b"e"]


def test_what_a_worker_raises_arrives():
    results = parallel.run_in_order(int, ["1", "x", "3"], workers=1)
    assert next(results) == 1
    with pytest.raises(ValueError, match="'x'"):
        next(results)


def test_crashed_video_is_quarantined(source, tmp_path, monkeypatch):
    def run_in_order(task, paths, *, workers):
        for path in paths:
            yield parallel.CRASHED if path.endswith("a/00.avi") else task(path)

    monkeypatch.setattr(parallel, "run_in_order", run_in_order)
    summary = write.prepare(source, tmp_path, **OPTIONS)
    reason = "the decoder crashed; re-encode the video, or leave it out."
    assert summary.quarantined == (("a/00.avi", reason),)
    assert summary.num_videos == 9


def test_workers_load_no_tensorflow():
    code = (
        "import sys; import vidzoo_data.records.encode, vidzoo_data.parallel; "
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


# Runs that are stopped

# Without a guard: the workers do not run the program that called `prepare`.
SCRIPT = """
import multiprocessing, os, signal, sys
from vidzoo_data import sources
from vidzoo_data.records import write

def stop(done, total):
    if done == 7:
        children = multiprocessing.active_children()
        print(*[child.pid for child in children], flush=True)
        os.killpg(0, signal.SIGINT) if sys.argv[3] == "INT" else os.kill(
            os.getpid(), signal.SIGKILL)

source = sources.read("folder", sys.argv[1])
try:
    write.prepare(source, sys.argv[2], size=32, videos_per_shard=3, workers=2,
                  on_progress=stop)
except KeyboardInterrupt:
    sys.exit(130)
"""


def run_and_stop(videos, out, folder, how):
    """Runs `prepare` in a process that is stopped after 7 of 10 videos."""
    script = folder / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, script, videos, out, how],
        capture_output=True,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"},
        timeout=60,
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert pids
    for _ in range(100):
        if not any(is_running(pid) for pid in pids):
            return done
        time.sleep(0.1)
    raise AssertionError("worker processes outlive their parent")


def is_running(pid):
    """Whether a process lives; one that waits to be reaped does not."""
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except OSError:
        return False


@pytest.mark.parametrize(("how", "code"), [("KILL", -9), ("INT", 130)])
def test_stopped_run_goes_on(prepared, videos, source, tmp_path, how, code):
    out = tmp_path / "out"
    done = run_and_stop(videos, out, tmp_path, how)
    assert done.returncode == code
    if how == "INT":
        assert "Traceback" not in done.stderr
        assert "KeyboardInterrupt" not in done.stderr
    assert not (out / "dataset.json").exists()
    shards = sorted(out.glob("shard-*.tfrecord"))
    assert len(shards) == 2
    if how == "KILL":
        assert list(out.glob(atomic.TEMPORARY_FILES))

    with pytest.raises(
        RecordError, match=r"made otherwise \(size 32, now 48\); choose"
    ):
        write.prepare(source, out, **OPTIONS | {"size": 48})

    damaged = shards[1]
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    kept = shards[0].stat().st_mtime_ns
    progress = []
    summary = write.prepare(
        source, out, on_progress=lambda *numbers: progress.append(numbers), **OPTIONS
    )
    assert summary == write.Summary(10, 43, (), 0)
    assert progress[0] == (3, 10) and progress[-1] == (10, 10)
    assert shards[0].stat().st_mtime_ns == kept
    assert content(out) == content(prepared)


def test_stopped_before_the_last_clean_up(prepared, source, tmp_path):
    for name, data in content(prepared).items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / ".progress").mkdir()
    (tmp_path / ".progress" / "plan.json").write_text("{}")
    write.prepare(source, tmp_path, **OPTIONS)
    assert content(tmp_path) == content(prepared)
    assert not (tmp_path / ".progress").exists()


# What else can be wrong


def test_folder_of_another_plan(prepared, source, tmp_path):
    with pytest.raises(
        RecordError, match=r"made otherwise \(size 32, now 48\); choose another folder,"
    ):
        write.prepare(source, prepared, **OPTIONS | {"size": 48})
    other = sources.Source("folder", ("a", "b"), source.videos[1:], source.splits)
    with pytest.raises(RecordError, match=r"\(other videos, labels, splits or classes"):
        write.prepare(other, prepared, **OPTIONS)


def test_folder_with_a_shard_missing(prepared, source, tmp_path):
    for name, data in content(prepared).items():
        if "00002-of" not in name:
            (tmp_path / name).write_bytes(data)
    with pytest.raises(
        RecordError, match="00002-of-00004.tfrecord: missing or damaged"
    ):
        write.prepare(source, tmp_path, **OPTIONS)


def test_folder_of_something_else(source, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(
        RecordError, match="holds other files, such as thesis.tex; choo"
    ):
        write.prepare(source, tmp_path, **OPTIONS)
    assert content(tmp_path) == {"thesis.tex": b"precious"}
    with pytest.raises(RecordError, match="thesis.tex: is a file; choose a folder"):
        write.prepare(source, tmp_path / "thesis.tex", **OPTIONS)
    with pytest.raises(
        RecordError, match="thesis.tex/out.*: cannot be written: Not a d"
    ):
        write.prepare(source, tmp_path / "thesis.tex" / "out", **OPTIONS)


def test_full_disk(source, tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(
        RecordError, match="cannot be written: No space left on device."
    ):
        write.prepare(source, tmp_path, **OPTIONS)
    assert not list(tmp_path.glob("*.tfrecord"))
    assert not list(tmp_path.glob(atomic.TEMPORARY_FILES))


def test_full_disk_of_a_shard(source, tmp_path, monkeypatch):
    writer = tf.io.TFRecordWriter
    monkeypatch.setattr(tf.io, "TFRecordWriter", lambda path: writer("/dev/full"))
    with pytest.raises(
        RecordError, match="cannot be written: .*No space left on devic"
    ):
        write.prepare(source, tmp_path, **OPTIONS)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"size": 8}, "`size` must be"),
        ({"quality": 0}, "`quality` must be"),
        ({"fps": -1.0}, "`fps` must be"),
        ({"workers": 0}, "`workers` must be at least 1. Received: 0."),
        (
            {"videos_per_shard": 0},
            "`videos_per_shard` must be at least 1. Received: 0.",
        ),
    ],
)
def test_arguments_are_checked(source, tmp_path, argument, message):
    with pytest.raises(ValueError, match=message):
        write.prepare(source, tmp_path / "out", **argument)
    assert not (tmp_path / "out").exists()


def test_no_video_at_all(tmp_path):
    source = sources.Source("csv", ("a", "b"), (), {})
    with pytest.raises(RecordError, match="out: the csv source lists no video to prep"):
        write.prepare(source, tmp_path / "out")


def test_atomic_files(tmp_path):
    file = tmp_path / "a.txt"
    atomic.write_text(file, "one\n")
    with pytest.raises(RuntimeError, match="stop"):
        with atomic.replacing(file) as temporary:
            temporary.write_text("half")
            raise RuntimeError("stop")
    assert content(tmp_path) == {"a.txt": b"one\n"}
    atomic.write_bytes(file, b"two")
    assert content(tmp_path) == {"a.txt": b"two"}
