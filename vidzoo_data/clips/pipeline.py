"""Records to batches of clips: sample, read, decode the windows, stack.

A batch is a dictionary: `rgb` uint8 `(N, T, H, W, 3k)`, `flow` uint8 `(N, T, H, W, 2k)`
ordered x1 y1 x2 y2 ..., `flow_target` float32 of that shape (NaN where it is not
known), those of them that were asked for, or `features` float32 `(N, T, *F)`; `label`
int32 `(N,)` or multi-hot float32 `(N, K)`, `video_id` string `(N,)`, and where clips
differ in length `mask` bool `(N, T)`. RGB and flow of a clip share frames, window and
mirroring: the flow of image t starts at RGB image t.

What a clip shows depends on the seed and on its place in the run (in training) or on
its video (in test), never on the number of workers.
"""

import functools
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from vidzoo.errors import FlowError, RecordError
from vidzoo_data.clips import pixels, stream, targets
from vidzoo_data.clips.augment import ColorJitter
from vidzoo_data.clips.modalities import (
    FEATURES,
    OTHER_SIZE,
    RGB,
    check_crop,
    checked_modalities,
    needs_flow,
)
from vidzoo_data.flow.datasets import FlowDataset
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
    modalities: Mapping[str, int] | None = None,
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
        crop: `RandomCrop`, `CornerCrop`, `MultiScaleCrop` or `CenterCrop`; features are
            not cropped, so with these it says nothing and may be None.
        batch_size: N.
        num_steps: the run's length in batches.
        color: how colours are changed; not at all by default, and never those of flow.
        modalities: `"rgb"`, `"flow"` or `"flow_target"` -> its images in a snippet, the
            first ones of the sampler's k; all of them of RGB by default. Or, of records
            that hold features, `{"features": 1}`.
        multi_label: whether `label` is multi-hot, for videos of several labels or none.
        first_step: batches already trained on.
        seed: of the permutations, the frames, the crops and the colours.
        workers: clips decoded at once; as many as there are cores by default.

    Raises:
        UsageError: no such split.
        RecordError: a video has several labels, and `multi_label` is false; or it does
            not state its rate, and `sampling` needs it; or the records hold no flow,
            features or frames, and `modalities` ask for them.
        ValueError: `modalities` are unknown, or longer than the sampler's snippets; or
            there is no `crop` for images.
    """
    videos = records.split(split)
    modalities = checked_modalities(modalities, sampling)
    check_crop(crop, modalities)
    stream.check_videos(records, videos, sampling, modalities, multi_label)

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
        sampling=sampling,
        numbers=sampling.random,
        pixels=pixels.maker(records, sampling, modalities, crop, color),
        modalities=modalities,
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
    modalities: Mapping[str, int] | None = None,
    multi_label: bool = False,
    workers: int | None = None,
) -> tf.data.Dataset:
    """One clip per video, where `sampling.centered` takes it.

    The last batch may be smaller. Args and errors: as `training_batches`.
    """
    videos = records.split(split)
    modalities = checked_modalities(modalities, sampling)
    check_crop(crop, modalities)
    stream.check_videos(records, videos, sampling, modalities, multi_label)
    clips = stream.clip_stream(
        records,
        videos,
        tf.data.Dataset.range(len(videos)),
        lambda place: (place, _NO_SEED),
        sampling=sampling,
        numbers=lambda num_frames, seed, fps: sampling.centered(num_frames, fps),
        pixels=pixels.maker(records, sampling, modalities, crop, None),
        modalities=modalities,
        multi_label=multi_label,
        workers=workers,
    )
    return stream.batch(clips, batch_size, sampling)


def center_clip(
    record: schema.VideoRecord,
    *,
    sampling,
    crop,
    modalities: Mapping[str, int] | None = None,
) -> dict[str, tf.Tensor]:
    """The clip of one video in memory that `center_batches` would give.

    Returns:
        By modality, as in a batch, with N = 1.

    Raises:
        RecordError: the video does not state its rate, and `sampling` needs it.
        ValueError: as `training_batches`; or flow is asked for and not there.
    """
    modalities = checked_modalities(modalities, sampling)
    if FEATURES in modalities:
        raise ValueError("`modalities` must be of images here. Received: features.")
    stream.check_rate(record, sampling)
    if needs_flow(modalities) and record.flow is None:
        raise ValueError("`record` must hold flow. Received one without.")
    num_fields = 0 if record.flow is None else len(record.flow.x)
    count = targets.num_frames(modalities, sampling, len(record.jpegs), num_fields)
    numbers = sampling.centered(count, record.fps)
    images = {}
    for name, length in modalities.items():
        stored = len(record.jpegs) if name == RGB else num_fields
        wanted = tf.reshape(numbers[:, :length], [-1])
        wanted = tf.minimum(wanted, stored - 1)  # targets beyond are masked
        images[name] = tf.gather(_images(record, name), wanted, axis=-1)
    size = tf.constant([record.height, record.width])
    seeds = (tf.constant(_NO_SEED), tf.constant(_NO_SEED))
    bound = record.flow and record.flow.bound
    clip = pixels.clip(
        images,
        *tf.unstack(size),
        *seeds,
        sampling=sampling,
        modalities=modalities,
        crop=crop,
        color=None,
        bound=bound,
    )
    apart = record.fps / record.flow.fps if record.flow and record.flow.fps else 1.0
    known = targets.leads_on(sampling, numbers, num_fields, apart)
    clip = targets.masked(clip, modalities, known)
    return {name: images[None] for name, images in clip.items()}


def _images(record, name):
    """Encoded images of all frames: `(T,)`, of flow `(2, T)`."""
    if name == RGB:
        return tf.constant(list(record.jpegs))
    return tf.constant([list(record.flow.x), list(record.flow.y)])


def checked(batches: tf.data.Dataset, data: Records | FlowDataset):
    """Yields `batches` of `data`, with TensorFlow's errors turned into ours.

    Raises:
        RecordError: a record or one of its images is damaged.
        FlowError: a file of a data set of flow is damaged, or of another size.
    """
    try:
        yield from batches
    except (
        tf.errors.InvalidArgumentError,
        tf.errors.DataLossError,
        tf.errors.UnknownError,  # what an error of ours becomes
    ) as error:
        raise as_our_error(error, data) from error


def as_our_error(
    error: tf.errors.OpError, data: Records | FlowDataset
) -> RecordError | FlowError:
    """TensorFlow's error as ours: what we said, or which operation failed."""
    line = error.message.splitlines()[0]
    for kind in (RecordError, FlowError):
        _, is_ours, message = line.partition(f"{kind.__name__}: ")
        if is_ours:
            return kind(message)
    what = re.sub(r"^\{\{.*?\}\}\s*", "", line)  # names of TensorFlow's functions
    if isinstance(data, FlowDataset):
        return FlowError(f"{data.name}: a pair cannot be read: {what}")
    if OTHER_SIZE in what:
        what = what[what.index(OTHER_SIZE) :].partition(";")[0]
        return RecordError(
            f"{data.path}: {what}. Make the flow again with `vidzoo flow`."
        )
    return RecordError(
        f"{data.path}: a frame cannot be decoded: {what} "
        "Remove the folder and run `vidzoo prepare` again."
    )
