"""The flow of a video as records store it: two 8-bit images for every field.

A field is the flow from a frame to a later one. By default that is the next frame; at
a rate of its own, `fps`, it is the frame 1/fps seconds later (section 3.3.4: one field
for each frame sampled at 1 per second, to the frame 1/15 s later). Flow is computed
between the JPEGs that are stored, so it is the same whether it is made with the records
or added to them.
"""

import functools
import hashlib
import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from vidzoo.errors import FlowError
from vidzoo_data import atomic
from vidzoo_data.flow import compute, encode

_TOLERANCE = 1e-6  # of a frame: rates like 30000/1001 do not divide exactly


@dataclass(frozen=True)
class FlowSettings:
    """How flow is computed and stored.

    Attributes:
        method: a key of `vidzoo_data.flow.METHODS`.
        bound: pixels; larger displacements are clipped.
        fps: 1 / seconds between the two frames of a field; None for neighbours.
        image_format: `"png"`, which keeps every byte, or `"jpeg"`, half its size.

    Raises:
        ValueError: a value is unknown or out of its range.
    """

    method: str = "tvl1"
    bound: float = encode.TSN_BOUND
    fps: float | None = None
    image_format: str = "png"

    def __post_init__(self):
        choices = (
            ("method", self.method, compute.METHODS),
            ("image_format", self.image_format, encode.FORMATS),
        )
        for name, value, known in choices:
            if value not in known:
                raise ValueError(
                    f"`{name}` must be one of {', '.join(known)}. Received: {value}."
                )
        for name in ("bound", "fps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"`{name}` must be above 0. Received: {value}.")
            if value is not None:  # 40 and 40.0 are one setting
                object.__setattr__(self, name, float(value))

    def as_dict(self) -> dict:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class StoredFlow:
    """The fields of one video.

    Attributes:
        x: one grey 8-bit image per field, of the horizontal components.
        y: likewise, of the vertical ones.
        settings: how they were made.
        fps: 1 / seconds between the two frames of a field; 0 if the video does not say.
        kept_at: where a run that was stopped finds them again, or None.
    """

    x: Sequence[bytes]
    y: Sequence[bytes]
    settings: FlowSettings
    fps: float
    kept_at: Path | None = None


def second_frame(number: int, step: float, apart: float) -> int:
    """The number of the frame that a field ends at, among those that a video has.

    Args:
        number: of the stored frame that it starts at.
        step: video frames from one stored frame to the next.
        apart: video frames from a field's first frame to its second.
    """
    return int(np.ceil(number * step + apart - 0.5 - _TOLERANCE))  # halves down


def stored_flow(
    pairs: Iterable[tuple[bytes, bytes]],
    settings: FlowSettings,
    fps: float,
    keep_in: Path | None = None,
    max_bytes: float = math.inf,
) -> StoredFlow:
    """Computes the fields between pairs of JPEGs, or finds them where they were kept.

    Args:
        pairs: the two frames of every field.
        settings: how.
        fps: of `StoredFlow`.
        keep_in: a folder where the fields are kept under the pairs' digest.
        max_bytes: that all images together may have.

    Raises:
        FlowError: a JPEG does not decode, or the flow cannot be computed, or needs more
            room.
        OSError: the fields cannot be kept.
    """
    pairs = list(pairs)
    path = None if keep_in is None else keep_in / _digest(pairs, settings)
    images = None if path is None else _kept(path)
    if images is None:
        images = _computed(pairs, settings, max_bytes)
        if path is not None:
            _keep(path, images)
    x, y = images
    return StoredFlow(x, y, settings, fps, path)


def seconds_per_field(frame: bytes, next_frame: bytes, settings: FlowSettings) -> float:
    """How long one field takes here, on one core.

    Args:
        frame: a JPEG.
        next_frame: likewise.
        settings: how it is computed.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    started = time.perf_counter()
    try:
        _computed([(frame, next_frame)], settings, math.inf)
    finally:
        cv2.setNumThreads(threads)
    return time.perf_counter() - started


def _computed(pairs, settings, max_bytes):
    decode = functools.lru_cache(maxsize=2)(_decode)
    method = compute.METHODS[settings.method]
    fields, num_bytes = [], 0
    for frame, next_frame in pairs:
        flow = method(decode(frame), decode(next_frame))
        fields.append(encode.to_images(flow, settings.bound, settings.image_format))
        num_bytes += sum(map(len, fields[-1]))
        if num_bytes > max_bytes:
            raise FlowError(
                f"too long to store as one record: {len(fields)} fields of "
                f"{len(pairs)} have {num_bytes / 1e9:.1f} GB already, beside the "
                "frames; take fewer or smaller frames, flow as JPEG, or cut the video."
            )
    return tuple(zip(*fields, strict=True)) if fields else ((), ())


def _decode(jpeg):
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise FlowError(
            f"a stored frame of {len(jpeg)} bytes does not decode; prepare the video "
            "again"
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def _digest(pairs, settings):
    digest = hashlib.sha256(json.dumps(settings.as_dict(), sort_keys=True).encode())
    for pair in pairs:
        for jpeg in pair:
            digest.update(hashlib.sha256(jpeg).digest())
    return digest.hexdigest()


def _keep(path, images):
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = json.dumps([[len(image) for image in axis] for axis in images])
    data = [lengths.encode(), b"\n", *(image for axis in images for image in axis)]
    atomic.write_bytes(path, b"".join(data))


def _kept(path):
    """What `_keep` wrote: files are whole or not there, so nothing else is looked at.

    The file's name says of which frames it holds the flow.
    """
    try:
        lengths, _, data = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    images, start = [], 0
    for axis in json.loads(lengths):
        ends = start + np.cumsum([0, *axis])
        images.append(tuple(data[a:b] for a, b in zip(ends, ends[1:], strict=False)))
        start = int(ends[-1])
    return tuple(images)
