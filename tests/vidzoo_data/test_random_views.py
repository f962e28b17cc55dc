"""Random views, one window and mirroring a clip, against a plain loop over clips."""

import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, record, write_records
from vidzoo_data.clips import (
    CenterCrop,
    CornerCrop,
    Excerpt,
    RandomCrop,
    Whole,
    stream,
    view_batches,
)

SAMPLING = Excerpt(3, Whole(fps=12.5, num_frames=8))
HEIGHT, WIDTH = 48, 64


def grey(num_frames, seed):
    """Noise without colour: of that, windows decode as they do in the whole frame."""
    generator = np.random.default_rng(seed)
    noise = generator.integers(0, 256, (num_frames, HEIGHT, WIDTH, 1), np.uint8)
    return np.repeat(noise, 3, axis=3)


def coordinates(num_fields):
    """Flow that says where each pixel lies: x is 3 x, y is 4 y."""
    return coordinate_frames(num_fields)[..., :2]


@pytest.fixture(scope="module")
def videos():
    return [record("short", grey(5, 0)), record("long", grey(40, 1), labels=(1,))]


@pytest.fixture(scope="module")
def records(videos, tmp_path_factory):
    folder = tmp_path_factory.mktemp("random")
    splits = {"test": ["short", "long"], "one": ["long"]}
    return write_records(folder, videos, splits=splits)


def views(records, split="test", **options):
    defaults = {"sampling": SAMPLING, "crop": RandomCrop(32), "num_clips": 240}
    batches = view_batches(records, split, **defaults | {"batch_size": 50} | options)
    return [
        {name: values[i] for name, values in batch.items()}
        for batch in batches.as_numpy_iterator()
        for i in range(len(batch["label"]))
    ]


@tf.function
def drawn(seed, num_frames):
    """What one clip shows: its frames' numbers, window and mirroring."""
    frame_seed, crop_seed, _ = tf.unstack(tf.random.split(seed, 3))
    numbers = SAMPLING.random(num_frames, frame_seed, 25.0)[:, 0]
    return numbers, *RandomCrop(32).window(HEIGHT, WIDTH, crop_seed)


def test_240_examples_are_those_of_a_plain_loop(videos, records):
    rows = iter(views(records, "one", seed=7))
    shown = set()
    for video in videos[1:]:
        frames = np.stack([tf.io.decode_jpeg(jpeg).numpy() for jpeg in video.jpegs])
        for number in range(240):
            seed = stream.seed_of(7, "view", video.video_id, number)
            numbers, (y, x, _, _), flip = (
                value.numpy()
                for value in drawn(tf.constant(seed), tf.constant(len(frames)))
            )
            expected = frames[numbers, y : y + 32, x : x + 32]
            if flip:
                expected = expected[:, :, ::-1]
            row = next(rows)
            np.testing.assert_array_equal(row["rgb"], expected)
            assert row["video_id"].decode() == video.video_id
            assert row["label"] == video.labels[0]
            shown.add((video.video_id, int(numbers[0]), int(y), int(x), bool(flip)))
    assert next(rows, None) is None
    assert len(shown) > 200


def test_examples_depend_on_the_video_and_their_number_alone(records):
    rows = views(records, num_clips=20, workers=1, batch_size=1)
    again = views(records, num_clips=20, workers=4, batch_size=33)
    for row, same in zip(rows, again, strict=True):
        np.testing.assert_array_equal(row["rgb"], same["rgb"])
    for row, same in zip(rows[20:], views(records, "one", num_clips=9), strict=False):
        np.testing.assert_array_equal(row["rgb"], same["rgb"])


@pytest.mark.parametrize("crop", [RandomCrop(32), CornerCrop(32, scales=(0.75,))])
def test_frames_and_flow_of_an_example_share_window_and_mirror(tmp_path, crop):
    """The pixels tell where they lie: red 3 x, green 4 y, in flow x and y alike."""
    video = record("v", coordinate_frames(20), flow=coordinates(18))
    data = write_records(tmp_path, [video])
    modalities = {"rgb": 1, "flow": 1}
    rows = views(data, "train", crop=crop, num_clips=40, modalities=modalities)
    flips, corners = set(), set()
    for row in rows:
        rgb, flow = row["rgb"].astype(int), row["flow"].astype(int)
        flipped = rgb[0, 16, 0, 0] > rgb[0, 16, -1, 0]
        if flipped:
            flow[..., 0] = 255 - flow[..., 0]
        assert (flow == flow[:1]).all()
        assert np.abs(rgb[..., :2] - rgb[:1, ..., :2]).max() <= 8  # JPEG
        gap = np.abs(rgb[..., :2] - flow)[:, 4:-4, 4:-4]
        assert gap.max() <= 8 and gap.mean() < 2
        flips.add(flipped)
        corners.add((flow[0, 0, 0, 0], flow[0, 0, 0, 1]))
    assert flips == {True, False} and len(corners) > 3


def test_each_frame_of_an_example_is_read_once(records, monkeypatch):
    read, counts = records.read_frames, []

    def counting(entry, numbers):
        counts.append(len(numbers))
        return read(entry, numbers)

    monkeypatch.setattr(records, "read_frames", counting)
    assert len(views(records, num_clips=6)) == 12
    assert counts == [3] * 12


def test_a_centre_crop_draws_nothing(records):
    rows = views(records, crop=CenterCrop(32), num_clips=2)
    fixed = views(records, crop=None, size=32, num_crops=1, num_clips=2)
    for row, same in zip(rows, fixed, strict=True):
        np.testing.assert_array_equal(row["rgb"], same["rgb"])


@pytest.mark.parametrize(
    "options",
    [
        {"size": 32},
        {"num_crops": 10},
        {"size": 32, "num_crops": 10},
        {"crop": None},
        {"crop": None, "size": 32},
    ],
)
def test_crops_are_given_one_way(records, options):
    message = "Give `size` and `num_crops`, or `crop` alone. Received: size="
    with pytest.raises(ValueError, match=message):
        views(records, **options)
