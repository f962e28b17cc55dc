"""Test views against a plain loop over clips, crops and snippets."""

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.records import record, write_records
from vidzoo.errors import RecordError
from vidzoo_data.clips import (
    CenterCrop,
    Segments,
    Whole,
    Window,
    center_batches,
    stream,
    view_batches,
)

HEIGHT, WIDTH = 48, 64


def textured(num_frames, seed):
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (num_frames, HEIGHT, WIDTH, 3), np.uint8)
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 1.5) for frame in frames])


@pytest.fixture(scope="module")
def videos():
    return [
        record(f"video-{i}", textured(1 + 4 * i, seed=i), labels=(i % 2,))
        for i in range(4)
    ]


@pytest.fixture(scope="module")
def records(videos, tmp_path_factory):
    ids = [video.video_id for video in videos]
    splits = {"test": ids, "some": [ids[3], ids[1]]}
    return write_records(tmp_path_factory.mktemp("views"), videos, splits=splits)


def views(records, split="test", **options):
    """All rows of all batches, one dictionary each."""
    defaults = {"sampling": Segments(2, 2), "size": 32, "num_clips": 2}
    defaults |= {"num_crops": 10, "batch_size": 7}
    batches = view_batches(records, split, **defaults | options)
    return [
        {name: values[i] for name, values in batch.items()}
        for batch in batches.as_numpy_iterator()
        for i in range(len(batch["label"]))
    ]


def seed_of(seed, video_id, number):
    return tf.constant(stream.seed_of(seed, "view", video_id, number))


def expected_crops(frames, size, num_crops):
    """Crops `(V, T, size, size, 3)` of whole frames `(T, H, W, 3)`."""
    side = min(size, HEIGHT, WIDTH)
    bottom, right = HEIGHT - side, WIDTH - side
    center = (bottom // 2, right // 2)
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
    crops = []
    for y, x in [*corners, center] if num_crops >= 5 else [center]:
        crop = frames[:, y : y + side, x : x + side]
        if side != size:
            crop = np.rint(tf.image.resize(crop, (size, size)).numpy())
        crops.append(crop.astype(np.uint8))
    if num_crops in (2, 10):
        crops += [crop[:, :, ::-1] for crop in crops]
    return np.stack(crops)


@pytest.mark.parametrize("num_crops", [1, 2, 5, 10])
@pytest.mark.parametrize("size", [32, 60])
def test_views_are_those_of_a_plain_loop(videos, records, num_crops, size):
    sampling = Segments(2, 2)
    rows = iter(views(records, num_crops=num_crops, size=size, seed=3))
    for video in videos:
        whole = np.stack([tf.io.decode_jpeg(jpeg).numpy() for jpeg in video.jpegs])
        for number in range(2):
            # The frames' seed is the first of those that a clip's seed splits into.
            seed = tf.random.split(seed_of(3, video.video_id, number), 3)[0]
            numbers = sampling.random(len(whole), seed).numpy()
            for crop in expected_crops(whole[numbers.ravel()], size, num_crops):
                row = next(rows)
                assert row["video_id"].decode() == video.video_id
                assert row["label"] == video.labels[0]
                assert row["rgb"].shape == (2, size, size, 6)
                for t in range(2):
                    found = row["rgb"][t]
                    both = np.concatenate([crop[2 * t], crop[2 * t + 1]], axis=-1)
                    if num_crops >= 5:
                        np.testing.assert_array_equal(found, both)
                    else:  # the window alone is decoded: chroma differs at its border
                        gap = np.abs(found.astype(int) - both)
                        assert gap.mean() < 1
                        inside = (slice(4, -4), slice(4, -4))
                        assert gap[inside].max() <= 8
    assert next(rows, None) is None


def test_one_crop_of_the_middle_is_what_center_batches_give(records):
    """A window as long as any video starts at its beginning, drawn or not."""
    sampling = Window(13)
    found = views(records, sampling=sampling, num_clips=1, num_crops=1)
    batches = center_batches(
        records, "test", sampling=sampling, crop=CenterCrop(32), batch_size=1
    )
    for row, batch in zip(found, batches, strict=True):
        np.testing.assert_array_equal(row["rgb"], batch["rgb"][0])


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 1, "batch_size": 1},
        {"workers": 4, "batch_size": 100},
        {"num_clips": 1},
    ],
)
def test_views_depend_on_the_video_and_clip_alone(records, options):
    def by_clip(rows):
        counts, found = {}, {}
        for row in rows:
            count = counts[row["video_id"]] = counts.get(row["video_id"], -1) + 1
            found[row["video_id"], count] = row["rgb"]
        return found

    every = by_clip(views(records))
    for key, rgb in by_clip(views(records, "some", **options)).items():
        np.testing.assert_array_equal(rgb, every[key])


def test_other_seeds_and_clips_show_other_frames(records):
    rows = [row for row in views(records, num_crops=1) if row["video_id"] == b"video-3"]
    again = views(records, num_crops=1, seed=1)
    again = [row for row in again if row["video_id"] == b"video-3"]
    shown = {row["rgb"].tobytes() for row in rows + again}
    assert len(shown) >= 3


def test_batches_are_full_but_the_last(records):
    batches = view_batches(
        records,
        "test",
        sampling=Segments(1),
        size=16,
        num_clips=3,
        num_crops=5,
        batch_size=16,
    )
    assert [len(batch["label"]) for batch in batches] == [16, 16, 16, 12]


def test_each_frame_is_read_once_for_all_crops(records, monkeypatch):
    read, counts = records.read_frames, []

    def counting(entry, numbers):
        counts.append(len(numbers))
        return read(entry, numbers)

    monkeypatch.setattr(records, "read_frames", counting)
    assert len(views(records, num_clips=3)) == 4 * 3 * 10
    assert counts == [4] * 12


def test_whole_videos_have_a_mask(records):
    rows = views(records, sampling=Whole(25.0), num_clips=1, num_crops=2, batch_size=8)
    lengths = [int(row["mask"].sum()) for row in rows]
    assert lengths == [1, 1, 5, 5, 9, 9, 13, 13]
    assert not any(
        row["rgb"][length:].any() for row, length in zip(rows, lengths, strict=True)
    )


def test_several_labels(tmp_path):
    videos = [record("v", textured(2, 0), labels=(0, 2))]
    data = write_records(tmp_path, videos, classes="abc", splits={"test": ["v"]})
    for row in views(data, num_clips=1, num_crops=2, multi_label=True):
        np.testing.assert_array_equal(row["label"], [1, 0, 1])
    with pytest.raises(RecordError, match="v has 2 labels"):
        views(data)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"num_crops": 3}, r"`num_crops` must be one of \(1, 2, 5, 10\). Received: 3"),
        ({"num_clips": 0}, "`num_clips` must be >= 1. Received: 0"),
    ],
)
def test_views_refuse(records, options, message):
    with pytest.raises(ValueError, match=message):
        views(records, **options)
