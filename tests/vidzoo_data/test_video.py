"""Opening and decoding: real clips, made videos, and every kind of broken file."""

import json
import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from vidzoo.errors import VideoError
from vidzoo_data import video
from vidzoo_data.records.encode import encode_video
from vidzoo_data.records.resample import repeated, resample


def make_video(path, *, num_frames=12, height=48, width=64, fps=25.0):
    """Writes frames whose brightness rises by 10; AVI as MJPEG, others as MPEG-4."""
    codec = "MJPG" if path.suffix == ".avi" else "mp4v"
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height)
    )
    for index in range(num_frames):
        writer.write(np.full((height, width, 3), 20 + 10 * index, np.uint8))
    writer.release()
    return path


def levels(jpegs):
    """The numbers of the frames that `make_video` wrote, told by their brightness."""
    frames = [cv2.imdecode(np.frombuffer(j, np.uint8), 1) for j in jpegs]
    return [round((float(frame.mean()) - 20) / 10) for frame in frames]


def cut(path, name):
    """The first half of a file."""
    target = path.with_name(name)
    target.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return target


def read_all(path):
    with video.open_video(path) as decoded:
        return decoded, list(decoded)


def test_real_clips_decode_as_expected(shared_data):
    expected = json.loads((shared_data / "expected" / "videos.json").read_text())
    assert len(expected) == 341
    for name, clip in expected.items():
        with video.open_video(shared_data / name) as decoded:
            num_frames = sum(1 for _ in decoded)
            found = (num_frames, decoded.declared_frames, decoded.width, decoded.height)
            assert found == (clip["frames"], clip["declared"], clip["w"], clip["h"])
            assert decoded.fps == pytest.approx(clip["fps"], abs=1e-3)


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mov"])
def test_made_video(tmp_path, name):
    decoded, frames = read_all(make_video(tmp_path / name))
    assert (decoded.fps, decoded.declared_frames) == (25.0, 12)
    assert {(f.shape, f.dtype.name) for f in frames} == {((48, 64, 3), "uint8")}
    assert [round((f.mean() - 20) / 10) for f in frames] == list(range(12))


def test_frames_are_rgb(tmp_path):
    path = tmp_path / "red.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25.0, (64, 48))
    writer.write(np.full((48, 64, 3), (0, 0, 250), np.uint8))  # BGR
    writer.release()
    _, frames = read_all(path)
    assert frames[0][..., 0].min() > 200 and frames[0][..., 2].max() < 50
    jpeg = encode_video(path).jpegs[0]
    blue, _, red = cv2.imdecode(np.frombuffer(jpeg, np.uint8), 1)[0, 0]
    assert red > 200 and blue < 50


def test_turned_upright_as_the_file_says(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 44  # the track's transformation matrix
    one = 1 << 16
    turned = (0, one, 0, -one, 0, 0, 48 * one, 0, 1 << 30)  # by 90 degrees
    data[start : start + 36] = struct.pack(">9i", *turned)
    path.write_bytes(data)
    decoded, frames = read_all(path)
    assert (decoded.height, decoded.width) == (64, 48) == frames[0].shape[:2]


def test_cut_files_are_broken(tmp_path):
    avi = cut(make_video(tmp_path / "a.avi"), "cut.avi")
    with pytest.raises(VideoError, match=r"cut.avi: the file is cut short: its RIFF "):
        video.open_video(avi)
    mp4 = cut(make_video(tmp_path / "a.mp4"), "cut.mp4")
    with pytest.raises(
        VideoError, match=r"its m[a-z]+ header .* but it has \d+ bytes; "
    ):
        video.open_video(mp4)


def test_mp4_without_index_is_broken(tmp_path):
    path = make_video(tmp_path / "a.mp4")
    data = path.read_bytes()
    path.write_bytes(data[: data.find(b"moov") - 4])
    with pytest.raises(VideoError, match=r"a.mp4: the MP4 or MOV file has no moov box"):
        video.check_container(path)


def box(kind, payload=b"", length=None):
    return struct.pack(">I4s", length or 8 + len(payload), kind) + payload


@pytest.mark.parametrize(
    "data",
    [
        b"RIFF\0\0\0\0AVI " + bytes(50),  # length unknown
        b"RIFF\xff\xff\xff\xffAVI " + bytes(50),
        b"RIFF\x0d\0\0\0AVI " + bytes(8),  # a padding byte that was not written
        b"RIFF\x0c\0\0\0AVI " + bytes(8) + b"RIFF\x0c\0\0\0AVIX" + bytes(8),
        box(b"ftyp", b"isom") + box(b"moov", bytes(9)) + bytes(50),  # padding
        box(b"moov", bytes(9)) + struct.pack(">I4s", 0, b"mdat") + bytes(50),
        box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 20) + bytes(4),  # 64-bit length
        b"\x1aE\xdf\xa3 whatever a Matroska file has",
    ],
)
def test_whole_containers_pass(tmp_path, data):
    path = tmp_path / "a.video"
    path.write_bytes(data)
    video.check_container(path)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFF\x0e\0\0\0AVI " + bytes(8), "goes on to byte 22, but it has 20 bytes"),
        (
            b"RIFF\x0c\0\0\0AVI " + bytes(8) + b"RIFF\xf0\0\0\0AVIX" + bytes(8),
            "goes on to byte 268, but it has 40 bytes",
        ),
        (
            box(b"moov") + struct.pack(">I4sQ", 1, b"mdat", 99) + bytes(4),
            "its mdat header says that it goes on to byte 107, but it has 28 bytes",
        ),
        (box(b"ftyp", length=4) + bytes(9), "the box at byte 0 declares 4 bytes"),
    ],
)
def test_damaged_containers_do_not(tmp_path, data, message):
    path = tmp_path / "a.video"
    path.write_bytes(data)
    with pytest.raises(VideoError, match=message):
        video.check_container(path)


def test_other_broken_files(tmp_path):
    (tmp_path / "zero.avi").touch()
    (tmp_path / "text.avi").write_text("This is no video.\n" * 30)
    for name, message in {
        "missing.avi": "missing.avi: there is no such file",
        "zero.avi": r"zero.avi: the file is empty \(0 bytes\)",
        "text.avi": "text.avi: not a video that OpenCV's FFmpeg can open; re-encode",
        ".": "cannot be read: Is a directory",
    }.items():
        with pytest.raises(VideoError, match=message):
            video.open_video(tmp_path / name)


def test_no_frame_decodes(tmp_path):
    path = make_video(tmp_path / "a.avi")
    data = bytearray(path.read_bytes())
    start = data.find(b"movi") + 4
    data[start : data.find(b"idx1")] = bytes(data.find(b"idx1") - start)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="a.avi: no frame can be decoded; re-encode"):
        video.open_video(path)


def test_frame_size_that_changes(tmp_path, monkeypatch):
    decoded = video.open_video(make_video(tmp_path / "a.avi"))
    wider = np.zeros((48, 80, 3), np.uint8)
    monkeypatch.setattr(decoded, "_retrieve", lambda: wider)  # no OpenCV wheel tells
    with pytest.raises(VideoError, match="size changes from 64x48 to 80x48 inside"):
        list(decoded)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 0.0])
def test_unknown_rate_is_zero(value):
    assert video._number(value) == 0.0


def test_nothing_is_printed_for_broken_files(tmp_path):
    path = make_video(tmp_path / "a.avi")
    cut(path, "cut.avi")
    (tmp_path / "text.avi").write_text("This is no video.\n" * 30)
    noisy = bytearray(path.read_bytes())
    noisy[3000:5000] = np.random.default_rng(0).bytes(2000)
    (tmp_path / "noisy.avi").write_bytes(noisy)
    code = (
        "import sys; from vidzoo_data.records import encode\n"  # imports cv2 first
        "from vidzoo_data import video\n"
        "for path in sys.argv[1:]:\n"
        "  try: list(video.Decoded(path))\n"
        "  except video.VideoError: pass"
    )
    names = ("cut.avi", "text.avi", "noisy.avi", "missing.avi")
    done = subprocess.run(
        [sys.executable, "-c", code, *(tmp_path / name for name in names)],
        capture_output=True,
        cwd=Path(video.__file__).parents[1],
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


# Frames as they are stored


@pytest.mark.parametrize(
    ("size", "stored"),
    [(24, (24, 32)), (48, (48, 64)), (100, (100, 133)), ((32, 20), (32, 20))],
)
def test_stored_size(tmp_path, size, stored):
    encoded = encode_video(make_video(tmp_path / "a.avi"), size=size)
    assert (encoded.height, encoded.width) == stored
    frame = cv2.imdecode(np.frombuffer(encoded.jpegs[0], np.uint8), 1)
    assert frame.shape == (*stored, 3)
    assert (encoded.fps, encoded.num_decoded, encoded.num_declared) == (25.0, 12, 12)


def test_portrait_video_keeps_its_short_side(tmp_path):
    path = make_video(tmp_path / "a.avi", height=64, width=48)
    encoded = encode_video(path, size=24)
    assert (encoded.height, encoded.width) == (32, 24)


@pytest.mark.parametrize(
    ("fps", "stored"),
    [
        (None, list(range(12))),
        (25.0, list(range(12))),
        (12.5, [0, 2, 4, 6, 8, 10]),
        (10.0, [0, 2, 5, 7, 10]),  # frames 0, 2.5, 5, 7.5, 10; halves down
        (50.0, sorted([*range(12)] * 2)),
        (1.0, [0]),
    ],
)
def test_resampling_takes_the_nearest_frames(tmp_path, fps, stored):
    encoded = encode_video(make_video(tmp_path / "a.avi"), fps=fps)
    assert levels(encoded.jpegs) == stored
    assert encoded.fps == (fps or 25.0)
    assert encoded.num_decoded == 12


@pytest.mark.parametrize("num_frames", [1, 2, 7, 40])
@pytest.mark.parametrize("step", [0.37, 0.5, 1.0, 1.2, 30 / 12.5, 29.97 / 25, 60.0])
def test_resampling_equals_its_definition(num_frames, step):
    stored = list(repeated(resample(range(num_frames), step)))
    times = [i * step for i in range(1000) if i * step < num_frames - 1e-6]
    nearest = [np.argmin(np.abs(np.arange(num_frames) - t + 1e-9)) for t in times]
    assert stored == nearest


def test_one_frame_video(tmp_path):
    encoded = encode_video(make_video(tmp_path / "a.avi", num_frames=1), size=32)
    assert len(encoded.jpegs) == 1


def test_resampling_needs_a_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "_number", lambda value: 0.0)
    path = make_video(tmp_path / "a.avi")
    assert encode_video(path).fps == 0.0
    with pytest.raises(VideoError, match="does not say how many frames .* to 10; leav"):
        encode_video(path, fps=10.0)


def test_frames_too_long_for_a_jpeg(tmp_path):
    path = make_video(tmp_path / "a.avi", num_frames=1, height=16, width=2048)
    with pytest.raises(VideoError, match="its 2048x16 frames cannot be stored as "):
        encode_video(path, size=1024)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"size": 15}, r"`size` must be .* at least 16. Received: 15."),
        ({"size": (64, 8)}, r"Received: \(64, 8\)."),
        ({"size": (64, 64, 3)}, r"Received: \(64, 64, 3\)."),
        ({"size": 20.5}, r"Received: 20.5."),
        ({"fps": 0.0}, "`fps` must be above 0. Received: 0.0."),
        ({"fps": float("nan")}, "`fps` must be above 0. Received: nan."),
        ({"quality": 0}, "`quality` must be 1 to 100. Received: 0."),
        ({"quality": 101}, "Received: 101."),
    ],
)
def test_arguments_are_checked(argument, message):
    with pytest.raises(ValueError, match=message):
        encode_video("missing.avi", **argument)
