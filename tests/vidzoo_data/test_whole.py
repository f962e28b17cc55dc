"""Whole videos in chunks: files as records, and both as clips."""

import itertools
import tracemalloc
import wave

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, record, write_records
from vidzoo.errors import RecordError, VideoError
from vidzoo_data import video
from vidzoo_data.clips import (
    CenterCrop,
    Whole,
    center_batches,
    file_chunks,
    record_chunks,
)
from vidzoo_data.records.encode import encode_video
from vidzoo_data.records.resample import may_be_taken, repeated, resample
from vidzoo_data.records.resumable import video_record

CROP = CenterCrop(32)


def make_video(path, num_frames, fps=25.0, height=40, width=56):
    """Noise that moves on by a pixel in each frame."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    fourcc = cv2.VideoWriter_fourcc(*codec)
    writer = cv2.VideoWriter(str(path), fourcc, fps, (width, height))
    noise = np.random.default_rng(0).integers(0, 256, (height, 500, 3), np.uint8)
    noise = cv2.GaussianBlur(noise, (0, 0), 2)
    for index in range(num_frames):
        left = index % (500 - width)
        writer.write(np.ascontiguousarray(noise[:, left : left + width]))
    writer.release()
    return path


def in_chunks(path, sampling, chunk_length=7, **options):
    defaults = {"size": 36, "fps": None, "quality": 95, "crop": CROP}
    how = defaults | {"chunk_length": chunk_length, "sampling": sampling} | options
    return file_chunks(path, **how)


SAMPLINGS = [
    Whole(),
    Whole(num_frames=100),
    Whole(fps=5),
    Whole(fps=7.3, num_frames=40),
    Whole(fps=12, num_frames=3),
    Whole(fps=60),
]


@pytest.mark.parametrize("fps", [None, 4.1, 10.0, 50.0])
@pytest.mark.parametrize(
    "name, num_frames, video_fps, seconds",
    [("a.avi", 51, 25.0, None), ("b.mp4", 47, 30000 / 1001, 1.3)],
)
def test_a_file_gives_the_pixels_of_its_records(
    tmp_path, name, num_frames, video_fps, seconds, fps
):
    path = make_video(tmp_path / name, num_frames, video_fps)
    how = {"fps": fps, "seconds": seconds}
    encoded = encode_video(path, size=36, **how)
    assert (encoded.height, encoded.width) == (36, 50)
    stored = np.stack(
        [tf.io.decode_and_crop_jpeg(jpeg, [2, 9, 32, 32]) for jpeg in encoded.jpegs]
    )
    for sampling in SAMPLINGS:
        numbers = sampling.centered(len(stored), encoded.fps).numpy()[:, 0]
        chunks = list(in_chunks(path, sampling, **how))
        assert {len(chunk) for chunk in chunks[:-1]} <= {7}
        assert 1 <= len(chunks[-1]) <= 7
        np.testing.assert_array_equal(np.concatenate(chunks), stored[numbers])


@pytest.mark.parametrize("sampling", [Whole(), Whole(fps=7.3, num_frames=40)])
def test_chunks_of_records_are_the_clips_of_test(tmp_path, sampling):
    path = make_video(tmp_path / "a.avi", 51)
    encoded = encode_video(path, size=36)
    records = write_records(tmp_path / "out", [video_record("v", (0,), encoded)])
    batches = center_batches(
        records, "train", sampling=sampling, crop=CROP, batch_size=1
    )
    expected = next(batches.as_numpy_iterator())["rgb"][0]
    entry = records.videos["v"]
    how = {"sampling": sampling, "crop": CROP, "chunk_length": 9}
    chunks = list(record_chunks(records, entry, **how))
    assert chunks[0].dtype == np.uint8
    assert [len(chunk) for chunk in chunks[:-1]] == [9] * (len(chunks) - 1)
    np.testing.assert_array_equal(np.concatenate(chunks), expected)
    chunks = in_chunks(path, sampling, 9)
    np.testing.assert_array_equal(np.concatenate(list(chunks)), expected)


def test_which_frames_may_be_taken_before_the_end_is_seen():
    """All that are taken, wherever the video ends, and few others."""
    steps = (0.37, 0.5, 1.0, 1.2, 2.5, 29.97 / 25, 10.0)
    for first, second in itertools.product(steps, steps):
        ask = may_be_taken(first, second)
        answers = [ask(index) for index in range(80)]
        taken = set()
        for num_frames in range(1, 80):
            stored = repeated(resample(range(num_frames), first))
            taken |= set(repeated(resample(stored, second)))
        assert {index for index in range(79) if answers[index]} >= taken
        assert sum(answers) <= 4 * (80 / (first * second)) + 4


def test_frames_that_are_not_shown_are_not_converted(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.avi", 201)
    retrieve, count = video.Decoded._retrieve, 0

    def counting(decoded):
        nonlocal count
        count += 1
        return retrieve(decoded)

    monkeypatch.setattr(video.Decoded, "_retrieve", counting)
    (chunk,) = in_chunks(path, Whole(fps=1), chunk_length=30)
    assert len(chunk) == 9 == count


def test_nothing_is_decoded_behind_the_last_frame_shown(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.avi", 300)
    grab, count = video.Decoded._grab, 0

    def counting(decoded):
        nonlocal count
        count += 1
        return grab(decoded)

    monkeypatch.setattr(video.Decoded, "_grab", counting)
    (chunk,) = in_chunks(path, Whole(fps=5, num_frames=4))
    assert len(chunk) == 4 and count < 30
    count = 0
    assert sum(map(len, in_chunks(path, Whole(), seconds=2))) == 50 == count


def test_short_videos_are_decoded_again_only_if_a_chunk_cannot_hold_them(
    tmp_path, monkeypatch
):
    path = make_video(tmp_path / "a.avi", 5)
    opened, open_video = [], video.open_video
    monkeypatch.setattr(
        video, "open_video", lambda p: opened.append(p) or open_video(p)
    )
    found = {}
    for length, num_opened in ((4, 3), (5, 1), (100, 1)):
        opened.clear()
        chunks = list(in_chunks(path, Whole(num_frames=12), length))
        assert [len(chunk) for chunk in chunks][0] == min(length, 12)
        found[length] = np.concatenate(chunks)
        assert len(opened) == num_opened
    np.testing.assert_array_equal(found[4], found[100])
    np.testing.assert_array_equal(found[4][5:10], found[4][:5])


def test_memory_does_not_grow_with_the_file(tmp_path):
    """The 400 JPEGs that the longest one shows more would be half a megabyte."""
    peaks = []
    for num_frames in (100, 100, 900):
        path = make_video(tmp_path / f"{num_frames}.avi", num_frames)
        tracemalloc.start()
        for chunk in in_chunks(path, Whole(fps=12.5), chunk_length=8):
            assert len(chunk) <= 8
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 100_000


def test_flow_in_chunks(tmp_path):
    fields = coordinate_frames(9)[..., :2]
    records = write_records(tmp_path, [record("v", coordinate_frames(10), flow=fields)])
    entry, how = records.videos["v"], {"crop": CROP, "chunk_length": 4}
    chunks = record_chunks(records, entry, sampling=Whole(), modality="flow", **how)
    found = np.concatenate(list(chunks))
    np.testing.assert_array_equal(found, fields[:, 8:40, 16:48])


# What cannot be shown


def without_rate(path):
    """Writes 0 for the rate of an AVI, wherever its header has it."""
    data = bytearray(path.read_bytes())
    main, stream = data.index(b"avih") + 8, data.index(b"strh") + 8
    data[main : main + 4] = bytes(4)  # microseconds per frame
    data[stream + 20 : stream + 28] = bytes(8)  # scale and rate
    path.write_bytes(data)


def test_a_rate_is_needed(tmp_path):
    path = make_video(tmp_path / "a.avi", 5)
    without_rate(path)
    with video.open_video(path) as decoded:  # where FFmpeg says 25
        assert decoded.fps == 0
    assert len(next(in_chunks(path, Whole()))) == 5
    message = r"a.avi: the file does not say how many .* which Whole\(fps=1, .* needs;"
    with pytest.raises(VideoError, match=message):
        next(in_chunks(path, Whole(1)))
    with pytest.raises(VideoError, match="cannot be resampled to 2; leave `fps` out"):
        next(in_chunks(path, Whole(), fps=2.0))
    with pytest.raises(VideoError, match="cut after seconds: 3; leave `seconds` out"):
        next(in_chunks(path, Whole(), seconds=3))


def test_sound_without_pictures(tmp_path):
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(VideoError, match="a.wav: not a video that OpenCV's FFmpeg can"):
        next(in_chunks(path, Whole()))


def test_a_video_shorter_than_a_step(tmp_path):
    path = make_video(tmp_path / "a.avi", 3)
    (chunk,) = in_chunks(path, Whole(1))
    assert len(chunk) == 1


def test_a_size_that_changes_between_frames_shown(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.avi", 30)
    sizes = iter([(40, 56), (40, 56), (40, 80)])

    def retrieve(decoded):
        return np.zeros((*next(sizes), 3), np.uint8)

    monkeypatch.setattr(video.Decoded, "_retrieve", retrieve)
    chunks = in_chunks(path, Whole(fps=5), chunk_length=1)
    assert len(next(chunks)) == 1
    with pytest.raises(VideoError, match="size changes from 56x40 to 80x40 inside"):
        list(chunks)


def test_a_damaged_record_is_named(tmp_path):
    damaged = record("v", coordinate_frames(3))
    damaged.jpegs[1] = b"no JPEG"
    records = write_records(tmp_path, [damaged])
    chunks = record_chunks(
        records,
        records.videos["v"],
        sampling=Whole(),
        crop=CROP,
        chunk_length=1,
    )
    assert len(next(chunks)) == 1
    with pytest.raises(
        RecordError, match="a frame cannot be decoded: .* prepare` agai"
    ):
        next(chunks)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"chunk_length": 0}, "`chunk_length` must be >= 1. Received: 0"),
        ({"seconds": 0}, "`seconds` must be above 0. Received: 0"),
        ({"size": 3}, "`size` must be the short side"),
    ],
)
def test_arguments_are_checked_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        in_chunks("missing.avi", Whole(), **options)


def test_modalities_are_checked(tmp_path):
    records = write_records(tmp_path, [record("v", coordinate_frames(3))])
    how = {"sampling": Whole(), "crop": CROP, "chunk_length": 2}
    with pytest.raises(ValueError, match="`modality` must be rgb, flow or f.*: x"):
        record_chunks(records, records.videos["v"], modality="x", **how)
    with pytest.raises(RecordError, match="these records hold no flow"):
        record_chunks(records, records.videos["v"], modality="flow", **how)
