"""Records to batches of clips: read, sample, decode the windows, stack.

A batch is a dictionary: `rgb` uint8 `(N, T, H, W, 3k)`, `label` int32 `(N,)`,
`video_id` string `(N,)`. What a clip shows depends on the seed and on its place in the
run (in training) or on its video (in test), never on the number of workers.
"""

import functools
import hashlib

import numpy as np
import tensorflow as tf

from vidzoo.errors import RecordError
from vidzoo_data.clips.sample import Segments
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records, VideoEntry


def training_batches(
    records: Records,
    split: str,
    *,
    sampling: Segments,
    crop,
    batch_size: int,
    num_steps: int,
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
        sampling: which frames make a clip.
        crop: `RandomCrop`, `CornerCrop` or `CenterCrop`.
        batch_size: N.
        num_steps: the run's length in batches.
        first_step: batches already trained on.
        seed: of the permutations, the frames and the crops.
        workers: clips decoded at once; as many as there are cores by default.

    Raises:
        UsageError: no such split.
        RecordError: a video has several labels.
    """
    videos = _single_label(records, records.split(split))

    @functools.lru_cache(maxsize=4)
    def order(epoch):
        return np.random.default_rng([seed, epoch]).permutation(len(videos))

    def clip_at(place):
        epoch, index = divmod(int(place), len(videos))
        video = videos[order(epoch)[index]]
        return records.read(video), _seed(seed, "clip", int(place))

    places = tf.data.Dataset.range(first_step * batch_size, num_steps * batch_size)
    frames = functools.partial(_random_frames, sampling)
    return _batches(places, clip_at, sampling, frames, crop, batch_size, workers)


def center_batches(
    records: Records,
    split: str,
    *,
    sampling: Segments,
    crop,
    batch_size: int,
    workers: int | None = None,
) -> tf.data.Dataset:
    """One clip per video: the middle of each segment. The last batch may be smaller.

    Args and errors: as `training_batches`.
    """
    videos = _single_label(records, records.split(split))

    def clip_at(place):
        return records.read(videos[int(place)]), np.zeros(2, np.int64)

    places = tf.data.Dataset.range(len(videos))
    frames = functools.partial(_center_frames, sampling)
    return _batches(places, clip_at, sampling, frames, crop, batch_size, workers)


def center_clip(record: schema.VideoRecord, *, sampling: Segments, crop) -> tf.Tensor:
    """The clip of one video in memory that `center_batches` would give.

    Returns:
        uint8 `(1, T, H, W, 3k)`.
    """
    frames = functools.partial(_center_frames, sampling)
    serialized = tf.constant(schema.encode(record))
    clip = _clip(serialized, tf.zeros(2, tf.int64), sampling, frames, crop)
    return clip["rgb"][None]


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
        tf.errors.UnknownError,  # what an error in `Records.read` becomes
    ) as error:
        raise RecordError(
            f"{records.path}: a record cannot be read: {error.message.splitlines()[0]} "
            "Remove the folder and run `vidzoo prepare` again."
        ) from error


def _batches(places, clip_at, sampling, frames, crop, batch_size, workers):
    def element(place):
        serialized, seed = tf.numpy_function(
            clip_at, [place], (tf.string, tf.int64), stateful=False
        )
        serialized.set_shape([])
        seed.set_shape([2])
        return _clip(serialized, seed, sampling, frames, crop)

    parallel = workers or tf.data.AUTOTUNE
    clips = places.map(element, num_parallel_calls=parallel, deterministic=True)
    return clips.batch(batch_size).prefetch(2)


def _clip(serialized, seed, sampling, frames, crop):
    """One serialized record to one clip, with its label and id."""
    record = schema.parse(serialized)
    frame_seed, crop_seed = tf.unstack(tf.random.split(seed, 2))
    numbers = frames(record[schema.VIDEO_NUM_FRAMES], frame_seed)  # (s, k)
    height = tf.cast(record[schema.VIDEO_HEIGHT], tf.int32)
    width = tf.cast(record[schema.VIDEO_WIDTH], tf.int32)
    window, flip = crop.window(height, width, crop_seed)

    jpegs = tf.gather(record[schema.FRAME_JPEG], tf.reshape(numbers, [-1]))
    count = sampling.num_segments * sampling.snippet_length
    images = tf.stack([_decode(jpegs[i], window) for i in range(count)])
    images = _resize(images, window, crop.size)
    images = tf.cond(flip, lambda: tf.reverse(images, [2]), lambda: images)
    return {
        "rgb": _stack_snippets(images, sampling, crop.size),
        "label": tf.cast(record[schema.VIDEO_LABEL][0], tf.int32),
        "video_id": record[schema.VIDEO_ID],
    }


def _decode(jpeg, window):
    return tf.io.decode_and_crop_jpeg(jpeg, window, channels=3)


def _resize(images, window, size):
    """`(T, h, w, 3)` to `(T, size, size, 3)`, uint8; bilinear, only where needed."""

    def resized():
        enlarged = tf.image.resize(images, [size, size])
        return tf.cast(tf.round(enlarged), tf.uint8)

    fits = tf.reduce_all(tf.equal(window[2:], size))
    images = tf.cond(fits, lambda: images, resized)
    images.set_shape([None, size, size, 3])
    return images


def _stack_snippets(images, sampling, size):
    """`(T*k, H, W, 3)` to `(T, H, W, 3k)`: a snippet's images side by side on C."""
    snippets, length = sampling.num_segments, sampling.snippet_length
    if length == 1:
        return tf.ensure_shape(images, [snippets, size, size, 3])
    images = tf.reshape(images, [snippets, length, size, size, 3])
    images = tf.transpose(images, [0, 2, 3, 1, 4])
    return tf.reshape(images, [snippets, size, size, 3 * length])


def _random_frames(sampling, num_frames, seed):
    return sampling.random(num_frames, seed)


def _center_frames(sampling, num_frames, seed):
    del seed
    return sampling.centered(num_frames)


def _single_label(records, videos: tuple[VideoEntry, ...]):
    for video in videos:
        if len(video.labels) != 1:
            raise RecordError(
                f"{records.path}: {video.video_id} has {len(video.labels)} labels; "
                "clips carry one label a video."
            )
    return videos


def _seed(*parts):
    """Two 64-bit numbers that any change of `parts` changes."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.frombuffer(digest, np.int64)
