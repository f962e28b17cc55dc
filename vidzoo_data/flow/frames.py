"""Images beside flow: pairs of frames in .ppm or .png, and PNG written whole.

OpenCV fills what a cut or damaged PNG lacks and says nothing, so files are checked
first: every length, every checksum, and the size of the image against the data there.
Every `FlowError` raised here reads `<path>: <reason>`.
"""

import math
import os
import re
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vidzoo.errors import FlowError
from vidzoo_data import atomic

PNG_RGB = 2
"""The colour type of RGB images in a PNG's header."""

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, PNG_RGB: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_PNG_INTERLACED_MORE = 2  # an interlaced image has at most twice the bytes
_DEFLATE_RATIO = 1032  # deflate makes data smaller by no more than this
# A blank or a comment ends each of the header's fields, and one blank the header.
_PPM_HEADER = re.compile(
    rb"P6(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s"
)
_MEND = "copy or download it again"


class PngHeader(NamedTuple):
    """What a PNG's header says."""

    width: int
    height: int
    depth: int
    color_type: int
    interlaced: bool


def read_pair(
    path: str | os.PathLike, next_path: str | os.PathLike
) -> tuple[np.ndarray, np.ndarray]:
    """Reads two adjacent frames, as `read_frame` does each.

    Returns:
        Two images `(H, W, 3)` uint8, RGB, of one size.

    Raises:
        FlowError: a file is missing or damaged, or the two differ in size.
    """
    frame, next_frame = read_frame(path), read_frame(next_path)
    if frame.shape != next_frame.shape:
        raise FlowError(
            f"{next_path}: the frame is {size_of(next_frame)}, and the one before it, "
            f"{path}, is {size_of(frame)}; give two frames of one size."
        )
    return frame, next_frame


def read_frame(path: str | os.PathLike) -> np.ndarray:
    """Reads an 8-bit image, .ppm (binary, P6) or .png.

    Returns:
        `(H, W, 3)` uint8, RGB; grey images have three equal channels.

    Raises:
        FlowError: there is no such file, or it is not a whole image of these kinds.
    """
    data = read_bytes(path)
    if data[:2] == b"P6":
        return _read_ppm(data, path)
    depth = check_png(data, path).depth
    if depth > 8:
        raise FlowError(
            f"{path}: the image has {depth} bits a channel, where frames have 8; "
            f"convert it first."
        )
    image = decode(data, cv2.IMREAD_COLOR, path)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def write_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes an RGB image, whole or not at all.

    Args:
        path: the file.
        image: `(H, W, 3)` uint8, RGB.

    Raises:
        FlowError: `image` is of another kind.
        OSError: the file cannot be written.
    """
    shape = np.shape(image)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or image.dtype != np.uint8:
        kind = getattr(image, "dtype", type(image).__name__)
        raise FlowError(
            f"{path}: `image` must be uint8 RGB (H, W, 3). Received: {kind} {shape}."
        )
    bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
    atomic.write_bytes(path, cv2.imencode(".png", bgr)[1].tobytes())


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a file, with a `FlowError` where there is none."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise FlowError(f"{path}: there is no such file.") from None
    except OSError as error:
        raise FlowError(f"{path}: cannot be read: {error.strerror}.") from None
    if not data:
        raise FlowError(f"{path}: the file is empty (0 bytes); {_MEND}.")
    return data


def decode(data: bytes, flags: int, path: str | os.PathLike) -> np.ndarray:
    """OpenCV's image of a file's content, with a `FlowError` where it has none."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # larger than OpenCV takes
        image = None
    if image is None:
        raise FlowError(f"{path}: OpenCV cannot decode the image; {_MEND}.")
    return image


def check_png(data: bytes, path: str | os.PathLike) -> PngHeader:
    """Checks that a PNG is whole, and reads its header.

    Raises:
        FlowError: it is no PNG, is cut short, a checksum is wrong, or it holds fewer
            or more pixels than its header says.
    """
    if not data.startswith(_PNG_START):
        raise FlowError(
            f"{path}: neither a PNG nor a binary PPM (P6): it starts with "
            f"{data[:8]!r}; {_MEND}, or convert it."
        )
    header, compressed, start, kind = None, [], len(_PNG_START), b""
    while kind != b"IEND":
        length, kind = struct.unpack(">I4s", data[start : start + 8].ljust(8, b"\0"))
        end = start + 12 + length
        if end > len(data):
            raise FlowError(
                f"{path}: the PNG is cut short: its part at byte {start} goes on to "
                f"byte {end}, but it has {len(data)} bytes; {_MEND}."
            )
        body = data[start + 8 : end - 4]
        (checksum,) = struct.unpack(">I", data[end - 4 : end])
        if zlib.crc32(kind + body) != checksum:
            raise FlowError(
                f"{path}: the PNG is damaged: the checksum of its part at byte {start} "
                f"is wrong; {_MEND}."
            )
        if header is None:
            if kind != b"IHDR" or length != 13:
                raise FlowError(f"{path}: the PNG has no header; {_MEND}.")
            *fields, _, _, interlaced = struct.unpack(">IIBBBBB", body)
            header = PngHeader(*fields, bool(interlaced))
        if kind == b"IDAT":
            compressed.append(body)
        start = end
    _check_pixels(header, b"".join(compressed), path)
    return header


def _check_pixels(header, compressed, path):
    """Compares the header's size with the data, of which no more is unpacked."""
    bits = _PNG_CHANNELS.get(header.color_type, 0) * header.depth * header.width
    expected = header.height * (1 + math.ceil(bits / 8))
    most = expected * (_PNG_INTERLACED_MORE if header.interlaced else 1)
    found = len(compressed) * _DEFLATE_RATIO
    if bits and found >= expected:
        try:
            unpacked = zlib.decompressobj().decompress(compressed, most + 1)
        except zlib.error:
            unpacked = b""
        found = len(unpacked)
    if not bits or found > most or (found < expected and not header.interlaced):
        raise FlowError(
            f"{path}: the PNG is damaged: its header says {header.width} x "
            f"{header.height} pixels, which take {expected} bytes, and its data holds "
            f"at most {found}; {_MEND}."
        )


def _read_ppm(data, path):
    match = _PPM_HEADER.match(data)
    if not match:
        raise FlowError(
            f"{path}: the PPM's header is damaged: {data[:20]!r}, where P6, width, "
            f"height and 255 are expected; {_MEND}."
        )
    width, height, largest = (int(number) for number in match.groups())
    if largest != 255:
        raise FlowError(
            f"{path}: the PPM's values go up to {largest}, where 255 is expected; "
            f"convert it to 8 bits."
        )
    expected = match.end() + 3 * width * height
    if not width or not height or len(data) != expected:
        raise FlowError(
            f"{path}: the header says {width} x {height} pixels, which take {expected} "
            f"bytes with it, and the file has {len(data)}; {_MEND}."
        )
    values = np.frombuffer(data, np.uint8, offset=match.end())
    return values.reshape(height, width, 3).copy()


def size_of(image: np.ndarray) -> str:
    """Width and height of an image, as messages have them."""
    return f"{image.shape[1]} x {image.shape[0]}"
