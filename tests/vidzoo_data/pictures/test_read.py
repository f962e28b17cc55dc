"""Reading pictures of every kind, against Pillow, and frames of videos."""

import io
import sys

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from tests.vidzoo_data.test_video import cut, make_video
from vidzoo.errors import PictureError, VideoError
from vidzoo_data.pictures import Picture, batches, decode, read, read_frames
from vidzoo_data.pictures.read import warp


@pytest.fixture(scope="module")
def image():
    """Four quarters of red, green, blue and a pale yellow, each with a gradient."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:] = (200, 30, 40), (40, 180, 60)
    image[24:, :32], image[24:, 32:] = (30, 60, 200), (220, 220, 180)
    image += (np.arange(64) // 4).astype(np.uint8)[None, :, None]
    return image


def save(path, image, mode=None, **options):
    picture = PIL.Image.fromarray(image)
    picture = picture.convert(mode) if mode else picture
    picture.save(path, **options)
    return path


def pillow(path, turned=False):
    """RGB as Pillow has it."""
    with PIL.Image.open(path) as picture:
        if turned:
            picture = PIL.ImageOps.exif_transpose(picture)
        return np.asarray(picture.convert("RGB"))


def check_close(found, expected, most):
    assert found.dtype == np.uint8 and found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= most


# Kinds of pictures


@pytest.mark.parametrize(
    "suffix, mode, most",
    [
        *((s, None, 0) for s in ("png", "bmp", "tif", "ppm")),
        ("jpg", None, 2),
        ("webp", None, 2),
        *((s, "L", 0) for s in ("png", "tif", "bmp")),
        ("jpg", "L", 1),
        *((s, "P", 0) for s in ("png", "gif", "bmp")),
        ("png", "1", 0),
        ("png", "LA", 0),
        ("jpg", "CMYK", 2),
        ("tif", "CMYK", 1),
    ],
)
def test_kinds_agree_with_pillow(suffix, mode, most, image, tmp_path):
    path = save(tmp_path / f"a.{suffix}", image, mode)
    check_close(decode(path), pillow(path), most)


def test_cmyk_keeps_its_colours(image, tmp_path):
    path = save(tmp_path / "a.jpg", image, "CMYK", quality=95)
    check_close(decode(path), image, 24)  # JPEG at the quarters' edges
    assert np.abs(decode(path).astype(int) - image).mean() < 2


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 3), (48, 64, 4)])
def test_16_bits_keep_the_upper_8(shape, tmp_path):
    values = np.random.default_rng(0).integers(0, 2**16, shape, np.uint16)
    if shape[-1] == 4:
        values[..., 3] = 2**16 - 1
    cv2.imwrite(str(tmp_path / "a.png"), values)  # BGR
    found = decode(tmp_path / "a.png")
    grey = values[..., None].repeat(3, axis=-1) if len(shape) == 2 else values
    check_close(found, grey[..., 2::-1] >> 8, 0)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_white_shows_through(depth, image, tmp_path):
    most = np.iinfo(depth).max
    alpha = np.linspace(0, most, 64).astype(depth)[None].repeat(48, axis=0)
    scale = 1 if depth == np.uint8 else 257
    bgra = np.dstack([image[..., ::-1].astype(depth) * depth(scale), alpha])
    cv2.imwrite(str(tmp_path / "a.png"), bgra)
    share = alpha[..., None] / most
    check_close(decode(tmp_path / "a.png"), image * share + 255 * (1 - share), 2)
    assert (decode(tmp_path / "a.png")[:, 0] == 255).all()


def test_a_transparent_webp_and_gif(image, tmp_path):
    rgba = np.dstack([image, np.where(np.arange(64) < 32, 0, 255)[None].repeat(48, 0)])
    for suffix, options in (("webp", {"lossless": True}), ("gif", {})):
        path = save(tmp_path / f"a.{suffix}", rgba.astype(np.uint8), **options)
        found = decode(path)
        assert (found[:, :32] == 255).all()
        check_close(found[:, 32:], pillow(path)[:, 32:], 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_as_its_camera_was_held(orientation, image, tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", image, exif=exif, quality=95)
    check_close(decode(path), pillow(path, turned=True), 2)
    assert decode(path).shape[:2] == ((48, 64) if orientation < 5 else (64, 48))


def test_a_preview_in_the_header_is_no_end(image, tmp_path):
    """A JPEG within a JPEG has an end of its own; the outer one is cut."""
    inner = io.BytesIO()
    PIL.Image.fromarray(image).save(inner, "JPEG")
    exif = b"Exif\0\0" + inner.getvalue()
    path = save(tmp_path / "a.jpg", image, exif=exif)
    check_close(decode(path), pillow(path), 2)
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(PictureError, match="a.jpg: the JPEG is cut short or damaged"):
        decode(path)


def test_a_jpeg_with_fill_bytes(image, tmp_path):
    """Before any marker there may be bytes 0xFF (ITU-T T.81, B.1.1.2)."""
    path = save(tmp_path / "a.jpg", image)
    whole, data, place = decode(path), path.read_bytes(), 2
    filled = data[:2]
    while data[place + 1] != 0xDA:  # the scan
        length = 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        filled += b"\xff" * 3 + data[place : place + length]
        place += length
    filled += b"\xff" + data[place:-2] + b"\xff\xff"
    path.write_bytes(filled + data[-2:])
    np.testing.assert_array_equal(decode(path), whole)
    path.write_bytes(filled)
    with pytest.raises(PictureError, match="a.jpg: the JPEG is cut short or damaged"):
        decode(path)


# Warping


def test_read_warps_to_a_square(image, tmp_path):
    path = save(tmp_path / "a.png", image)
    for size in (16, 224, 448):
        assert read(path, size).shape == (size, size, 3)
    # Half the width, two thirds of the height: the colours of the quarters stay.
    quarters = read(path, 16)[[4, 4, 12, 12], [4, 12, 4, 12]]
    expected = image[[12, 12, 36, 36], [17, 49, 17, 49]]
    assert np.abs(quarters.astype(int) - expected).max() <= 2


def test_shrinking_takes_means(tmp_path):
    """A checkerboard becomes grey, where sampling would take black or white."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    path = save(tmp_path / "a.png", board)
    assert set(np.unique(read(path, 16))) <= {127, 128}


def area_means(row, size):
    """`(W,)` to `(size,)`: the means of equal spans, shares of pixels counted."""
    sums = np.concatenate([[0], np.cumsum(row, dtype=float)])
    ends = np.interp(np.linspace(0, len(row), size + 1), np.arange(len(row) + 1), sums)
    return np.diff(ends) * size / len(row)


@pytest.mark.parametrize("turned", [False, True])
def test_a_long_side_takes_means_where_the_short_one_grows(turned):
    """All lines are alike, so that growing changes nothing but their number."""
    line = np.random.default_rng(0).integers(0, 256, 300, np.uint8)
    image = np.broadcast_to(line[None, :, None], (40, 300, 3))
    image = np.ascontiguousarray(image.swapaxes(0, 1) if turned else image)
    found = warp(image, 48)
    found = found.swapaxes(0, 1) if turned else found
    expected = np.broadcast_to(area_means(line, 48)[None, :, None], (48, 48, 3))
    np.testing.assert_allclose(found, expected, atol=1)


def test_one_pixel(tmp_path):
    path = save(tmp_path / "a.png", np.array([[[10, 20, 30]]], np.uint8))
    assert (read(path, 224) == (10, 20, 30)).all()


def test_real_photos_agree_with_pillow(shared_data):
    photos = sorted((shared_data / "retrieval" / "landmarks").rglob("*.jpg"))
    assert len(photos) == 23
    for photo in photos:
        found = decode(photo).astype(int)
        assert np.abs(found - pillow(photo, turned=True)).mean() < 0.5


# Files that are no whole picture


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif", "gif"])
def test_every_cut_is_found(suffix, image, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3)).astype(np.uint8)
    whole = save(tmp_path / f"a.{suffix}", noise).read_bytes()
    assert decode(tmp_path / f"a.{suffix}").shape == (48, 64, 3)
    path = tmp_path / f"cut.{suffix}"
    for share in (0.01, 0.3, 0.6, 0.9, 0.97):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(PictureError, match=f"^{path}: .*copy or download it again"):
            decode(path)


def test_a_progressive_jpeg_that_is_cut(image, tmp_path):
    path = save(tmp_path / "a.jpg", image, progressive=True)
    check_close(decode(path), pillow(path), 2)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PictureError, match="cut short"):
        decode(path)


def test_no_pictures(tmp_path):
    path = tmp_path / "a.jpg"
    with pytest.raises(PictureError, match="^missing.jpg: there is no such file.$"):
        decode("missing.jpg")
    with pytest.raises(PictureError, match=f"^{tmp_path}: cannot be read: Is a dir"):
        decode(tmp_path)
    path.touch()
    with pytest.raises(PictureError, match=r"a.jpg: the file is empty \(0 bytes\)"):
        decode(path)
    path.write_text("<title>302 Found</title>")
    with pytest.raises(
        PictureError, match="can decode, or a damaged one: it starts wi"
    ):
        decode(path)
    save(tmp_path / "b.tif", np.ones((4, 4), np.float32))
    with pytest.raises(PictureError, match="not a picture that OpenCV can decode"):
        decode(tmp_path / "b.tif")


def test_a_damaged_png(image, tmp_path):
    path = save(tmp_path / "a.png", image)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(PictureError, match="a.png: the PNG is damaged: the checksum"):
        decode(path)


# Frames of videos


def taken(path, **options):
    """`(number, seconds, the number as the frame's brightness tells it)`."""
    frames = read_frames(path, 16, **options)
    return [(f.number, f.seconds, round((f.image.mean() - 20) / 10)) for f in frames]


def test_frames_at_a_rate(tmp_path):
    path = make_video(tmp_path / "a.avi", num_frames=20, fps=10.0)
    assert taken(path, fps=2) == [(i, i / 10, i) for i in (0, 5, 10, 15)]
    assert taken(path, fps=0.1) == [(0, 0.0, 0)]
    every = [(i, i / 10, i) for i in range(20)]
    assert taken(path, fps=10) == taken(path, fps=100) == every  # none twice


def test_evenly_spaced_frames(tmp_path):
    """The middle ones of 12 frames in so many spans."""
    path = make_video(tmp_path / "a.avi", num_frames=12, fps=10.0)
    assert [n for n, _, _ in taken(path, num_frames=1)] == [6]
    assert [n for n, _, _ in taken(path, num_frames=3)] == [2, 6, 10]
    assert taken(path, num_frames=4) == [(i, i / 10, i) for i in (1, 4, 7, 10)]
    assert [n for n, _, _ in taken(path, num_frames=99)] == list(range(12))


def test_wrong_arguments(tmp_path):
    path = make_video(tmp_path / "a.avi")
    for options in ({}, {"fps": 1, "num_frames": 2}):
        with pytest.raises(ValueError, match="one of `fps` and `num_frames`. Received"):
            taken(path, **options)
    for options in ({"fps": 0}, {"num_frames": -1}, {"fps": float("nan")}):
        with pytest.raises(ValueError, match="must be taken at all. Received"):
            taken(path, **options)


def test_a_video_without_a_rate(tmp_path):
    path = make_video(tmp_path / "a.avi")
    data = bytearray(path.read_bytes())
    place = data.find(b"vids")
    data[place + 20 : place + 28] = bytes(8)
    path.write_bytes(data)
    with pytest.raises(VideoError, match="a.avi: the video states no rate, which fram"):
        taken(path, fps=1)
    assert taken(path, num_frames=2) == [(3, None, 3), (9, None, 9)]


def test_a_broken_video(tmp_path):
    path = cut(make_video(tmp_path / "a.avi"), "cut.avi")
    for options in ({"fps": 1}, {"num_frames": 3}):
        with pytest.raises(VideoError, match="cut.avi: the file is cut short"):
            taken(path, **options)


# Batches


@pytest.fixture
def mixed(tmp_path):
    """Pictures whose brightness is 10 times their number, two videos, broken files."""
    files = []
    for i in range(7):
        path = tmp_path / f"{i}.png"
        save(path, np.full((5 + i, 9, 3), 10 * i, np.uint8))
        files.append(path)
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    cut(make_video(tmp_path / "whole.avi", num_frames=10, fps=10.0), "half.avi")
    files[3:3] = [tmp_path / "whole.avi", tmp_path / "broken.jpg"]
    files += [tmp_path / "half.avi", tmp_path / "whole.avi"]
    return [Picture(f"{i}_{path.name}", path) for i, path in enumerate(files)]


def all_of(pictures, **options):
    failures = []
    found = list(batches(pictures, 8, failures=failures, fps=5, **options))
    return found, failures


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_are_in_order_and_lack_nothing(workers, mixed):
    found, failures = all_of(mixed, batch_size=4, workers=workers)
    assert [len(batch.images) for batch in found] == [4, 4, 4, 4, 1]
    for batch in found:
        assert batch.images.shape[1:] == (8, 8, 3) and batch.images.dtype == np.uint8
        lengths = map(len, (batch.pictures, batch.frames, batch.seconds))
        assert set(lengths) == {len(batch.images)}
    rows = [
        (p.path.name, frame, seconds, 10 * round(float(image.mean()) / 10))
        for b in found
        for p, frame, seconds, image in zip(
            b.pictures, b.frames, b.seconds, b.images, strict=True
        )
    ]
    video = [("whole.avi", i, i / 10, 20 + 10 * i) for i in (0, 2, 4, 6, 8)]
    stills = [(f"{i}.png", None, None, 10 * i) for i in range(7)]
    assert rows == [*stills[:3], *video, *stills[3:], *video]
    assert [(f.picture.path.name, f.num_frames) for f in failures] == [
        ("broken.jpg", 0),
        ("half.avi", 0),
    ]
    assert failures[0].reason.startswith("the JPEG is cut short or damaged")
    assert failures[1].reason.startswith("the file is cut short: its RIFF header")


def test_several_sizes_from_one_decoding(mixed):
    both, failures = [], []
    options = {"batch_size": 4, "fps": 5, "failures": failures}
    both = list(batches(mixed, (8, 16), **options))
    for i, size in enumerate((8, 16)):
        for pair, one in zip(both, batches(mixed, size, **options), strict=True):
            assert len(pair.images) == 2 and pair[1:] == one[1:]
            np.testing.assert_array_equal(pair.images[i], one.images)


def test_few_pictures_are_read_ahead(mixed, monkeypatch):
    module = sys.modules["vidzoo_data.pictures.batches"]
    stills = [p for p in mixed if p.path.suffix == ".png"] * 10
    started = []
    real = module.read
    monkeypatch.setattr(module, "read", lambda *a: started.append(a) or real(*a))
    stream = module.batches(stills, 8, batch_size=2, failures=[], workers=2)
    for number in range(1, 5):
        next(stream)
        assert len(started) <= 2 * number + 4
    stream.close()
    assert len(started) <= 2 * 4 + 4


def test_a_video_without_a_choice_of_frames(mixed):
    with pytest.raises(ValueError, match="give one of `fps` and `num_frames`"):
        list(batches(mixed, 8, batch_size=4, failures=[]))
