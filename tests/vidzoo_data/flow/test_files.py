"""Flow files: real ones, round trips, and every kind of damage."""

import struct
import zlib

import cv2
import numpy as np
import pytest

from vidzoo.errors import FlowError
from vidzoo_data import flow as flows


def some_flow(height=5, width=7, seed=0):
    return np.random.default_rng(seed).uniform(-30, 30, (height, width, 2))


def chunk(kind, body):
    checksum = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png(width, height, data, depth=16, color_type=2):
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def refused(read, path, match):
    with pytest.raises(FlowError, match=match) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_real_flo_has_unknown_pixels(shared_data):
    path = shared_data / "flow" / "middlebury" / "RubberWhale" / "flow10.flo"
    flow, valid = flows.read_flo(path)
    assert (flow.shape, flow.dtype) == ((388, 584, 2), np.float32)
    assert (~valid).sum() == 3622
    assert not flow[~valid].any()
    assert np.hypot(*flow[valid].T).mean() == pytest.approx(1.256, abs=5e-4)


def test_flo_written_back_is_the_same_file(shared_data, tmp_path):
    path = shared_data / "flow" / "flyingchairs" / "0000001-gt.flo"
    flow, valid = flows.read_flo(path)
    assert valid.all()
    flows.write_flo(tmp_path / "a.flo", flow)
    assert (tmp_path / "a.flo").read_bytes() == path.read_bytes()


def test_flo_as_the_format_spells_it(tmp_path):
    path = tmp_path / "a.flo"
    values = (1.5, -2, 0, 0.25)
    flows.write_flo(path, np.reshape(values, (1, 2, 2)))
    assert path.read_bytes() == struct.pack("<fii4f", 202021.25, 2, 1, *values)


@pytest.mark.parametrize("values", [(1e10, 1e10), (2e9, 0), (0, -2e9), (np.nan, 0)])
def test_unknown_pixels_of_flo(tmp_path, values):
    path = tmp_path / "a.flo"
    path.write_bytes(struct.pack("<fii4f", 202021.25, 2, 1, *values, 3, 4))
    flow, valid = flows.read_flo(path)
    assert valid.tolist() == [[False, True]]
    assert flow.tolist() == [[[0, 0], [3, 4]]]


@pytest.mark.parametrize(
    "write, read, step",
    [
        (flows.write_flo, flows.read_flo, 1e-5),
        (flows.write_kitti, flows.read_kitti, 1 / 64),
    ],
)
def test_round_trip_keeps_flow_and_mask(tmp_path, write, read, step):
    flow = some_flow()
    valid = np.random.default_rng(1).random((5, 7)) < 0.7
    flow[~valid] = np.nan
    write(tmp_path / "a", flow, valid)
    found, known = read(tmp_path / "a")
    assert found.dtype == np.float32
    assert np.array_equal(known, valid)
    assert np.abs(found[valid] - flow[valid]).max() <= step / 2 + 1e-6
    assert not found[~valid].any()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]  # no temporary file


def test_kitti_as_its_development_kit_spells_it(tmp_path):
    """Written with zlib alone: red is u, green v, blue the mask."""
    rows = b"\0" + struct.pack(">6H", 2**15 + 96, 2**15 - 64, 1, 7, 7, 0)
    path = tmp_path / "a.png"
    path.write_bytes(png(2, 1, zlib.compress(rows)))
    flow, valid = flows.read_kitti(path)
    assert flow.tolist() == [[[1.5, -1], [0, 0]]]
    assert valid.tolist() == [[True, False]]
    flows.write_kitti(tmp_path / "b.png", flow, valid)
    stored = cv2.imread(str(tmp_path / "b.png"), cv2.IMREAD_UNCHANGED)
    assert stored[0, 0].tolist() == [1, 2**15 - 64, 2**15 + 96]  # blue, green, red


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", r"empty \(0 bytes\)"),
        (b"PIEHabc", "cut short: 7 bytes, of which a .flo header takes 12"),
        (b"RIFF" + bytes(40), "starts with b'RIFF' instead of b'PIEH'"),
        (struct.pack("<fii", 202021.25, 2, 1) + bytes(15), "take 28 .* has 27"),
        (struct.pack("<fii", 202021.25, 2, 1) + bytes(17), "take 28 .* has 29"),
        (struct.pack("<fii", 202021.25, 2**31 - 1, 2**31 - 1), "2147483647 x 2147483"),
        (struct.pack("<fii", 202021.25, -1, -2) + bytes(16), "-1 x -2 pixels"),
        (struct.pack("<fii", 202021.25, 0, 5), "0 x 5 pixels"),
    ],
)
def test_damaged_flo(tmp_path, data, message):
    path = tmp_path / "a.flo"
    path.write_bytes(data)
    refused(flows.read_flo, path, message)


@pytest.mark.parametrize("read", [flows.read_flo, flows.read_kitti, flows.read_frame])
def test_missing_files(tmp_path, read):
    refused(read, tmp_path / "none", "there is no such file")
    refused(read, tmp_path, "cannot be read: Is a directory")


ROWS = zlib.compress(bytes(13 * 50))  # 50 rows of two 16-bit RGB pixels


@pytest.mark.parametrize(
    "data, message",
    [
        (b"PIEH" + bytes(40), "neither a PNG nor"),
        (png(2, 50, ROWS)[:-30], "cut short: its part at byte 33 goes on to"),
        (png(2, 50, ROWS)[:-12], "cut short"),
        (png(2, 50, ROWS).replace(b"IDATx", b"IDATy"), "checksum of its part at byte"),
        (png(2, 51, ROWS), "2 x 51 pixels, which take 663 bytes, and .* 650"),
        (png(2, 49, ROWS), "2 x 49 pixels"),
        (png(10**9, 10**9, ROWS), "1000000000 x 1000000000 pixels"),
        (png(2, 50, b"not deflated, but long enough for it"), "at most 0"),
        (png(2, 50, ROWS, color_type=5), "damaged"),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""), "has no header"),
        (png(6, 50, zlib.compress(bytes(950)), depth=8), "8 bits .* 16 bits"),
    ],
)
def test_damaged_kitti(tmp_path, data, message):
    path = tmp_path / "a.png"
    path.write_bytes(data)
    refused(flows.read_kitti, path, message)


@pytest.mark.parametrize("write", [flows.write_flo, flows.write_kitti])
@pytest.mark.parametrize(
    "flow, valid, message",
    [
        (np.zeros((3, 4)), None, r"must be \(H, W, 2\)"),
        (np.zeros((0, 4, 2)), None, r"Received: \(0, 4, 2\)"),
        (np.zeros((3, 4, 2)), np.ones((4, 3), bool), r"bool \(4, 3\)"),
        (np.zeros((3, 4, 2)), np.ones((3, 4)), "float64"),
        (np.full((3, 4, 2), np.nan), None, "Received: nan; mark such pixels"),
        (np.full((3, 4, 2), -2e9), None, "Received: -2000000000.0; mark such"),
    ],
)
def test_flow_that_cannot_be_written(tmp_path, write, flow, valid, message):
    refused(lambda path: write(path, flow, valid), tmp_path / "a", message)
    assert not list(tmp_path.iterdir())


def test_kitti_range(tmp_path):
    ends = np.array([[[-511.984375, 511.984375]]])
    flows.write_kitti(tmp_path / "a.png", ends)
    assert np.array_equal(flows.read_kitti(tmp_path / "a.png")[0], ends)
    message = "holds at most 511.984 pixels either way. Received: 512.0"
    refused(lambda p: flows.write_kitti(p, ends + 0.015625), tmp_path / "b", message)


def test_frames_of_both_kinds_are_rgb(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    comment = b"P6 # made by hand\n7\t5\n# really\n255\n"
    (tmp_path / "a.ppm").write_bytes(comment + image.tobytes())
    flows.write_png(tmp_path / "a.png", image)
    frame, next_frame = flows.read_pair(tmp_path / "a.ppm", tmp_path / "a.png")
    assert np.array_equal(frame, image) and np.array_equal(next_frame, image)
    assert frame.flags.writeable


def test_real_ppm_is_what_opencv_reads(shared_data):
    path = shared_data / "flow" / "flyingchairs" / "0000000-img0.ppm"
    assert np.array_equal(flows.read_frame(path), cv2.imread(str(path))[..., ::-1])


@pytest.mark.parametrize(
    "data, message",
    [
        (b"P6 7 5 255\n" + bytes(104), "7 x 5 pixels, which take 116 .* has 115"),
        (b"P6 7 5 255\n" + bytes(106), "has 117"),
        (b"P6 999999999 999999999 255\n", "999999999 x 999999999"),
        (b"P6 0 5 255\n", "0 x 5 pixels"),
        (b"P6 7 5 65535\n" + bytes(210), "go up to 65535, where 255 is expected"),
        (b"P6 7 x 255\n" + bytes(105), "header is damaged: b'P6 7 x 255"),
        (b"P5 7 5 255\n" + bytes(35), "neither a PNG nor a binary PPM"),
        (png(2, 50, ROWS), "16 bits a channel, where frames have 8"),
    ],
)
def test_damaged_frames(tmp_path, data, message):
    path = tmp_path / "a.ppm"
    path.write_bytes(data)
    refused(flows.read_frame, path, message)


def test_pairs_have_one_size(tmp_path):
    for name, shape in (("a.png", (5, 7, 3)), ("b.png", (7, 5, 3))):
        flows.write_png(tmp_path / name, np.zeros(shape, np.uint8))
    message = r"b.png: the frame is 5 x 7, and the one before it, .*a.png, is 7 x 5"
    with pytest.raises(FlowError, match=message):
        flows.read_pair(tmp_path / "a.png", tmp_path / "b.png")


@pytest.mark.parametrize("image", [np.zeros((5, 7, 3)), np.zeros((5, 7), np.uint8)])
def test_pictures_are_rgb(tmp_path, image):
    refused(lambda p: flows.write_png(p, image), tmp_path / "a", "must be uint8 RGB")
