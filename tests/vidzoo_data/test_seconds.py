"""The first seconds of videos: encoded as a video that ends there would be."""

import pytest

from tests.vidzoo_data.test_prepare import OPTIONS, make_videos
from tests.vidzoo_data.test_whole import make_video
from vidzoo.errors import RecordError, VideoError
from vidzoo_data import sources, video
from vidzoo_data.flow import FlowSettings
from vidzoo_data.records import encode, write
from vidzoo_data.records.encode import encode_video
from vidzoo_data.records.read import Records

NTSC = 30000 / 1001


@pytest.mark.parametrize("fps", [None, 1.0, 4.0, 12.5, 40.0])
def test_as_a_video_that_ends_there(tmp_path, fps):
    """JPEG frames by themselves, so that two files of the same ones are alike."""
    whole = make_video(tmp_path / "whole.avi", 120)
    for seconds, num_frames in ((0.04, 1), (1, 25), (2.52, 63), (4.8, 120), (60, 120)):
        short = make_video(tmp_path / "short.avi", num_frames)
        found = encode_video(whole, fps=fps, seconds=seconds)
        expected = encode_video(short, fps=fps)
        assert found == expected


@pytest.mark.parametrize("video_fps", [25.0, NTSC])
def test_five_seconds_are_five_frames_at_one_a_second(tmp_path, video_fps):
    path = make_video(tmp_path / "a.avi", 240, video_fps)
    whole, five = encode_video(path, fps=1.0), encode_video(path, fps=1.0, seconds=5)
    assert len(five.jpegs) == 5 and five.jpegs == whole.jpegs[:5]


def test_flow_does_not_end_behind_the_seconds(tmp_path):
    path = make_video(tmp_path / "a.avi", 60)
    settings = FlowSettings("dis", fps=12.5)
    found = encode_video(path, size=36, fps=5.0, seconds=1, flow=settings)
    whole = encode_video(path, size=36, fps=5.0, flow=settings)
    assert len(found.jpegs) == 5 == len(found.flow.x)
    assert found.flow.x == whole.flow.x[:5]
    number, _ = encode.probe_flow(path, size=36, fps=5.0, flow=settings, seconds=1)
    assert number == 5


def test_a_video_that_is_cut_is_not_short(tmp_path):
    """Its header says 60 frames, and so many are not asked for."""
    encoded = encode_video(make_video(tmp_path / "a.avi", 60), seconds=1)
    assert (encoded.num_decoded, encoded.num_declared) == (25, 25)


def test_seconds_need_a_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_number", lambda value: 0.0)
    path = make_video(tmp_path / "a.avi", 3)
    with pytest.raises(VideoError, match="cut after seconds: 9; leave `seconds` out"):
        encode_video(path, seconds=9)


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf")])
def test_seconds_are_above_zero(seconds):
    with pytest.raises(
        ValueError, match=f"`seconds` must be above 0. Rec.*: {seconds}"
    ):
        encode_video("missing.avi", seconds=seconds)


def test_records_of_the_first_seconds(tmp_path):
    source = sources.read("folder", make_videos(tmp_path / "videos", 6))
    out = tmp_path / "out"
    summary = write.prepare(source, out, seconds=0.16, **OPTIONS)
    assert (summary.num_videos, summary.num_short) == (6, 0)
    records = Records(out)
    assert records.made_with["seconds"] == 0.16
    counts = [video.num_frames for video in records.videos.values()]
    assert counts == [3, 4, 3, 4, 4, 4]
    for found in source.videos:
        frames = encode_video(found.path, size=32).jpegs[:4]
        entry = records.videos[found.video_id]
        assert tuple(records.read_frames(entry, range(len(frames)))) == frames
    with pytest.raises(RecordError, match="otherwise .seconds 0.16, now None.; choose"):
        write.prepare(source, out, **OPTIONS)
    assert write.prepare(source, out, seconds=0.16, **OPTIONS) == summary


def test_decoding_stops_there(tmp_path, monkeypatch):
    path = make_video(tmp_path / "a.avi", 60)
    grab, count = video.Decoded._grab, 0

    def counting(decoded):
        nonlocal count
        count += 1
        return grab(decoded)

    monkeypatch.setattr(video.Decoded, "_grab", counting)
    assert len(encode_video(path, seconds=1).jpegs) == 25 == count
