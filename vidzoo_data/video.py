"""Video files to RGB frames: the only place where videos are opened.

Every `VideoError` raised here reads `<path>: <reason>`.
"""

import itertools
import math
import os
import struct
from collections.abc import Callable, Iterator

import cv2
import numpy as np

from vidzoo.errors import VideoError

_UNKNOWN_SIZES = (0, 0xFFFFFFFF)  # what a writer that cannot seek back leaves
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_LONGEST_HEADER = 2**16  # bytes, in which an AVI describes its streams
_MEND = "copy or download it again"


def check_container(path: str | os.PathLike) -> None:
    """Checks that the file is as long as it says, without decoding anything.

    FFmpeg plays what there is of a truncated file, so this has to be asked first.
    Formats other than AVI (RIFF) and MP4 or MOV (ISO BMFF) state no length.

    Raises:
        VideoError: there is no such file, it cannot be read, is empty, is shorter
            than its container says, or is an MP4 or MOV without its index (`moov`).
    """
    try:
        size = os.path.getsize(path)
        with open(path, "rb") as file:
            start = file.read(12)
            if not start:
                raise VideoError(f"{path}: the file is empty (0 bytes); {_MEND}.")
            if start[:4] == b"RIFF" and len(start) == 12:
                _check_riff(file, size, path)
            elif start[4:8] in _FIRST_BOXES:
                _check_boxes(file, size, path)
    except FileNotFoundError:
        raise VideoError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise VideoError(f"{path}: cannot be read: {error.strerror}.") from None


def _check_riff(file, size, path):
    """An AVI is one RIFF chunk, or several in a row (OpenDML, above 1 GB)."""
    start = 0
    while True:
        file.seek(start)
        header = file.read(8)
        if len(header) < 8 or header[:4] != b"RIFF":
            return
        (length,) = struct.unpack("<I", header[4:])
        if length in _UNKNOWN_SIZES:
            return
        end = start + 8 + length
        if end > size + 1:  # some writers count a padding byte they do not write
            _raise_cut(path, "RIFF", end, size)
        start = end + end % 2


def _check_boxes(file, size, path):
    start, types = 0, set()
    while start + 8 <= size:
        file.seek(start)
        length, box = struct.unpack(">I4s", file.read(8))
        if not all(32 <= byte < 127 or byte == 0xA9 for byte in box):
            break  # padding after the last box
        types.add(box)
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
        if length == 0:  # up to the end of the file
            break
        if length < 8:
            raise VideoError(
                f"{path}: the box at byte {start} declares {length} bytes, fewer than "
                f"its own header; {_MEND}."
            )
        start += length
        if start > size:
            _raise_cut(path, box.decode("latin-1"), start, size)
    if b"moov" not in types:
        raise VideoError(
            f"{path}: the MP4 or MOV file has no moov box (its index), so it was "
            f"never finished; record, copy or download it again."
        )


def _raise_cut(path, part, declared, size):
    raise VideoError(
        f"{path}: the file is cut short: its {part} header says that it goes on to "
        f"byte {declared}, but it has {size} bytes; {_MEND}."
    )


class Decoded:
    """The frames of one opened video, to be iterated once, in constant memory.

    Yields RGB uint8 frames `(height, width, 3)`, turned upright if the file says
    how the camera was held. Leaving the `with` block, or the last frame, closes it.
    A change of the frame size is an error where it is seen: the OpenCV 5.0 wheels
    scale later frames to the first one's size and do not tell.

    Attributes:
        path: of the file.
        fps: frames per second as the header says; 0.0 if it does not.
        declared_frames: number of frames as the header says, often more than decode;
            0 if it does not.
        height: pixels.
        width: pixels.
    """

    def __init__(self, path: str | os.PathLike):
        self.path = path
        self._capture = cv2.VideoCapture()
        # One thread: what decodes of a damaged stream must not depend on the machine.
        options = (cv2.CAP_PROP_N_THREADS, 1)
        try:
            opened = self._capture.open(os.fspath(path), cv2.CAP_FFMPEG, options)
        except cv2.error:
            opened = False
        if not opened:
            raise VideoError(
                f"{path}: not a video that OpenCV's FFmpeg can open; re-encode it, or "
                f"leave it out."
            )
        self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)  # its default has changed
        self.fps = _number(self._capture.get(cv2.CAP_PROP_FPS))
        if _states_no_rate(path):
            self.fps = 0.0
        self.declared_frames = int(_number(self._capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._first = self._read()
        if self._first is None:
            self.close()
            raise VideoError(
                f"{path}: no frame can be decoded; re-encode it, or leave it out."
            )
        self.height, self.width = self._first.shape[:2]

    def __iter__(self) -> Iterator[np.ndarray]:
        return self.frames(lambda number: True)

    def frames(self, wanted: Callable[[int], bool]) -> Iterator[np.ndarray | None]:
        """Yields the frames, in place of this object, and None for those not wanted.

        What is not wanted is decoded, as later frames build on it, but not converted,
        and its size is not looked at.

        Args:
            wanted: called once with the number of each frame, 0, 1, 2 ..., before it is
                yielded.
        """
        image, self._first = self._first, None
        found = image is not None
        for number in itertools.count():
            if not found:
                break
            is_wanted = wanted(number)
            if is_wanted and image is None:
                image = self._retrieve()
                if image is None:
                    break
            yield self._rgb(image) if is_wanted else None
            image, found = None, self._grab()
        self.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self) -> None:
        """Closes the file; a second call does nothing."""
        self._first = None
        self._capture.release()

    def _rgb(self, image):
        if image.shape[:2] != (self.height, self.width):
            self.close()
            raise VideoError(
                f"{self.path}: the frame size changes from {self.width}x"
                f"{self.height} to {image.shape[1]}x{image.shape[0]} inside the "
                f"video; cut it there, or re-encode it at one size."
            )
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _read(self):
        return self._retrieve() if self._grab() else None

    def _grab(self):
        try:
            return self._capture.grab()
        except cv2.error:
            return False

    def _retrieve(self):
        try:
            found, image = self._capture.retrieve()
        except cv2.error:
            return None
        return image if found else None


def open_video(path: str | os.PathLike) -> Decoded:
    """Opens a video whose container is whole and decodes its first frame.

    A stream that ends before its declared number of frames is no error: most real
    videos do.

    Raises:
        VideoError: the file is missing or damaged, is no video, holds no frame that
            decodes, or (while iterating) changes its frame size.

    Example:
        >>> open_video("missing.avi")
        Traceback (most recent call last):
        vidzoo.errors.VideoError: missing.avi: there is no such file.
    """
    check_container(path)
    return Decoded(path)


def _states_no_rate(path):
    """Whether an AVI's header has 0 for its video's rate, for which FFmpeg says 25."""
    with open(path, "rb") as file:
        start = file.read(_LONGEST_HEADER)
    if start[:4] != b"RIFF" or start[8:12] != b"AVI ":
        return False
    place = start.find(b"strh")
    while place >= 0:
        stream = start[place + 8 :]  # after the chunk's name and length
        if stream[:4] == b"vids" and len(stream) >= 28:
            scale, rate = struct.unpack("<II", stream[20:28])
            return not (scale and rate)
        place = start.find(b"strh", place + 4)
    return False


def _number(value):
    """A property of a video; OpenCV gives NaN, infinity or nonsense if unknown."""
    return value if math.isfinite(value) and value > 0 else 0.0
