"""Opening a records folder: what is read, and what is refused."""

import json
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.records import coordinate_frames, record, write_records
from vidzoo.errors import RecordError, UsageError
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records


@pytest.fixture
def folder(tmp_path):
    videos = [
        record(f"küche/{i}.avi", coordinate_frames(i + 1, 16, 16), labels=(i % 2,))
        for i in range(3)
    ]
    splits = {"train": [videos[2].video_id, videos[0].video_id], "val": []}
    write_records(tmp_path / "records", videos, ("günter", "b"), splits)
    return tmp_path / "records"


def change(folder, **values):
    """Sets values in dataset.json; a value of None removes one."""
    file = folder / "dataset.json"
    described = json.loads(file.read_text(encoding="utf-8")) | values
    described = {name: v for name, v in described.items() if v is not None}
    file.write_text(json.dumps(described), encoding="utf-8")


def named(path):
    return re.escape(str(path))


def test_what_is_in_it(folder):
    records = Records(folder)
    assert (records.name, records.classes) == ("folder", ("günter", "b"))
    assert records.made_with == {"size": 48, "fps": None, "jpeg_quality": 95}
    described = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert records.plan == described["plan"] != ""
    assert list(records.videos) == [f"küche/{i}.avi" for i in range(3)]
    train = records.split("train")
    assert [video.video_id for video in train] == ["küche/2.avi", "küche/0.avi"]
    assert [video.num_frames for video in train] == [3, 1]
    assert [video.labels for video in train] == [(0,), (0,)]


def test_every_record_is_read(folder):
    records = Records(folder)
    for video in records.videos.values():
        parsed = schema.parse(records.read(video))
        assert parsed[schema.VIDEO_ID].numpy().decode() == video.video_id
        assert len(parsed[schema.FRAME_JPEG]) == video.num_frames
        assert parsed[schema.VIDEO_NUM_FRAMES] == video.num_frames
        assert tuple(parsed[schema.VIDEO_LABEL].numpy()) == video.labels
        assert (parsed[schema.VIDEO_HEIGHT], parsed[schema.VIDEO_WIDTH]) == (16, 16)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="needs Linux's /proc")
def test_threads_read_the_same_and_leave_no_file_open(tmp_path):
    frames = coordinate_frames(1, 16, 16)
    videos = [record(f"{i}.avi", frames) for i in range(40)]
    records = write_records(tmp_path / "records", videos, per_shard=1)
    expected = [schema.encode(video) for video in videos]
    before = len(os.listdir("/proc/self/fd"))

    def read(seed):
        order = random.Random(seed).choices(range(40), k=500)
        entries = [records.videos[videos[i].video_id] for i in order]
        return all(
            records.read(entry) == expected[i]
            for i, entry in zip(order, entries, strict=True)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))
    assert len(os.listdir("/proc/self/fd")) == before


def test_shard_removed_while_it_is_read(folder):
    records = Records(folder)
    entry = records.videos["küche/0.avi"]
    (folder / entry.shard).unlink()
    with pytest.raises(RecordError, match="tfrecord: cannot be read: No such file"):
        records.read(entry)


def test_unknown_split(folder):
    message = (
        rf"{named(folder)}: no split 'test'. Choose one of: train, val \(--split\)"
    )
    with pytest.raises(UsageError, match=message):
        Records(folder).split("test")


def test_empty_split(folder):
    with pytest.raises(RecordError, match="the split 'val' holds no video"):
        Records(folder).split("val")


def test_missing_folder(tmp_path):
    path = tmp_path / "none"
    with pytest.raises(RecordError, match=rf"{named(path)}: no such folder of records"):
        Records(path)


def test_unfinished_folder(folder):
    (folder / "dataset.json").unlink()
    with pytest.raises(RecordError, match="no dataset.json in it, so these are no fin"):
        Records(folder)


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"name": "x"}', b"[1]", b"null", b"\xff\xfe"]
)
def test_damaged_description(content, folder):
    (folder / "dataset.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"dataset\.json: damaged \("):
        Records(folder)


@pytest.mark.parametrize(
    "field", ["name", "classes", "splits", "made_with", "plan", "shards"]
)
def test_description_without_a_field(field, folder):
    change(folder, **{field: None})
    with pytest.raises(RecordError, match=rf"dataset\.json: damaged .*{field}"):
        Records(folder)


def test_other_schema_version(folder):
    change(folder, schema_version=99)
    with pytest.raises(RecordError, match="schema version 99; this vidzoo reads vers"):
        Records(folder)


def test_missing_shard(folder):
    shard = folder / "shard-00001-of-00002.tfrecord"
    shard.unlink()
    with pytest.raises(RecordError, match=rf"{named(shard)}: the shard is missing"):
        Records(folder)


def test_extra_shard(folder):
    extra = folder / "shard-00007-of-00008.tfrecord"
    extra.touch()
    with pytest.raises(RecordError, match=rf"{named(extra)}: not listed in dataset"):
        Records(folder)


def test_resized_shard(folder):
    shard = folder / "shard-00000-of-00002.tfrecord"
    size = shard.stat().st_size
    shard.write_bytes(shard.read_bytes()[:-1])
    message = rf"{named(shard)}: {size - 1} bytes; dataset.json says {size}\."
    with pytest.raises(RecordError, match=message):
        Records(folder)


def test_missing_list_of_videos(folder):
    (folder / "videos.csv").unlink()
    with pytest.raises(RecordError, match=r"videos\.csv: missing"):
        Records(folder)


@pytest.mark.parametrize(
    "alter",
    [
        lambda content: b"",
        lambda content: content[: content.rstrip().rindex(b"\n") + 1],  # a line less
        lambda content: content.replace(b",12,", b",999999,", 1),
        lambda content: content.replace(b"shard-00001", b"shard-00009"),
    ],
)
def test_altered_list_of_videos(alter, folder):
    file = folder / "videos.csv"
    file.write_bytes(alter(file.read_bytes()))
    with pytest.raises(RecordError, match=r"videos\.csv: altered: its SHA-256"):
        Records(folder)


def test_shard_cut_while_it_is_read(folder):
    records = Records(folder)
    shard = folder / records.videos["küche/0.avi"].shard
    shard.write_bytes(shard.read_bytes()[:20])
    message = "tfrecord: ends before the record of küche/0.avi. Remove the folder"
    with pytest.raises(RecordError, match=message):
        records.read(records.videos["küche/0.avi"])


# Labels and splits that do not fit


@pytest.mark.parametrize("classes", [["günter"], []])
def test_label_beyond_the_classes(classes, folder):
    change(folder, classes=classes)
    label, video = (1, "küche/1.avi") if classes else (0, "küche/0.avi")
    message = (
        rf"{named(folder / 'videos.csv')}: {video} has the label {label}; "
        rf"dataset.json lists {len(classes)} classes, .*Remove the folder and run"
    )
    with pytest.raises(RecordError, match=message) as error:
        Records(folder)
    assert "\n" not in str(error.value)


def test_negative_label(tmp_path):
    videos = [record("a.avi", coordinate_frames(1, 16, 16), labels=(0, -1))]
    with pytest.raises(RecordError, match="a.avi has the label -1; .* 0 to 1. Remove"):
        write_records(tmp_path / "records", videos)


def test_several_labels_fit(tmp_path):
    videos = [record("a.avi", coordinate_frames(1, 16, 16), labels=(0, 1))]
    records = write_records(tmp_path / "records", videos)
    assert records.split("train")[0].labels == (0, 1)


@pytest.mark.parametrize("video_id", ["küche/9.avi", "", 3, None, ["küche/0.avi"]])
def test_split_of_a_video_that_is_not_there(video_id, folder):
    change(folder, splits={"train": ["küche/0.avi"], "val": [video_id]})
    message = (
        rf"dataset\.json: the split 'val' lists {re.escape(repr(video_id))}, which is "
        "not in videos.csv; .*Remove the folder"
    )
    with pytest.raises(RecordError, match=message) as error:
        Records(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("video_ids", ["küche/0.avi", {"küche/0.avi": 1}, None, 3])
def test_split_that_is_no_list(video_ids, folder):
    change(folder, splits={"train": video_ids})
    with pytest.raises(
        RecordError, match=r"the split 'train' is no list\)\. Remove th"
    ):
        Records(folder)


def test_schema_keeps_equal_records_equal():
    video = record("v", coordinate_frames(2, 16, 16), labels=(1, 0))
    assert schema.encode(video) == schema.encode(video)
    parsed = schema.parse(schema.encode(video))
    assert list(parsed[schema.VIDEO_LABEL].numpy()) == [1, 0]
    assert parsed[schema.VIDEO_FPS] == 25.0
