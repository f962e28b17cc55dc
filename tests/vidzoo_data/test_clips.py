"""Clips: what they show, and batches that never depend on chance."""

import itertools
from collections import Counter
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, record, write_records
from vidzoo.errors import RecordError, UsageError
from vidzoo_data import clips
from vidzoo_data.clips import (
    CenterCrop,
    ColorJitter,
    CornerCrop,
    MultiScaleCrop,
    RandomCrop,
    Segments,
    Whole,
    Window,
    center_batches,
    checked,
    stream,
    training_batches,
)


def center_clip(video, **how):
    """The RGB of a video's clip."""
    return clips.center_clip(video, **how)["rgb"]


# What a clip shows: frames that say where each of their pixels lies


@dataclass(frozen=True)
class FixedWindow:
    """A crop that draws nothing."""

    size: int
    at: tuple[int, int, int, int]
    flip: bool = False

    def window(self, height, width, seed):
        return tf.constant(self.at), tf.constant(self.flip)


def located(frame):
    """First x, step in x, first y, step in y and number of a coordinate frame."""
    frame = frame.astype(np.float64)
    x, y = frame[..., 0].mean(0) / 3, frame[..., 1].mean(1) / 4
    (dx, x0), (dy, y0) = (np.polyfit(np.arange(len(v)), v, 1) for v in (x, y))
    return x0, dx, y0, dy, frame[..., 2].mean() / 8


def test_window_size_and_flip_are_what_the_crop_says():
    video = record("v", coordinate_frames(1))
    clip = center_clip(
        video, sampling=Segments(1), crop=FixedWindow(20, (10, 5, 20, 20))
    )
    assert clip.shape == (1, 1, 20, 20, 3) and clip.dtype == tf.uint8
    assert located(clip[0, 0].numpy()) == pytest.approx((5, 1, 10, 1, 0), abs=0.4)
    mirrored = center_clip(
        video, sampling=Segments(1), crop=FixedWindow(20, (10, 5, 20, 20), True)
    )
    np.testing.assert_array_equal(mirrored, clip[:, :, :, ::-1])
    assert located(mirrored[0, 0].numpy()) == pytest.approx((24, -1, 10, 1, 0), abs=0.4)


def test_window_is_resized_to_the_clip():
    video = record("v", coordinate_frames(1))
    crop = FixedWindow(16, (8, 16, 32, 40))  # height by 2, width by 2.5
    clip = center_clip(video, sampling=Segments(1), crop=crop)
    found = located(clip[0, 0].numpy())
    assert found == pytest.approx((16 + 0.75, 2.5, 8 + 0.5, 2, 0), abs=0.4)


def test_center_clip_has_the_sampled_frames_and_the_middle():
    video = record("v", coordinate_frames(31))
    clip = center_clip(video, sampling=Segments(3), crop=CenterCrop(32))
    found = [located(frame) for frame in clip[0].numpy()]
    for frame, number in zip(found, (5, 15, 25), strict=True):
        assert frame == pytest.approx((16, 1, 8, 1, number), abs=0.4)


def test_snippets_stack_images_on_channels():
    video = record("v", coordinate_frames(31))
    clip = center_clip(video, sampling=Segments(2, 3), crop=CenterCrop(32))
    assert clip.shape == (1, 2, 32, 32, 9)
    numbers = [
        [located(snippet[..., c : c + 3])[-1] for c in (0, 3, 6)]
        for snippet in clip[0].numpy()
    ]
    first = Segments(2, 3).centered(31).numpy()
    np.testing.assert_allclose(numbers, first, atol=0.4)


@pytest.mark.parametrize("num_frames", [1, 2])
def test_a_video_shorter_than_its_segments_loops(num_frames):
    video = record("v", coordinate_frames(num_frames))
    clip = center_clip(video, sampling=Segments(5), crop=CenterCrop(32))
    numbers = [located(frame)[-1] for frame in clip[0].numpy()]
    np.testing.assert_allclose(numbers, np.arange(5) % num_frames, atol=0.4)


def textured(height=96, width=128):
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 1.5)[None] // 2 * 2


@pytest.mark.parametrize("y, x", [(0, 0), (16, 32), (32, 64), (48, 16)])
def test_decoding_an_aligned_window_equals_cropping_the_whole(y, x):
    video = record("v", textured())
    whole = tf.io.decode_jpeg(video.jpegs[0]).numpy()
    crop = FixedWindow(48, (y, x, 48, 48))
    clip = center_clip(video, sampling=Segments(1), crop=crop)[0, 0].numpy()
    # Chroma at the window's border is interpolated without its outer neighbour.
    expected = whole[y : y + 48, x : x + 48]
    np.testing.assert_array_equal(clip[1:-1, 1:-1], expected[1:-1, 1:-1])
    assert np.abs(clip.astype(int) - expected).max() <= 16


@pytest.mark.parametrize("y, x", [(1, 1), (7, 13), (9, 2), (31, 77)])
def test_decoding_any_window_is_close_to_cropping_the_whole(y, x):
    video = record("v", textured())
    whole = tf.io.decode_jpeg(video.jpegs[0]).numpy()
    crop = FixedWindow(48, (y, x, 48, 48))
    clip = center_clip(video, sampling=Segments(1), crop=crop)[0, 0].numpy()
    gap = np.abs(clip.astype(int) - whole[y : y + 48, x : x + 48])
    assert gap.mean() < 0.5 and gap.max() <= 16


# Batches


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Seven videos of one to nineteen frames; the label is the number's parity."""
    folder = tmp_path_factory.mktemp("records")
    videos = [
        record(f"video-{i}", coordinate_frames(1 + 3 * i), labels=(i % 2,))
        for i in range(7)
    ]
    ids = [video.video_id for video in videos]
    splits = {"train": ids, "test": ids[::-1][:3]}
    return write_records(folder, videos, splits=splits)


def training(records, **options):
    defaults = {
        "sampling": Segments(3),
        "crop": CornerCrop(32, (1.0, 0.75)),
        "batch_size": 2,
        "num_steps": 7,
        "seed": 1,
    }
    batches = training_batches(records, "train", **defaults | options)
    return [{name: v.numpy() for name, v in batch.items()} for batch in batches]


def assert_same_batches(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_a_batch_has_its_fields(records):
    batch = training(records, num_steps=1)[0]
    described = {name: (v.shape, v.dtype.name) for name, v in batch.items()}
    assert described == {
        "rgb": ((2, 3, 32, 32, 3), "uint8"),
        "label": ((2,), "int32"),
        "video_id": ((2,), "object"),
    }


@pytest.mark.parametrize(
    "crop",
    [CornerCrop(32, (1.0, 0.75)), MultiScaleCrop(32, (1.0, 0.75)), RandomCrop(32)],
)
def test_one_window_and_flip_for_all_frames_of_a_clip(records, crop):
    windows, numbers = set(), set()
    for batch in training(records, crop=crop, num_steps=14):
        for clip in batch["rgb"]:
            found = [located(frame) for frame in clip]
            for frame in found[1:]:
                assert frame[:4] == pytest.approx(found[0][:4], abs=0.25)
            windows.add(tuple(np.round(found[0][:4], 1)))
            numbers |= {round(frame[4]) for frame in found}
    assert len(windows) > 10
    assert {1 if step > 0 else -1 for _, step, _, _ in windows} == {1, -1}
    assert all(step > 0 for _, _, _, step in windows), "flipped upside down"
    assert len(numbers) > 10


@pytest.mark.parametrize("workers", [2, 8])
def test_workers_do_not_change_the_batches(records, workers):
    expected = training(records, workers=1)
    assert_same_batches(training(records, workers=workers), expected)
    assert_same_batches(training(records), expected)


@pytest.mark.parametrize("first_step", [1, 4, 6])
def test_any_step_can_be_the_first(records, first_step):
    found = training(records, first_step=first_step)
    assert_same_batches(found, training(records)[first_step:])


def test_length_of_the_run_does_not_change_its_batches(records):
    assert_same_batches(training(records, num_steps=3), training(records)[:3])


def test_other_seeds_give_other_batches(records):
    one, other = training(records), training(records, seed=2)
    assert any(np.any(a["rgb"] != b["rgb"]) for a, b in zip(one, other, strict=True))
    assert [list(b["video_id"]) for b in one] != [list(b["video_id"]) for b in other]


def test_every_pass_has_every_video_once_with_its_label(records):
    batches = training(records, num_steps=14)  # four passes over seven videos
    ids = [video_id.decode() for batch in batches for video_id in batch["video_id"]]
    labels = [label for batch in batches for label in batch["label"]]
    passes = [tuple(ids[i : i + 7]) for i in range(0, 28, 7)]
    assert all(set(order) == set(records.videos) for order in passes)
    assert len(set(passes)) > 1
    for video_id, label in zip(ids, labels, strict=True):
        assert label == int(video_id[-1]) % 2


def test_passes_show_other_frames_and_windows(records):
    seen = Counter()
    for batch in training(records, num_steps=14):
        for video_id, clip in zip(batch["video_id"], batch["rgb"], strict=True):
            if video_id == b"video-6":
                seen[clip.tobytes()] += 1
    assert sum(seen.values()) == 4
    assert len(seen) > 1


def test_center_batches_have_every_video_once_in_order(records):
    batches = list(
        center_batches(
            records, "test", sampling=Segments(3), crop=CenterCrop(32), batch_size=2
        )
    )
    assert [len(batch["label"]) for batch in batches] == [2, 1]
    ids = [i.decode() for batch in batches for i in batch["video_id"].numpy()]
    assert ids == ["video-6", "video-5", "video-4"]
    labels = [int(label) for batch in batches for label in batch["label"]]
    assert labels == [0, 1, 0]


def test_center_clip_is_what_center_batches_give(records):
    """The one is eager, the other runs inside `Dataset.map`."""
    for crop in (CenterCrop(32), CenterCrop(60)):  # the second one is enlarged
        for sampling in (Segments(3), Segments(2, 2)):
            options = {"sampling": sampling, "crop": crop}
            batches = center_batches(records, "train", **options, batch_size=1)
            for i, batch in enumerate(batches):
                frames = coordinate_frames(1 + 3 * i)
                clip = center_clip(record("elsewhere", frames), **options)
                np.testing.assert_array_equal(batch["rgb"], clip)


@pytest.mark.parametrize("labels", [(0, 1), ()])
@pytest.mark.parametrize("make", [training_batches, center_batches])
def test_one_label_a_video(make, labels, tmp_path):
    videos = [
        record("one", coordinate_frames(1)),
        record("other", coordinate_frames(1), labels),
    ]
    records = write_records(tmp_path / "r", videos)
    options = {"num_steps": 1} if make is training_batches else {}
    with pytest.raises(
        RecordError,
        match=f"r: other has {len(labels)} labels; clips.*Pass `multi_label=True`",
    ):
        make(
            records,
            "train",
            sampling=Segments(1),
            crop=CenterCrop(32),
            batch_size=1,
            **options,
        )


@pytest.mark.parametrize("make", [training_batches, center_batches])
def test_unknown_split(make, records):
    options = {"num_steps": 1} if make is training_batches else {}
    with pytest.raises(UsageError, match="no split 'val'. Choose one of: train, test"):
        make(
            records,
            "val",
            sampling=Segments(1),
            crop=CenterCrop(32),
            batch_size=1,
            **options,
        )


@pytest.mark.parametrize("make", [training_batches, center_batches])
def test_several_labels_are_multi_hot(make, tmp_path):
    labels = {"none": (), "one": (2,), "two": (0, 3)}
    videos = [record(name, coordinate_frames(1), labels[name]) for name in labels]
    records = write_records(tmp_path, videos, classes="abcd")
    options = {"num_steps": 1} if make is training_batches else {}
    (batch,) = make(
        records,
        "train",
        sampling=Segments(1),
        crop=CenterCrop(32),
        batch_size=3,
        multi_label=True,
        **options,
    )
    assert batch["label"].dtype == tf.float32
    for video_id, label in zip(batch["video_id"], batch["label"], strict=True):
        expected = np.isin(np.arange(4), labels[video_id.numpy().decode()])
        np.testing.assert_array_equal(label, expected)


def test_color_is_drawn_once_a_clip_and_changes_nothing_else(records):
    """In a map, against the same draws applied eagerly to the batches without it."""
    plain, color = training(records, workers=2), ColorJitter()
    jittered = training(records, workers=2, color=color)
    places = itertools.count()
    for one, other in zip(plain, jittered, strict=True):
        np.testing.assert_array_equal(one["video_id"], other["video_id"])
        for clip, found in zip(one["rgb"], other["rgb"], strict=True):
            seed = tf.constant(stream.seed_of(1, "clip", next(places)))
            # Frames, crop and colour: the three seeds that a clip's splits into.
            expected = color.jitter(clip, tf.random.split(seed, 3)[2])
            np.testing.assert_array_equal(found, expected)
            assert np.any(found != clip)


def test_windows_and_whole_videos_follow_the_rate_of_each_video(tmp_path):
    frames = coordinate_frames(30)
    videos = [
        replace(record(f"{fps}", frames), fps=fps) for fps in (5.0, 10.0, 15 / 1.001)
    ]
    records = write_records(tmp_path, videos)
    for sampling in (Window(3, fps=5.0), Whole(2.5, 4)):
        how = {"sampling": sampling, "crop": CenterCrop(32)}
        (batch,) = center_batches(records, "train", **how, batch_size=3)
        for video, clip in zip(videos, batch["rgb"], strict=True):
            numbers = sampling.centered(30, video.fps)[:, 0]
            found = [located(frame)[-1] for frame in clip.numpy()]
            np.testing.assert_allclose(found, numbers, atol=0.4)
            np.testing.assert_array_equal(center_clip(video, **how)[0], clip)


@pytest.mark.parametrize("make", [training_batches, center_batches])
def test_whole_videos_are_padded_and_masked(make, records):
    options = {"num_steps": 2} if make is training_batches else {}
    batches = make(
        records,
        "train",
        sampling=Whole(25.0),
        crop=CenterCrop(32),
        batch_size=3,
        **options,
    )
    for batch in batches:
        lengths = [1 + 3 * int(i.decode()[-1]) for i in batch["video_id"].numpy()]
        mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        np.testing.assert_array_equal(batch["mask"], mask)
        assert batch["rgb"].shape == (*mask.shape, 32, 32, 3)
        assert not batch["rgb"].numpy()[~mask].any()
        for clip, length in zip(batch["rgb"].numpy(), lengths, strict=True):
            numbers = [located(frame)[-1] for frame in clip[:length]]
            np.testing.assert_allclose(numbers, np.arange(length), atol=0.4)


def test_unstated_rate(tmp_path):
    video = replace(record("mute", coordinate_frames(3)), fps=0.0)
    records = write_records(tmp_path / "r", [video])
    how = {"sampling": Window(2, fps=5.0), "crop": CenterCrop(32)}
    with pytest.raises(RecordError, match="r: mute does not state its frames per sec"):
        center_batches(records, "train", **how, batch_size=1)
    with pytest.raises(RecordError, match="mute: it does not state its frames per sec"):
        center_clip(video, **how)
    how["sampling"] = Window(2)
    (batch,) = center_batches(records, "train", **how, batch_size=1)
    np.testing.assert_array_equal(batch["rgb"], center_clip(video, **how))


def test_many_frames_are_the_frames_of_few():
    """Beyond some frames a loop decodes them instead of one operation each."""
    video = record("v", coordinate_frames(31))
    clip = center_clip(video, sampling=Window(31), crop=CenterCrop(32))
    for number in (0, 15, 30):
        frame = replace(video, jpegs=video.jpegs[number : number + 1])
        alone = center_clip(frame, sampling=Window(1), crop=CenterCrop(32))
        np.testing.assert_array_equal(clip[:, number], alone[:, 0])


def test_damaged_record_is_an_error_that_names_the_video(tmp_path):
    records = write_records(tmp_path / "r", [record("broken", coordinate_frames(3))])
    shard = records.path / records.videos["broken"].shard
    shard.write_bytes(bytes(shard.stat().st_size))
    batches = center_batches(
        records, "train", sampling=Segments(1), crop=CenterCrop(32), batch_size=1
    )
    with pytest.raises(RecordError, match="the record of broken is damaged"):
        list(checked(batches, records))
