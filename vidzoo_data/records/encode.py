"""A video file to JPEG frames in memory: what records hold and `predict` sees."""

import collections
import contextlib
import itertools
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from vidzoo.errors import FlowError, VideoError
from vidzoo_data import video
from vidzoo_data.flow.compute import METHODS
from vidzoo_data.flow.stored import (
    FlowSettings,
    StoredFlow,
    second_frame,
    stored_flow,
)
from vidzoo_data.records.resample import num_within, resample

_LONGEST_SIDE = 65500  # of a JPEG, as libjpeg has it
_SAME_RATE = 1.05  # videos of 29.97 frames per second have flow at 30, of neighbours

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
        num_decoded: frames that the file gave, before any resampling; 0 if it is not
            known.
        num_declared: frames that its header promised; 0 if it does not say.
        flow: its fields, where they were asked for.
        features: float32 `(T, *F)`, in place of `jpegs`, where these were computed.
        kept_at: where a run that was stopped finds the features again, or None.
    """

    jpegs: tuple[bytes, ...]
    fps: float
    height: int
    width: int
    num_decoded: int
    num_declared: int
    flow: StoredFlow | None = None
    features: np.ndarray | None = None
    kept_at: Path | None = None


def encode_video(
    path: str | os.PathLike,
    *,
    size: int | tuple[int, int] = 256,
    fps: float | None = None,
    quality: int = 95,
    seconds: float | None = None,
    flow: FlowSettings | None = None,
    keep_in: Path | None = None,
) -> EncodedVideo:
    """Decodes, resizes and compresses a video, holding two raw frames at most.

    Args:
        path: a video file.
        size: the short side in pixels, the long one following in proportion; or
            `(height, width)`, whatever the proportions.
        fps: frames per second to store: frame i is the video's frame nearest to
            second i / fps. The video's own rate by default.
        quality: of the JPEGs, 1 to 100.
        seconds: the length of the video's beginning that is stored; what follows is not
            decoded. All of it by default.
        flow: how its flow is computed; None for no flow. A video too short for one
            field gets one that is zero: looped, it stands still.
        keep_in: a folder where a run that is stopped leaves its flow.

    Raises:
        ValueError: an argument is out of its range.
        VideoError: the file is damaged, holds no frame, is too long and narrow for
            a JPEG, gives more than `MAX_RECORD_BYTES` of images, or a rate or seconds
            are given and the file does not say its rate, or flow is asked for at a
            higher one.
        FlowError: the flow cannot be computed.
    """
    check_arguments(size=size, fps=fps, quality=quality, seconds=seconds)
    with video.open_video(path) as decoded:
        stored = Stored(decoded, size, fps, quality, seconds)
        with _naming_flow_errors(path):
            apart = frames_apart(decoded.fps, flow)
        ends = _FieldEnds(stored.step, apart)
        jpegs, num_decoded, num_bytes = [], 0, 0
        frames = itertools.islice(decoded, stored.num_source)
        for frame, repeats in resample(frames, stored.step):
            if stored.num_frames is not None:
                repeats = min(repeats, stored.num_frames - len(jpegs))
            if repeats or ends.wants(num_decoded):
                jpeg = stored.jpeg(frame)
                ends.see(num_decoded, jpeg, range(len(jpegs), len(jpegs) + repeats))
                jpegs.extend([jpeg] * repeats)
                num_bytes += len(jpeg) * repeats
                _check_room(path, len(jpegs), num_bytes)
            num_decoded += 1
        fields = None
        if flow is not None:
            next_jpegs = jpegs[1:] if apart is None else ends.jpegs
            with _naming_flow_errors(path):
                fields = _fields(jpegs, next_jpegs, flow, stored.fps, keep_in)
        return EncodedVideo(
            jpegs=tuple(jpegs),
            fps=stored.fps,
            height=stored.height,
            width=stored.width,
            num_decoded=num_decoded,
            num_declared=min(
                decoded.declared_frames, stored.num_source or decoded.declared_frames
            ),
            flow=fields,
        )


class Stored:
    """How the frames of an opened video are stored, whoever reads them.

    Attributes:
        height: pixels.
        width: pixels.
        fps: frames per second; 0.0 if the file does not say.
        step: video frames, a fraction, from one stored frame to the next.
        num_source: frames of the video that are looked at, None for all.
        num_frames: at most so many are stored, None for all.

    Raises:
        VideoError: the video cannot be stored so.
    """

    def __init__(
        self,
        decoded: video.Decoded,
        size: int | tuple[int, int],
        fps: float | None,
        quality: int,
        seconds: float | None,
    ):
        for what, value in (("fps", fps), ("seconds", seconds)):
            if value is not None and not decoded.fps:
                use = "be resampled to" if what == "fps" else "be cut after seconds:"
                raise VideoError(
                    f"{decoded.path}: the file does not say how many frames per second "
                    f"it has, so it cannot {use} {value:g}; leave `{what}` out, or "
                    f"re-encode it."
                )
        self.height, self.width = _stored_size(decoded.height, decoded.width, size)
        if max(self.height, self.width) > _LONGEST_SIDE:
            raise VideoError(
                f"{decoded.path}: its {decoded.width}x{decoded.height} frames cannot "
                f"be stored as JPEGs of {self.width}x{self.height}, at most "
                f"{_LONGEST_SIDE} a side; crop the video, or ask for another size."
            )
        self.fps = float(fps or decoded.fps)
        self.step = 1.0 if fps is None else decoded.fps / fps
        self.num_source = self.num_frames = None
        if seconds is not None:
            self.num_source = num_within(seconds, decoded.fps)
            self.num_frames = num_within(seconds, self.fps)
        self._options = (cv2.IMWRITE_JPEG_QUALITY, quality)

    def jpeg(self, frame: np.ndarray) -> bytes:
        """One RGB frame of the video as it is stored."""
        frame = _resize(frame, self.height, self.width)
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        return cv2.imencode(".jpg", bgr, self._options)[1].tobytes()


def encode_or_reason(path: str, **options) -> EncodedVideo | str:
    """`encode_video`, with the reason, free of the path, in place of its error."""
    try:
        return encode_video(path, **options)
    except (VideoError, FlowError) as error:
        return str(error).removeprefix(f"{path}: ")


def add_flow_or_reason(
    video: EncodedVideo, *, settings: FlowSettings, keep_in: Path | None = None
) -> EncodedVideo | str:
    """A video with `flow_between` its frames, or the reason why there is none."""
    try:
        flow = flow_between(video.jpegs, video.fps, settings, keep_in)
    except FlowError as error:
        return str(error)
    return replace(video, flow=flow)


def flow_between(
    jpegs: Sequence[bytes],
    fps: float,
    settings: FlowSettings,
    keep_in: Path | None = None,
) -> StoredFlow:
    """The flow of frames that are stored already; as `encode_video` computes it.

    Args:
        jpegs: the frames.
        fps: of the frames; 0 if it is not known.
        settings: how flow is computed.
        keep_in: as in `encode_video`.

    Raises:
        FlowError: the flow cannot be computed, or it is asked for at a rate and `fps`
            is unknown or lower.
    """
    apart = frames_apart(fps, settings)
    ends = jpegs[1:]
    if apart:
        numbers = (second_frame(i, 1.0, apart) for i in range(len(jpegs)))
        ends = [jpegs[number] for number in numbers if number < len(jpegs)]
    return _fields(jpegs, ends, settings, fps, keep_in)


def probe_flow(
    path: str,
    *,
    size: int | tuple[int, int],
    fps: float | None,
    flow: FlowSettings,
    seconds: float | None = None,
) -> tuple[float, float] | None:
    """How many fields a video will have, by its header, and the seconds that one takes.

    Returns:
        Both, or None of a video that does not tell; nothing is encoded.
    """
    try:
        with video.open_video(path) as decoded:
            num_fields = decoded.declared_frames
            if seconds and decoded.fps:
                num_fields = min(num_fields, num_within(seconds, decoded.fps))
            if fps and decoded.fps:
                num_fields *= fps / decoded.fps
            height, width = _stored_size(decoded.height, decoded.width, size)
            if max(height, width) > _LONGEST_SIDE:
                return None
            frames = [_resize(f, height, width) for f in itertools.islice(decoded, 2)]
        started = time.perf_counter()
        METHODS[flow.method](frames[0], frames[-1])
        return num_fields, time.perf_counter() - started
    except (VideoError, FlowError):
        return None  # `encode_video` says why, of every such video


def check_arguments(
    *,
    size: int | tuple[int, int],
    fps: float | None,
    quality: int,
    seconds: float | None = None,
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
    for name, value in (("fps", fps), ("seconds", seconds)):
        if value is not None and not (math.isfinite(value) and value > 0):
            raise ValueError(f"`{name}` must be above 0. Received: {value}.")
    if not (isinstance(quality, int) and 1 <= quality <= 100):
        raise ValueError(f"`quality` must be 1 to 100. Received: {quality}.")


class _FieldEnds:
    """Collects the JPEGs that fields end at, where those are not the next stored ones.

    Attributes:
        jpegs: of stored frame 0, 1, ...; without those past the video's end.
    """

    def __init__(self, step, apart):
        self.jpegs: list[bytes] = []
        self._step, self._apart = step, apart
        self._wanted = collections.deque()  # numbers of source frames, rising

    def wants(self, index) -> bool:
        """Whether a field ends at source frame `index`."""
        return bool(self._wanted) and self._wanted[0] == index

    def see(self, index, jpeg, stored):
        """Takes source frame `index`, stored as the frames whose numbers are given."""
        if self._apart is not None:
            ends = (second_frame(i, self._step, self._apart) for i in stored)
            self._wanted.extend(ends)
        while self.wants(index):
            self.jpegs.append(jpeg)
            self._wanted.popleft()


def frames_apart(fps: float, flow: FlowSettings | None) -> float | None:
    """Video frames from a field's first to its second; None for stored neighbours.

    Raises:
        FlowError: the video does not have the rate that flow is asked for at.
    """
    if flow is None or flow.fps is None:
        return None
    if not fps:
        raise FlowError(
            "the video does not say how many frames per second it has, so it cannot be "
            f"given flow at {flow.fps:g}; leave that rate out, or re-encode it."
        )
    if flow.fps > fps * _SAME_RATE:
        raise FlowError(
            f"flow at {flow.fps:g} frames per second was asked for, but its frames are "
            f"there at {fps:g} only; ask for that or less."
        )
    return max(fps / flow.fps, 1.0)


def _fields(jpegs, ends, settings, fps, keep_in):
    """The flow from each frame to its end; of a video without any, one zero field."""
    pairs = list(zip(jpegs, ends, strict=False)) or [(jpegs[0], jpegs[0])]
    room = MAX_RECORD_BYTES - sum(map(len, jpegs))
    return stored_flow(pairs, settings, float(settings.fps or fps), keep_in, room)


@contextlib.contextmanager
def _naming_flow_errors(path):
    try:
        yield
    except FlowError as error:
        raise FlowError(f"{path}: {error}") from error


def _check_room(path, num_frames, num_bytes):
    if num_bytes > MAX_RECORD_BYTES:
        raise VideoError(
            f"{path}: too long to store as one record: {num_frames} frames have "
            f"{num_bytes / 1e9:.1f} GB already; prepare it with a lower fps or size, "
            "or cut it."
        )


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
