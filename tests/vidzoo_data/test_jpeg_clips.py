"""Clips of JPEGs in memory: those of records, and in a saved model."""

import dataclasses

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, jpeg, record, write_records
from vidzoo_data.clips import (
    CenterCrop,
    Segments,
    Whole,
    Window,
    center_batches,
    center_clip,
    jpeg_clips,
)

LENGTHS = (1, 4, 13)


def photo(height, width, seed=0):
    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 2.0)


@pytest.fixture(scope="module")
def videos():
    return [
        record(
            f"v{length:02d}",
            np.stack([photo(48, 64, length * i) for i in range(length)]),
        )
        for length in LENGTHS
    ]


def padded(videos):
    longest = max(len(video.jpegs) for video in videos)
    rows = [[*v.jpegs, *[b""] * (longest - len(v.jpegs))] for v in videos]
    return tf.constant(rows)


SAMPLERS = [Segments(3), Segments(2, 3), Window(5), Window(4, fps=10.0), Whole(5.0, 6)]


@pytest.mark.parametrize("sampling", SAMPLERS, ids=repr)
@pytest.mark.parametrize("size", [32, 60])
def test_equal_to_the_clips_of_records(videos, tmp_path, sampling, size):
    records = write_records(tmp_path, videos)
    how = {"sampling": sampling, "crop": CenterCrop(size)}
    (batch,) = center_batches(records, "train", **how, batch_size=3)
    rows = padded(videos)
    found = jpeg_clips(rows, **how, stored_size=48, fps=25.0)
    assert found.dtype == tf.uint8
    np.testing.assert_array_equal(found, batch["rgb"])
    one_by_one = [center_clip(video, **how)["rgb"][0] for video in videos]
    np.testing.assert_array_equal(found, one_by_one)
    by_height_and_width = jpeg_clips(
        rows, **how, stored_size=(48, 64), fps=tf.constant([25.0] * 3)
    )
    np.testing.assert_array_equal(by_height_and_width, found)


def test_each_row_has_its_own_rate(videos):
    how = {"sampling": Window(3, fps=5.0), "crop": CenterCrop(32)}
    rows = padded([videos[2]] * 2)
    found = jpeg_clips(rows, **how, stored_size=48, fps=[25.0, 10.0])
    for clip, fps in zip(found, (25.0, 10.0), strict=True):
        video = dataclasses.replace(videos[2], fps=fps)
        np.testing.assert_array_equal(clip, center_clip(video, **how)["rgb"][0])
    assert np.any(found[0] != found[1])


@pytest.mark.parametrize(
    "shape, stored_size, stored",
    [
        ((96, 128), 48, (48, 64)),
        ((107, 193), 48, (48, 87)),
        ((193, 107), 48, (87, 48)),
        ((24, 36), 48, (48, 72)),
        ((90, 90), (40, 60), (40, 60)),
    ],
)
def test_other_sizes_are_resized_as_prepare_does(shape, stored_size, stored):
    image = photo(*shape)
    encoded = jpeg(image)
    size = min(stored)
    (clip,) = jpeg_clips(
        [[encoded]],
        sampling=Segments(1),
        crop=CenterCrop(size),
        stored_size=stored_size,
    )
    decoded = tf.io.decode_jpeg(encoded).numpy()
    shrinks = np.prod(stored) < np.prod(shape)
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    resized = cv2.resize(decoded, stored[::-1], interpolation=method).astype(int)
    y, x = (stored[0] - size) // 2, (stored[1] - size) // 2
    gap = np.abs(clip[0].numpy() - resized[y : y + size, x : x + size])
    assert gap.mean() < 0.5 and gap.max() <= 3


def test_frames_of_a_video_may_differ_in_size():
    frames = [jpeg(photo(48, 64)), jpeg(photo(96, 96))]
    how = {"sampling": Segments(2), "crop": CenterCrop(32), "stored_size": 48}
    (clip,) = jpeg_clips([frames], **how)
    for image, frame in zip(clip, frames, strict=True):
        (alone,) = jpeg_clips([[frame]], **how)
        np.testing.assert_array_equal(image, alone[0])


def test_inside_a_saved_model(videos, tmp_path):
    how = {"sampling": Segments(3), "crop": CenterCrop(32), "stored_size": 48}

    class Clips(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.string)])
        def __call__(self, jpegs):
            return jpeg_clips(jpegs, **how)

    tf.saved_model.save(Clips(), str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    expected = jpeg_clips(padded(videos), **how)
    np.testing.assert_array_equal(loaded(padded(videos)), expected)
    assert loaded(tf.zeros([0, 4], tf.string)).shape == (0, 3, 32, 32, 3)
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"Without:\W+1\b"):
        loaded(tf.constant([[videos[0].jpegs[0]], [b""]]))


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function])
@pytest.mark.parametrize(
    "rows, message",
    [
        ([["x"], [""], [""]], r"one image or more. Without:\W+1\W+2\b"),
        ([["x", ""], ["", "x"]], r"end of a row only.*\W+1\b"),
    ],
)
def test_bad_rows_are_named(rows, message, wrap):
    frame = jpeg(coordinate_frames(1)[0])
    rows = tf.constant([[frame if cell else b"" for cell in row] for row in rows])
    how = {"sampling": Segments(1), "crop": CenterCrop(32), "stored_size": 48}
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        wrap(lambda jpegs: jpeg_clips(jpegs, **how))(rows)


@pytest.mark.parametrize(
    "sampling, message",
    [
        (Whole(5.0), r"as many frames of every video; Whole\(fps=5.0.*`num_frames`"),
        (Window(3, fps=5.0), r"Window\(.*\) needs `fps`, the rate of the frames"),
    ],
)
def test_samplers_that_cannot_serve(sampling, message):
    with pytest.raises(ValueError, match=message):
        jpeg_clips([[b"x"]], sampling=sampling, crop=CenterCrop(32), stored_size=48)
