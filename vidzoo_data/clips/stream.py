"""Places of a run to decoded clips, in order: what training, test and views share."""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from vidzoo.errors import RecordError
from vidzoo_data import python_calls
from vidzoo_data.clips import targets
from vidzoo_data.clips.modalities import (
    FEATURES,
    FLOW_TARGET,
    MODALITIES,
    RGB,
    needs_flow,
)
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records, VideoEntry

_BLOCK = 16  # places looked up by one call into Python


def check_videos(
    records: Records,
    videos: tuple[VideoEntry, ...],
    sampling,
    modalities: Mapping[str, int],
    multi_label: bool,
) -> None:
    """Refuses videos that cannot be sampled or labelled as asked.

    Raises:
        RecordError: a video does not have one label, though `multi_label` is false, or
            does not state its rate, though `sampling` needs it; or flow, features or
            frames are asked for and the records have none.
    """
    for name in modalities:
        records.check_kind(features=name == FEATURES)
    if needs_flow(modalities) and records.flow is None:
        raise RecordError(
            f"{records.path}: these records hold no flow. Add it with "
            f"`vidzoo flow {records.path} OUT`, and use OUT."
        )
    for video in videos:
        if len(video.labels) != 1 and not multi_label:
            raise RecordError(
                f"{records.path}: {video.video_id} has {len(video.labels)} labels; "
                "clips carry one label a video. Pass `multi_label=True` for several, "
                "or leave the video out of the split."
            )
        if sampling.needs_rate and not video.fps > 0:
            raise RecordError(
                f"{records.path}: {video.video_id} does not state its frames per "
                f"second, which {sampling} needs. Sample without `fps`, or re-encode "
                "the video with a rate and prepare it again."
            )


def check_rate(record: schema.VideoRecord, sampling) -> None:
    """Refuses a video in memory that does not state the rate that sampling needs.

    Raises:
        RecordError: so it is.
    """
    if sampling.needs_rate and not record.fps > 0:
        raise RecordError(
            f"{record.source}: it does not state its frames per second, which "
            f"{sampling} needs. Re-encode the video with a rate."
        )


def clip_stream(
    records: Records,
    videos: tuple[VideoEntry, ...],
    places: tf.data.Dataset,
    plan: Callable[[int], tuple[int, np.ndarray]],
    *,
    sampling,
    numbers: Callable,
    pixels: Callable,
    modalities: Mapping[str, int],
    multi_label: bool,
    workers: int | None,
) -> tf.data.Dataset:
    """One clip for each place, in order, whatever the number of workers.

    Args:
        records: an opened records folder.
        videos: those that `plan` counts.
        places: int64 scalars.
        plan: a place to the index of its video and a seed, int64 `(2,)`.
        sampling: which frames make a clip.
        numbers: `numbers(num_frames, seed, fps)` gives the sampler's frame numbers
            `(T, k)`, random or not, among the first `num_frames`.
        pixels: `pixels(images, height, width, crop_seed, color_seed)` gives the clip,
            by modality, of its encoded images of that size, or its features.
        modalities: name -> its images in a snippet, the first ones of k.
        multi_label: as `training_batches` has it.
        workers: clips decoded at once; as many as there are cores by default.

    Returns:
        Dictionaries of the modalities, as `pixels` gives them, `label` and `video_id`.
    """
    num_classes = len(records.classes) if multi_label else None
    flow_fps = records.flow and records.flow.get("fps")

    def look_up(block):
        indices, seeds = zip(*(plan(int(place)) for place in block), strict=True)
        found = [videos[index] for index in indices]
        sizes = [
            (
                targets.num_frames(
                    modalities, sampling, video.num_frames, video.num_flow
                ),
                video.num_flow,
                video.height,
                video.width,
            )
            for video in found
        ]
        return (
            np.array(indices, np.int64),
            np.array(seeds, np.int64),
            np.array(sizes, np.int32),
            np.array([video.fps for video in found], np.float64),
            np.stack([_label(video, num_classes) for video in found]),
            np.array([video.video_id.encode() for video in found], object),
        )

    label_type = tf.float32 if multi_label else tf.int32
    types = (tf.int64, tf.int64, tf.int32, tf.float64, label_type, tf.string)
    label_shape = [None, num_classes] if multi_label else [None]
    shapes = ([None], [None, 2], [None, 4], [None], label_shape, [None])

    @tf.autograph.experimental.do_not_convert
    def looked_up(block):
        answers = python_calls.numpy_function(look_up, [block], types)
        return tuple(map(tf.ensure_shape, answers, shapes))

    def encoded(name, index, wanted):
        def read(index, wanted):
            video = videos[int(index)]
            if name == RGB:
                return np.array(records.read_frames(video, wanted), object)
            stored = np.minimum(wanted, video.num_flow - 1)  # others are masked
            return np.array(records.read_flow(video, stored), object)

        count = wanted.shape[0]
        if name == FEATURES:
            return features(index, wanted)
        images = python_calls.numpy_function(read, [index, wanted], tf.string)
        return tf.ensure_shape(images, [count] if name == RGB else [2, count])

    def features(index, wanted):
        def read(index, wanted):
            return records.read_features(videos[int(index)], wanted)

        values = python_calls.numpy_function(read, [index, wanted], tf.float32)
        return tf.ensure_shape(values, [wanted.shape[0], *records.feature_shape])

    @tf.autograph.experimental.do_not_convert
    def element(index, seed, size, fps, label, video_id):
        frame_seed, crop_seed, color_seed = tf.unstack(tf.random.split(seed, 3))
        wanted = numbers(size[0], frame_seed, fps)
        images = {
            name: encoded(name, index, tf.reshape(wanted[:, :length], [-1]))
            for name, length in modalities.items()
        }
        clip = pixels(images, size[2], size[3], crop_seed, color_seed)
        apart = 1.0 if flow_fps is None else fps / flow_fps
        known = targets.leads_on(sampling, wanted, size[1], apart)
        clip = targets.masked(clip, modalities, known)
        return clip | {"label": label, "video_id": video_id}

    parallel = workers or tf.data.AUTOTUNE
    plans = places.batch(_BLOCK).map(looked_up).unbatch()
    return plans.map(element, num_parallel_calls=parallel, deterministic=True)


def batch(clips: tf.data.Dataset, batch_size: int, sampling) -> tf.data.Dataset:
    """Batches of clips; the last one may be smaller.

    Clips of several lengths are padded with zeros (targets with NaN) at their end and
    get a `mask`, bool `(N, T)`, that is true for real frames.
    """
    if sampling.num_snippets is None:
        clips = clips.map(_with_mask)
        padding = dict.fromkeys(clips.element_spec)
        if FLOW_TARGET in padding:
            padding[FLOW_TARGET] = float("nan")
        clips = clips.padded_batch(batch_size, padding_values=padding)
    else:
        clips = clips.batch(batch_size)
    return clips.prefetch(2)


def seed_of(*parts) -> np.ndarray:
    """Two 64-bit numbers that any change of `parts` changes."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=16).digest()
    return np.frombuffer(digest, np.int64)


def _label(video, num_classes):
    """The class number, int32, or with `num_classes` a multi-hot float32 `(K,)`."""
    if num_classes is None:
        return np.int32(video.labels[0])
    label = np.zeros(num_classes, np.float32)
    label[list(video.labels)] = 1
    return label


@tf.autograph.experimental.do_not_convert
def _with_mask(clip):
    name = next(name for name in MODALITIES if name in clip)
    return clip | {"mask": tf.ones(tf.shape(clip[name])[:1], tf.bool)}
