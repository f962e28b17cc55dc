"""Reading some frames of a record, against TensorFlow's own parser of whole records."""

import dataclasses
import os
import random
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, record, write_records
from vidzoo.errors import RecordError
from vidzoo_data.records import read as read_module
from vidzoo_data.records import schema


def spans_of(serialized):
    return schema.image_spans(lambda at, size: serialized[at:][:size], len(serialized))


def jpegs_of(serialized):
    return [serialized[at : at + size] for at, size in spans_of(serialized).tolist()]


def sequence_example(lists, context=()):
    """A `SequenceExample` of feature lists of any kind."""
    lists = {
        name: tf.train.FeatureList(feature=features) for name, features in lists.items()
    }
    example = tf.train.SequenceExample(
        context=tf.train.Features(feature=dict(context)),
        feature_lists=tf.train.FeatureLists(feature_list=lists),
    )
    return example.SerializeToString(deterministic=True)


def strings(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


@pytest.fixture
def folder(tmp_path):
    videos = [record(f"küche/{i}.avi", coordinate_frames(i + 1)) for i in range(5)]
    write_records(tmp_path / "records", videos)
    return tmp_path / "records"


@pytest.mark.parametrize("sizes", [[0], [1, 127, 128, 129], [70_000, 3, 0, 16_384]])
def test_spans_are_what_the_parser_finds(sizes):
    generator = np.random.default_rng(0)
    jpegs = [generator.bytes(size) for size in sizes]
    serialized = schema.encode(
        schema.VideoRecord("v", (0, 3, 900), 29.97, 48, 64, "a/v.avi", jpegs)
    )
    assert jpegs_of(serialized) == jpegs
    parsed = schema.parse(serialized)[schema.FRAME_JPEG].numpy()
    assert list(parsed) == jpegs


def test_other_lists_may_stand_beside_the_frames():
    ints = tf.train.Feature(int64_list=tf.train.Int64List(value=[1, 2**40, -1]))
    floats = tf.train.Feature(float_list=tf.train.FloatList(value=[1.5, 2.5]))
    jpegs = [b"first", b"", b"x" * 300]
    lists = {
        "a/before": [strings(b"not this", b"nor this")],
        "flow/x": [strings(b"left")] * 3,
        "frame": [strings(b"f")],
        "frame/jpeg": [strings(jpeg) for jpeg in jpegs],
        "frame/jpeg2": [strings(b"g")],
        "frame/times": [ints, floats],
        "z/none": [],
    }
    context = {"video/id": strings(b"frame/jpeg"), "numbers": ints}
    assert jpegs_of(sequence_example(lists, context)) == jpegs


def test_frames_are_those_of_the_whole_record(folder):
    records = read_module.Records(folder)
    for entry in records.videos.values():
        whole = schema.parse(records.read(entry))[schema.FRAME_JPEG].numpy()
        numbers = [entry.num_frames - 1, 0, 0, entry.num_frames // 2]
        for _ in range(2):  # the second time where they lie is remembered
            assert records.read_frames(entry, numbers) == list(whole[numbers])
        assert records.read_frames(entry, np.array(numbers)) == list(whole[numbers])
        assert records.read_frames(entry, []) == []


def test_entries_say_what_the_records_say(tmp_path):
    videos = [
        dataclasses.replace(record("a", coordinate_frames(2, 16, 32)), fps=0.0),
        dataclasses.replace(record("b", coordinate_frames(3, 32, 16)), fps=30 / 1.001),
    ]
    a, b = write_records(tmp_path, videos).videos.values()
    assert (a.num_frames, a.height, a.width, a.fps) == (2, 16, 32, 0.0)
    assert (b.num_frames, b.height, b.width, b.fps) == (3, 32, 16, 30 / 1.001)


def test_little_more_than_the_frames_is_read(tmp_path, monkeypatch):
    jpegs = [bytes(10_000)] * 50
    video = schema.VideoRecord("v", (0,), 25.0, 16, 16, "v", jpegs)
    records = write_records(tmp_path, [video])
    sizes, pread = [], os.pread

    def counting(file, size, offset):
        sizes.append(size)
        return pread(file, size, offset)

    monkeypatch.setattr(os, "pread", counting)
    (entry,) = records.videos.values()
    records.read_frames(entry, [7, 30])
    assert sum(sizes) < 2 * 10_000 + 50 * 80 + 1000
    sizes.clear()
    records.read_frames(entry, [8])
    assert sizes == [10_000]


def test_places_are_not_remembered_beyond_the_limit(folder, monkeypatch):
    monkeypatch.setattr(read_module, "_MAX_SPANS", 4)
    records = read_module.Records(folder)
    for entry in records.videos.values():
        assert len(records.read_frames(entry, [0])[0]) > 100
    assert sum(map(len, records._spans.values())) <= 4


def test_threads_read_the_same(folder):
    records = read_module.Records(folder)
    expected = {
        name: schema.parse(records.read(entry))[schema.FRAME_JPEG].numpy()
        for name, entry in records.videos.items()
    }

    def read(seed):
        for name in random.Random(seed).choices(list(records.videos), k=200):
            entry = records.videos[name]
            numbers = np.arange(entry.num_frames)
            if records.read_frames(entry, numbers) != list(expected[name]):
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(8)))


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda data: bytes(len(data)), "no field of a record at byte 0"),
        (lambda data: b"\xff" * len(data), "a number without an end"),
        (lambda data: data[:1] + b"\xff\x7f" + data[3:], "no field of a record at"),
        (lambda data: data.replace(b"frame/jpeg", b"frame/xxxx"), "0 entries of frame"),
    ],
)
def test_damaged_record(damage, message, folder):
    records = read_module.Records(folder)
    entry = records.videos["küche/1.avi"]
    shard = folder / entry.shard
    content = bytearray(shard.read_bytes())
    where = slice(entry.offset, entry.offset + entry.num_bytes)
    content[where] = damage(bytes(content[where]))
    shard.write_bytes(content)
    named = (
        rf"{re.escape(str(shard))}: the record of küche/1\.avi is damaged: {message}"
    )
    with pytest.raises(RecordError, match=named):
        records.read_frames(entry, [0])
    others = [video for video in records.videos.values() if video is not entry]
    assert all(records.read_frames(video, [0]) for video in others)


def test_any_damaged_byte_gives_frames_or_a_record_error(folder):
    records = read_module.Records(folder)
    entry = records.videos["küche/4.avi"]
    shard = folder / entry.shard
    content = shard.read_bytes()
    generator = random.Random(0)
    for _ in range(300):
        at = entry.offset + generator.randrange(entry.num_bytes)
        damaged = bytearray(content)
        damaged[at] ^= 1 << generator.randrange(8)
        shard.write_bytes(damaged)
        records = read_module.Records(folder)
        try:
            assert len(records.read_frames(entry, range(5))) == 5
        except RecordError as error:
            assert "küche/4.avi" in str(error)


def test_a_frame_of_two_values_is_refused():
    serialized = sequence_example({"frame/jpeg": [strings(b"a"), strings(b"b", b"c")]})
    with pytest.raises(ValueError, match="a frame of 2 values at byte"):
        spans_of(serialized)


def test_shard_cut_or_removed_while_it_is_read(folder):
    records = read_module.Records(folder)
    entry = records.videos["küche/0.avi"]
    shard = folder / entry.shard
    shard.write_bytes(shard.read_bytes()[:20])
    message = "tfrecord: ends before the record of küche/0.avi. Remove the folder"
    with pytest.raises(RecordError, match=message):
        records.read_frames(entry, [0])
    shard.unlink()
    with pytest.raises(RecordError, match="tfrecord: cannot be read: No such file"):
        records.read_frames(entry, [0])
