"""Whole videos in chunks, in constant memory, out of records or of a file.

Both give the same pixels of the same video, those of `center_batches`. A file may last
for hours: of its frames only those that are shown are kept, compressed, a chunk at a
time, and the others are not even converted.
"""

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

from vidzoo.errors import VideoError
from vidzoo_data import video
from vidzoo_data.clips import stream
from vidzoo_data.clips.augment import CenterCrop
from vidzoo_data.clips.modalities import (
    FEATURES,
    FLOW,
    RGB,
    check_crop,
    decoded,
    fitted,
)
from vidzoo_data.clips.pipeline import as_our_error
from vidzoo_data.clips.sample import Whole
from vidzoo_data.records import encode, schema
from vidzoo_data.records.read import Records, VideoEntry
from vidzoo_data.records.resample import may_be_taken, repeated, resample


def record_chunks(
    records: Records,
    entry: VideoEntry,
    *,
    sampling: Whole,
    crop: CenterCrop | None,
    chunk_length: int,
    modality: str = RGB,
) -> Iterator[np.ndarray]:
    """The frames of one video in records, chunk by chunk.

    Args:
        records: an opened records folder.
        entry: the video.
        sampling: which of its frames.
        crop: which window of them; None for features.
        chunk_length: n.
        modality: `"rgb"`, `"flow"` or `"features"`.

    Returns:
        uint8 `(n, size, size, C)`, of features float32 `(n, *F)`, one by one; the last
        may be shorter.

    Raises:
        ValueError: `chunk_length` is below 1, or `modality` is unknown, or there is no
            `crop` for images.
        RecordError: the records do not hold what is asked for; or the video does not
            state its rate, and `sampling` needs it; or, while iterating, its record is
            damaged.
    """
    _check_length(chunk_length)
    if modality not in (RGB, FLOW, FEATURES):
        raise ValueError(
            f"`modality` must be rgb, flow or features. Received: {modality}."
        )
    check_crop(crop, {modality: 1})
    stream.check_videos(records, (entry,), sampling, {modality: 1}, True)
    count = entry.num_flow if modality == FLOW else entry.num_frames
    numbers = sampling.centered(count, entry.fps).numpy()[:, 0].tolist()
    if modality == FEATURES:
        return (
            records.read_features(entry, wanted)
            for wanted in _chunks(numbers, chunk_length)
        )
    read = records.read_flow if modality == FLOW else records.read_frames
    bound = records.flow and records.flow["bound"]
    window, _ = crop.window(entry.height, entry.width, None)

    def chunks():
        for wanted in _chunks(numbers, chunk_length):
            images = np.array(read(entry, wanted), object)
            try:
                yield _pixels(modality, images, window, crop.size, bound)
            except tf.errors.InvalidArgumentError as error:
                raise as_our_error(error, records) from error

    return chunks()


def in_memory_chunks(
    record: schema.VideoRecord,
    *,
    sampling: Whole,
    crop: CenterCrop,
    chunk_length: int,
    modality: str = RGB,
) -> Iterator[np.ndarray]:
    """The frames of one video whose images are in memory, as `record_chunks`.

    Args:
        record: the video, with flow where that is asked for.
        sampling: which of its frames.
        crop: which window of them.
        chunk_length: n.
        modality: `"rgb"` or `"flow"`.

    Raises:
        ValueError: `chunk_length` is below 1.
        RecordError: the video does not state its rate, and `sampling` needs it.
    """
    _check_length(chunk_length)
    stream.check_rate(record, sampling)
    images, bound = np.array(list(record.jpegs), object), None
    if modality == FLOW:
        flow = record.flow
        images, bound = np.array([list(flow.x), list(flow.y)], object), flow.bound
    numbers = sampling.centered(images.shape[-1], record.fps).numpy()[:, 0].tolist()
    window, _ = crop.window(record.height, record.width, None)
    for wanted in _chunks(numbers, chunk_length):
        yield _pixels(modality, images[..., wanted], window, crop.size, bound)


def file_chunks(
    path: str | os.PathLike,
    *,
    size: int | tuple[int, int],
    fps: float | None,
    quality: int,
    sampling: Whole,
    crop: CenterCrop,
    chunk_length: int,
    seconds: float | None = None,
) -> Iterator[np.ndarray]:
    """The frames of a video file, chunk by chunk, as records of it would give them.

    A video that is shorter than `sampling.num_frames` is decoded again from its start,
    unless a chunk holds all of it; so there is never more decoding than that of a video
    which is long enough. Nothing is decoded that lies behind the last frame shown, nor
    found out about it.

    Args:
        path: a video file.
        size: as in `vidzoo_data.records.write.prepare`.
        fps: likewise.
        quality: likewise.
        sampling: which of the frames that `prepare` would store.
        crop: which window of them.
        chunk_length: n.
        seconds: as in `prepare`.

    Returns:
        uint8 `(n, size, size, 3)`, one by one; the last may be shorter.

    Raises:
        ValueError: an argument is out of its range.
        VideoError: while iterating: the file cannot be decoded or stored, as in
            `encode_video`, or does not say its rate, and `sampling` needs it.
    """
    _check_length(chunk_length)
    encode.check_arguments(size=size, fps=fps, quality=quality, seconds=seconds)
    stored = functools.partial(
        encode.Stored, size=size, fps=fps, quality=quality, seconds=seconds
    )

    def chunks():
        one_pass = functools.partial(_jpegs, path, stored, sampling)
        jpegs = one_pass()
        if sampling.num_frames is not None:
            jpegs = _looped(one_pass, sampling.num_frames, chunk_length)
        window = None
        for chunk in _chunks(jpegs, chunk_length):
            images = np.array(chunk, object)
            if window is None:
                height, width, _ = tf.io.extract_jpeg_shape(chunk[0]).numpy().tolist()
                window, _ = crop.window(height, width, None)
            yield _pixels(RGB, images, window, crop.size, None)

    return chunks()


def _jpegs(
    path: str | os.PathLike,
    how: Callable[[video.Decoded], encode.Stored],
    sampling: Whole,
) -> Iterator[bytes]:
    """The frames that are shown of a file, without looping, as they would be stored."""
    with video.open_video(path) as file:
        stored = how(file)
        if sampling.needs_rate and not stored.fps:
            raise VideoError(
                f"{path}: the file does not say how many frames per second it has, "
                f"which {sampling} needs; sample without `fps`, or re-encode it with a "
                f"rate."
            )
        apart = 1.0 if sampling.fps is None else stored.fps / sampling.fps
        frames = file.frames(may_be_taken(stored.step, apart))
        frames = itertools.islice(frames, stored.num_source)
        jpegs = (None if frame is None else stored.jpeg(frame) for frame in frames)
        kept = repeated(resample(jpegs, stored.step))
        kept = itertools.islice(kept, stored.num_frames)
        yield from repeated(resample(kept, apart))


def _looped(one_pass, num_frames, num_kept):
    """So many items of `one_pass()`, and again of it where one gives fewer.

    Passes of up to `num_kept` items are made once and kept.
    """
    items = one_pass()
    first = list(itertools.islice(items, min(num_kept + 1, num_frames)))
    if len(first) <= num_kept:
        items = itertools.cycle(first)
    else:
        again = itertools.chain.from_iterable(one_pass() for _ in itertools.count())
        items = itertools.chain(first, items, again)
    return itertools.islice(items, num_frames)


def _chunks(items: Iterable, length: int) -> Iterator[list]:
    items = iter(items)
    while chunk := list(itertools.islice(items, length)):
        yield chunk


def _pixels(modality, images, window, size, bound):
    """Encoded images of a chunk to uint8 `(n, size, size, C)`."""
    with tf.device("CPU"):
        return _decoder(modality, size, bound)(images, window).numpy()


@functools.lru_cache
def _decoder(modality, size, bound):
    shape = [2, None] if modality == FLOW else [None]
    signature = [tf.TensorSpec(shape, tf.string), tf.TensorSpec([4], tf.int32)]

    @tf.function(input_signature=signature, autograph=False)
    def pixels(images, window):
        return fitted(modality, decoded(modality, images, window, bound), size)

    return pixels


def _check_length(chunk_length):
    if chunk_length < 1:
        raise ValueError(f"`chunk_length` must be >= 1. Received: {chunk_length}.")
