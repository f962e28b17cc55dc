"""Records to batches of clips: sample, read, decode the windows, stack.

A batch is a dictionary: `rgb` uint8 `(N, T, H, W, 3k)`, `label` int32 `(N,)` or
multi-hot float32 `(N, K)`, `video_id` string `(N,)`, and where clips differ in length
`mask` bool `(N, T)`. What a clip shows depends on the seed and on its place in the run
(in training) or on its video (in test), never on the number of workers.
"""

import functools
import re

import numpy as np
import tensorflow as tf

from vidzoo.errors import RecordError
from vidzoo_data.clips import stream
from vidzoo_data.clips.augment import ColorJitter
from vidzoo_data.clips.decode import decode, mirror, resize, stack_snippets
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records

_NO_SEED = np.zeros(2, np.int64)


def training_batches(
    records: Records,
    split: str,
    *,
    sampling,
    crop,
    batch_size: int,
    num_steps: int,
    color: ColorJitter | None = None,
    multi_label: bool = False,
    first_step: int = 0,
    seed: int = 0,
    workers: int | None = None,
) -> tf.data.Dataset:
    """Batches of randomly sampled, cropped and mirrored clips.

    The run is one stream of clips: every pass over the split is a fresh permutation of
    its videos, passes follow each other without a gap, and so every batch is full and
    every video is seen equally often. Step n's batch is the same whether or not the
    steps before it were read, which makes exact resumption possible.

    Args:
        records: an opened records folder.
        split: a name in `records.splits`.
        sampling: which frames make a clip: `Segments`, `Window` or `Whole`.
        crop: `RandomCrop`, `CornerCrop`, `MultiScaleCrop` or `CenterCrop`.
        batch_size: N.
        num_steps: the run's length in batches.
        color: how colours are changed; not at all by default.
        multi_label: whether `label` is multi-hot, for videos of several labels or none.
        first_step: batches already trained on.
        seed: of the permutations, the frames, the crops and the colours.
        workers: clips decoded at once; as many as there are cores by default.

    Raises:
        UsageError: no such split.
        RecordError: a video has several labels, and `multi_label` is false; or it does
            not state its rate, and `sampling` needs it.
    """
    videos = records.split(split)
    stream.check_videos(records, videos, sampling, multi_label)

    @functools.lru_cache(maxsize=4)
    def order(epoch):
        return np.random.default_rng([seed, epoch]).permutation(len(videos))

    def plan(place):
        epoch, index = divmod(place, len(videos))
        return order(epoch)[index], stream.seed_of(seed, "clip", place)

    clips = stream.clip_stream(
        records,
        videos,
        tf.data.Dataset.range(first_step * batch_size, num_steps * batch_size),
        plan,
        numbers=sampling.random,
        pixels=functools.partial(_pixels, sampling, crop, color),
        multi_label=multi_label,
        workers=workers,
    )
    return stream.batch(clips, batch_size, sampling)


def center_batches(
    records: Records,
    split: str,
    *,
    sampling,
    crop,
    batch_size: int,
    multi_label: bool = False,
    workers: int | None = None,
) -> tf.data.Dataset:
    """One clip per video, where `sampling.centered` takes it.

    The last batch may be smaller. Args and errors: as `training_batches`.
    """
    videos = records.split(split)
    stream.check_videos(records, videos, sampling, multi_label)
    clips = stream.clip_stream(
        records,
        videos,
        tf.data.Dataset.range(len(videos)),
        lambda place: (place, _NO_SEED),
        numbers=lambda num_frames, seed, fps: sampling.centered(num_frames, fps),
        pixels=functools.partial(_pixels, sampling, crop, None),
        multi_label=multi_label,
        workers=workers,
    )
    return stream.batch(clips, batch_size, sampling)


def center_clip(record: schema.VideoRecord, *, sampling, crop) -> tf.Tensor:
    """The clip of one video in memory that `center_batches` would give.

    Returns:
        uint8 `(1, T, H, W, 3k)`.

    Raises:
        RecordError: the video does not state its rate, and `sampling` needs it.
    """
    if sampling.needs_rate and not record.fps > 0:
        raise RecordError(
            f"{record.source}: it does not state its frames per second, which "
            f"{sampling} needs. Re-encode the video with a rate."
        )
    numbers = sampling.centered(len(record.jpegs), record.fps)
    jpegs = tf.gather(tf.constant(list(record.jpegs)), tf.reshape(numbers, [-1]))
    size = tf.constant([record.height, record.width])
    seeds = (tf.constant(_NO_SEED), tf.constant(_NO_SEED))
    return _pixels(sampling, crop, None, jpegs, size[0], size[1], *seeds)[None]


def checked(batches: tf.data.Dataset, records: Records):
    """Yields `batches`, with TensorFlow's errors turned into ours.

    Raises:
        RecordError: a record or one of its JPEGs is damaged.
    """
    try:
        yield from batches
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.DataLossError,
        tf.errors.UnknownError,  # what an error in `Records` becomes
    ) as error:
        raise _as_record_error(error, records) from error


def _as_record_error(error, records):
    """TensorFlow's error as ours: what `Records` said, or which operation failed."""
    line = error.message.splitlines()[0]
    _, is_ours, message = line.partition("RecordError: ")
    if is_ours:
        return RecordError(message)
    what = re.sub(r"^\{\{.*?\}\}\s*", "", line)  # names of TensorFlow's functions
    return RecordError(
        f"{records.path}: a frame cannot be decoded: {what} "
        "Remove the folder and run `vidzoo prepare` again."
    )


def _pixels(sampling, crop, color, jpegs, height, width, crop_seed, color_seed):
    """JPEGs `(T*k,)` of one video to its clip, `(T, H, W, 3k)`."""
    window, flip = crop.window(height, width, crop_seed)
    images = resize(decode(jpegs, window), crop.size)
    images = tf.cond(flip, lambda: mirror(images), lambda: images)
    images = tf.ensure_shape(images, [None, crop.size, crop.size, 3])
    if color is not None:
        images = color.jitter(images, color_seed)
    images = stack_snippets(images, sampling)
    return tf.ensure_shape(images, [sampling.num_snippets, None, None, None])
