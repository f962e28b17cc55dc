"""Picture files, and frames of videos, to RGB squares: `(size, size, 3)` uint8.

A picture is warped to a square (dissertation, section 2.3.2): 224 pixels are scale 1,
448 scale 2. Every `PictureError` raised here reads `<path>: <reason>`.
"""

import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vidzoo.errors import FlowError, PictureError, VideoError
from vidzoo_data.flow.frames import check_png
from vidzoo_data.records.resample import may_be_taken, resample
from vidzoo_data.video import Decoded, open_video

WARP = "area-1"
"""How `warp` resizes; another name, when that changes: an index notes it."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_JPEG_START, _JPEG_SCAN, _JPEG_END = b"\xff\xd8", b"\xda", b"\xff\xd9"
_JPEG_MARKER = re.compile(rb"\xff+([^\xff])")  # fill bytes, B.1.1.2, before its own
_MAY_BE_TRANSPARENT = (b"GIF8", b"RIFF")  # RIFF: WebP
_PNG_WITH_ALPHA = (4, 6)  # colour types
_BACKGROUND = 255
_MEND = "copy or download it again, or leave it out"


class Frame(NamedTuple):
    """A frame of a video.

    Attributes:
        number: its place in the video, from 0.
        seconds: when it begins; None if the video states no rate.
        image: `(size, size, 3)` uint8, RGB; a tuple of them where sizes were asked for.
    """

    number: int
    seconds: float | None
    image: np.ndarray | tuple[np.ndarray, ...]


def read(
    path: str | os.PathLike, size: int | Sequence[int]
) -> np.ndarray | tuple[np.ndarray, ...]:
    """Reads a picture and warps it to a square, whatever its proportions.

    As `decode` has it, then as `warp`.

    Args:
        path: the file, of any kind that OpenCV decodes.
        size: pixels; several for a square of each, from one decoding.

    Returns:
        `(size, size, 3)` uint8, RGB, or a tuple of them.

    Raises:
        PictureError: there is no such file, or it is no whole picture.
    """
    return warp(decode(path), size)


def warp(
    image: np.ndarray, size: int | Sequence[int]
) -> np.ndarray | tuple[np.ndarray, ...]:
    """Resizes an image `(H, W, C)` to `(size, size, C)`, or to each of several.

    A side that becomes shorter shrinks by area, so that every pixel counts; then a side
    that becomes longer grows bilinearly. `WARP` names this way.
    """
    if isinstance(size, Sequence):
        return tuple(warp(image, side) for side in size)
    height, width = (min(side, size) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)


def decode(path: str | os.PathLike) -> np.ndarray:
    """Reads a picture as a viewer shows it.

    It is turned as its EXIF data says; grey becomes three equal channels, CMYK RGB; of
    16 bits the upper 8 are kept; where it is transparent, white shows through. Of
    a transparent picture EXIF data is not looked at, of an animated one the first
    frame is taken. JPEG has no checksums: damage that leaves its structure whole is
    not seen.

    Returns:
        `(H, W, 3)` uint8, RGB.

    Raises:
        PictureError: there is no such file, or it is no whole picture.
    """
    data = _read_bytes(path)
    may_be_transparent = data.startswith(_MAY_BE_TRANSPARENT)
    if data.startswith(_PNG_START):
        may_be_transparent = _check_png(data, path) or b"tRNS" in data
    if data.startswith(_JPEG_START):
        _check_jpeg(data, path)
    image = None
    if may_be_transparent:
        image = _on_background(_decode(data, cv2.IMREAD_UNCHANGED))
    if image is None:
        image = _decode(data, cv2.IMREAD_COLOR)
    if image is None:
        raise PictureError(
            f"{path}: not a picture that OpenCV can decode, or a damaged one: it "
            f"starts with {data[:8]!r}; {_MEND}."
        )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_frames(
    path: str | os.PathLike,
    size: int | Sequence[int],
    *,
    fps: float | None = None,
    num_frames: int | None = None,
) -> Iterator[Frame]:
    """Yields frames of a video at a rate, or so many evenly spaced ones.

    Args:
        path: the file.
        size: as of `read`; frames are warped as pictures are.
        fps: frames per second, taken as `vidzoo prepare` takes them but none twice.
        num_frames: in place of `fps`: the middle frames of so many equal spans of the
            video, or every frame if it has fewer. The video is then decoded twice, as
            headers do not say reliably how many frames there are.

    Raises:
        ValueError: not one of `fps` and `num_frames` is given, or it is not above 0.
        VideoError: the video is missing or damaged, or states no rate of its own,
            which `fps` needs.
    """
    if (fps is None) == (num_frames is None):
        raise ValueError(
            f"give one of `fps` and `num_frames`. Received: {fps} and {num_frames}."
        )
    given = fps if num_frames is None else num_frames
    if not 0 < given < math.inf:
        raise ValueError(f"frames must be taken at all. Received: {given}.")
    if num_frames is None:
        yield from _frames_at_rate(path, size, fps)
    else:
        yield from _evenly_spaced(path, size, num_frames)


def _frames_at_rate(path, size, fps):
    with open_video(path) as video:
        if not video.fps:
            raise VideoError(
                f"{path}: the video states no rate, which frames per second need; "
                f"take a number of frames, or re-encode it with a rate."
            )
        step = video.fps / fps
        numbered = enumerate(video.frames(may_be_taken(step)))
        for (number, image), repeats in resample(numbered, step):
            if repeats:
                yield _frame(video, number, image, size)


def _evenly_spaced(path, size, num_frames):
    with open_video(path) as video:
        total = sum(1 for _ in video.frames(lambda number: False))
    num_frames = min(num_frames, total)
    wanted = {(2 * i + 1) * total // (2 * num_frames) for i in range(num_frames)}
    with open_video(path) as video:
        for number, image in enumerate(video.frames(wanted.__contains__)):
            if image is not None:
                yield _frame(video, number, image, size)


def _frame(video: Decoded, number, image, size):
    seconds = number / video.fps if video.fps else None
    return Frame(number, seconds, warp(image, size))


def _read_bytes(path):
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise PictureError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise PictureError(f"{path}: cannot be read: {error.strerror}.") from None
    if not data:
        raise PictureError(f"{path}: the file is empty (0 bytes); {_MEND}.")
    return data


def _check_png(data, path):
    """Whether the colours of a PNG, which must be whole, come with transparency."""
    try:
        return check_png(data, path).color_type in _PNG_WITH_ALPHA
    except FlowError as error:  # the same file, read for other ends
        raise PictureError(str(error)) from None


def _check_jpeg(data, path):
    """Checks that the picture's last scan ends, as some OpenCV fill in what is cut.

    A preview in the header has an end of its own, so the header is stepped over.
    """
    place = len(_JPEG_START)
    while marker := _JPEG_MARKER.match(data, place):
        place = marker.end()
        if marker[1] == _JPEG_SCAN:
            if data.find(_JPEG_END, place) >= 0:
                return
            break
        place += int.from_bytes(data[place : place + 2], "big")
    raise PictureError(
        f"{path}: the JPEG is cut short or damaged: it has {len(data)} bytes and no "
        f"end; {_MEND}."
    )


def _decode(data, flags):
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # larger than OpenCV takes
        return None


def _on_background(image):
    """BGR of a transparent picture; None if the picture has no such channel."""
    if image is None or image.ndim != 3 or image.shape[2] != 4:
        return None
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    alpha = image[..., 3:].astype(np.float32) / 255
    if alpha.min() == 1:
        return None  # not transparent anywhere
    blended = image[..., :3] * alpha + _BACKGROUND * (1 - alpha)
    return np.rint(blended).astype(np.uint8)
