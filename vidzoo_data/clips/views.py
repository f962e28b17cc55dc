"""Test views: several random clips of each video, several crops of each clip."""

import functools
from collections.abc import Mapping

import tensorflow as tf

from vidzoo_data.clips import pixels, stream
from vidzoo_data.clips.augment import CenterCrop
from vidzoo_data.clips.decode import stack_snippets
from vidzoo_data.clips.modalities import (
    FEATURES,
    checked_modalities,
    decoded,
    fitted,
    mirrored,
)
from vidzoo_data.records.read import Records

_NUM_CROPS = (1, 2, 5, 10)


def view_batches(
    records: Records,
    split: str,
    *,
    sampling,
    num_clips: int,
    batch_size: int,
    size: int | None = None,
    num_crops: int | None = None,
    crop=None,
    modalities: Mapping[str, int] | None = None,
    multi_label: bool = False,
    seed: int = 0,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Batches of views, every view with its video's label and id.

    Each clip is shown either in `num_crops` fixed crops of `size`, or once, in a window
    that `crop` draws for it, mirrored or not: `num_clips=240, crop=RandomCrop(220)` are
    the 240 examples of section 3.4.1. All frames of a clip, and its RGB and flow, share
    window and mirroring.

    The views of a video lie side by side: clip by clip, and in each clip its crops: the
    four corners, the centre, then the mirrors of these in the same order. A clip's
    frames, window and mirroring depend on `seed`, the video's id and the clip's number
    alone. Each frame of a clip is decoded once for all of its crops.

    Args:
        records: an opened records folder.
        split: a name in `records.splits`.
        sampling: which frames make a clip; `sampling.random` draws them.
        num_clips: of each video.
        batch_size: N, views; the last batch may be smaller.
        size: side of a crop in pixels; where it does not fit, the largest square that
            does is resized to it.
        num_crops: 1, the centre; 2, and its mirror; 5, four corners and the centre;
            10, and their mirrors.
        crop: in place of `size` and `num_crops`: draws one window for each clip, as in
            `training_batches`. Features want none of the three.
        modalities: as `training_batches` has it.
        multi_label: as `training_batches` has it.
        seed: of the frames, windows and mirroring.
        workers: clips decoded at once; as many as there are cores by default.

    Returns:
        Dictionaries as `center_batches` gives them.

    Raises:
        ValueError: `num_crops` is not one of those, `num_clips` is below 1, neither
            `size` with `num_crops` nor `crop` alone is given, or `modalities` as in
            `training_batches`.
        UsageError: no such split.
        RecordError: as `training_batches`.
    """
    if num_clips < 1:
        raise ValueError(f"`num_clips` must be >= 1. Received: {num_clips}.")
    videos = records.split(split)
    modalities = checked_modalities(modalities, sampling)
    _check_crops(size, num_crops, crop, modalities)
    stream.check_videos(records, videos, sampling, modalities, multi_label)

    def plan(place):
        index, number = divmod(place, num_clips)
        return index, stream.seed_of(seed, "view", videos[index].video_id, number)

    if num_crops is None:
        shown = pixels.maker(records, sampling, modalities, crop, None)
    else:
        shown = functools.partial(
            _crops,
            sampling=sampling,
            modalities=modalities,
            size=size,
            num_crops=num_crops,
            bound=records.flow and records.flow["bound"],
        )
    clips = stream.clip_stream(
        records,
        videos,
        tf.data.Dataset.range(len(videos) * num_clips),
        plan,
        sampling=sampling,
        numbers=sampling.random,
        pixels=shown,
        modalities=modalities,
        multi_label=multi_label,
        workers=workers,
    )
    if num_crops is not None:
        clips = clips.map(functools.partial(_labelled, num_crops)).unbatch()
    return stream.batch(clips, batch_size, sampling)


def _check_crops(size, num_crops, crop, modalities):
    if FEATURES in modalities:
        if num_crops is not None:
            raise ValueError(
                "Features have no crops: leave out `size` and `num_crops`. Received: "
                f"size={size}, num_crops={num_crops}."
            )
        return
    given = (size, num_crops, crop)
    if [value is None for value in given] not in (
        [True, True, False],
        [False, False, True],
    ):
        raise ValueError(
            "Give `size` and `num_crops`, or `crop` alone. Received: "
            f"size={size}, num_crops={num_crops}, crop={crop}."
        )
    if crop is None and num_crops not in _NUM_CROPS:
        raise ValueError(
            f"`num_crops` must be one of {_NUM_CROPS}. Received: {num_crops}."
        )


def _crops(images, height, width, *seeds, sampling, modalities, size, num_crops, bound):
    """Encoded images of one video to its crops: modality -> `(V, T, H, W, C*k)`."""
    del seeds
    windows = _windows(height, width, size, num_crops)
    around = _around(windows)
    crops = {}
    for name, length in modalities.items():
        shown = decoded(name, images[name], around, bound, (height, width))
        cut = [_cropped(name, shown, window - around, size) for window in windows]
        if num_crops in (2, 10):
            cut += [mirrored(name, crop) for crop in cut]
        stacked = tf.stack([stack_snippets(crop, length) for crop in cut])
        shape = [num_crops, sampling.num_snippets, *[None] * 3]
        crops[name] = tf.ensure_shape(stacked, shape)
    return crops


def _windows(height, width, size, num_crops):
    """The windows that are not mirrored, each int32 `(4,)`: y, x, height, width."""
    center, _ = CenterCrop(size).window(height, width, None)
    if num_crops < 5:
        return [center]
    side = center[2]
    corners = [
        tf.stack([y, x, side, side])
        for y in (0, height - side)
        for x in (0, width - side)
    ]
    return [*corners, center]


def _around(windows):
    """The smallest window that holds all of `windows`."""
    windows = tf.stack(windows)
    start = tf.reduce_min(windows[:, :2], axis=0)
    end = tf.reduce_max(windows[:, :2] + windows[:, 2:], axis=0)
    return tf.concat([start, end - start], axis=0)


def _cropped(name, images, relative, size):
    """One crop `(T, size, size, 3)`; only y and x of `relative` are looked at."""
    side = tf.minimum(size, tf.reduce_min(tf.shape(images)[1:3]))
    y, x = relative[0], relative[1]
    return fitted(name, images[:, y : y + side, x : x + side], size)


@tf.autograph.experimental.do_not_convert
def _labelled(num_crops, clip):
    """Gives every crop the label and id of its clip."""
    repeated = {
        name: tf.repeat(clip[name][None], num_crops, axis=0)
        for name in ("label", "video_id")
    }
    return clip | repeated
