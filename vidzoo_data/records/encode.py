"""A video file to JPEG frames in memory: what records hold and `predict` sees."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from vidzoo.errors import VideoError
from vidzoo_data import video

_LONGEST_SIDE = 65500  # of a JPEG, as libjpeg has it

MAX_RECORD_BYTES = 2**31 - 2**26
"""Of one video's JPEGs: a serialized record cannot have more than 2 GiB."""


@dataclass(frozen=True)
class EncodedVideo:
    """The frames of a video as they are stored.

    Attributes:
        jpegs: one RGB JPEG per frame.
        fps: frames per second of `jpegs`; 0.0 if the file does not say.
        height: pixels, of the JPEGs.
        width: pixels, of the JPEGs.
        num_decoded: frames that the file gave, before any resampling.
        num_declared: frames that its header promised; 0 if it does not say.
    """

    jpegs: tuple[bytes, ...]
    fps: float
    height: int
    width: int
    num_decoded: int
    num_declared: int


def encode_video(
    path: str | os.PathLike,
    *,
    size: int | tuple[int, int] = 256,
    fps: float | None = None,
    quality: int = 95,
) -> EncodedVideo:
    """Decodes, resizes and compresses a video, holding two raw frames at most.

    Args:
        path: a video file.
        size: the short side in pixels, the long one following in proportion; or
            `(height, width)`, whatever the proportions.
        fps: frames per second to store: frame i is the video's frame nearest to
            second i / fps. The video's own rate by default.
        quality: of the JPEGs, 1 to 100.

    Raises:
        ValueError: an argument is out of its range.
        VideoError: the file is damaged, holds no frame, is too long and narrow for
            a JPEG, gives more than `MAX_RECORD_BYTES` of JPEGs, or `fps` is given and
            the file does not say its own rate.
    """
    check_arguments(size=size, fps=fps, quality=quality)
    options = (cv2.IMWRITE_JPEG_QUALITY, quality)
    with video.open_video(path) as decoded:
        if fps is not None and not decoded.fps:
            raise VideoError(
                f"{path}: the file does not say how many frames per second it has, so "
                f"it cannot be resampled to {fps:g}; leave `fps` out, or re-encode it."
            )
        height, width = _stored_size(decoded.height, decoded.width, size)
        if max(height, width) > _LONGEST_SIDE:
            raise VideoError(
                f"{path}: its {decoded.width}x{decoded.height} frames cannot be stored "
                f"as JPEGs of {width}x{height}, at most {_LONGEST_SIDE} a side; crop "
                f"the video, or ask for another size."
            )
        step = 1.0 if fps is None else decoded.fps / fps  # source frames per frame
        jpegs, num_decoded, num_bytes = [], 0, 0
        for frame, repeats in _resample(decoded, step):
            num_decoded += 1
            if repeats:
                jpeg = _jpeg(_resize(frame, height, width), options)
                jpegs.extend([jpeg] * repeats)
                num_bytes += len(jpeg) * repeats
                if num_bytes > MAX_RECORD_BYTES:
                    raise VideoError(
                        f"{path}: too long to store as one record: {len(jpegs)} frames "
                        f"have {num_bytes / 1e9:.1f} GB already; prepare it with a "
                        f"lower fps or size, or cut it."
                    )
        return EncodedVideo(
            jpegs=tuple(jpegs),
            fps=float(fps or decoded.fps),
            height=height,
            width=width,
            num_decoded=num_decoded,
            num_declared=decoded.declared_frames,
        )


def encode_or_reason(path: str, **options) -> EncodedVideo | str:
    """`encode_video`, with the reason, free of the path, in place of a `VideoError`."""
    try:
        return encode_video(path, **options)
    except VideoError as error:
        return str(error).removeprefix(f"{path}: ")


def check_arguments(
    *, size: int | tuple[int, int], fps: float | None, quality: int
) -> None:
    """Checks what `encode_video` is asked for.

    Raises:
        ValueError: an argument is out of its range.
    """
    sides = tuple(size) if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2 or not all(isinstance(s, int) and s >= 16 for s in sides):
        raise ValueError(
            f"`size` must be the short side or (height, width), in pixels, at least "
            f"16. Received: {size}."
        )
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"`fps` must be above 0. Received: {fps}.")
    if not (isinstance(quality, int) and 1 <= quality <= 100):
        raise ValueError(f"`quality` must be 1 to 100. Received: {quality}.")


def _resample(frames, step) -> Iterator[tuple[np.ndarray, int]]:
    """Pairs every source frame with the number of times that it is stored.

    Stored frame i shows source frame `i * step`, rounded, halves down, or the last one
    where that would be past it; i runs on until the last source frame ends.
    """
    tolerance = 1e-6  # of a source frame: rates like 30000/1001 do not divide exactly
    frames = iter(frames)
    frame, index, stored = next(frames), 0, 0
    while frame is not None:
        following = next(frames, None)
        # Source frame `index` is the nearest up to half a frame later, the last one
        # for its whole duration.
        until = index + 0.5 + tolerance if following is not None else index + 1
        repeats = 0
        while (stored + repeats) * step < until - (following is None) * tolerance:
            repeats += 1
        yield frame, repeats
        stored += repeats
        frame, index = following, index + 1


def _stored_size(height, width, size):
    if not isinstance(size, int):
        return tuple(size)
    scale = size / min(height, width)
    return round(height * scale), round(width * scale)


def _resize(frame, height, width):
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = height * width < frame.shape[0] * frame.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(frame, (width, height), interpolation=method)


def _jpeg(frame, options):
    _, jpeg = cv2.imencode(".jpg", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR), options)
    return jpeg.tobytes()
