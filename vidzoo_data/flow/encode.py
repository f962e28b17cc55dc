"""Flow as 8-bit images, x and y apart, clipped at a bound that is kept beside them.

Byte b stands for b * 2 * bound / 255 - bound pixels, as in TSN's flow images: -bound is
0 and bound is 255. A component inside the bound comes back with an error of at most
half a step, bound / 255 (0.08 px at 20, 0.16 px at 40); outside it is clipped. There
is no byte for zero: it is stored as 128, which reads as half a step above it.
"""

import math

import cv2
import numpy as np

from vidzoo.errors import FlowError

TSN_BOUND = 20.0
"""Pixels; of flow streams on snippets of video (TSN, dissertation chapter 5)."""

FULL_LENGTH_BOUND = 40.0
"""Pixels; of full-length video (dissertation, section 3.3.4)."""

_JPEG_QUALITY = 95
FORMATS = {"png": (), "jpeg": (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)}
"""Of stored images -> arguments of OpenCV's encoder."""


def to_bytes(flow, bound: float) -> np.ndarray:
    """Flow to bytes.

    Args:
        flow: of any shape, pixels.
        bound: pixels; larger displacements are clipped.

    Returns:
        uint8, of the same shape.

    Raises:
        FlowError: `flow` holds NaN or infinity.
        ValueError: `bound` is not above zero.

    Example:
        >>> to_bytes([-99, -20, 0, 20], 20).tolist()
        [0, 0, 128, 255]
    """
    _check_bound(bound)
    flow = np.asarray(flow, np.float64)
    if not np.isfinite(flow).all():
        raise FlowError(
            f"`flow` must be finite to be stored as bytes. Received: "
            f"{int((~np.isfinite(flow)).sum())} of {flow.size} values that are not; "
            f"set unknown pixels to zero and keep their mask."
        )
    clipped = np.clip(flow, -bound, bound)
    return np.rint((clipped + bound) * (255 / (2 * bound))).astype(np.uint8)


def from_bytes(values, bound: float) -> np.ndarray:
    """Bytes to flow: the inverse of `to_bytes`, but for rounding and clipping.

    Args:
        values: uint8, of any shape.
        bound: pixels, as it was for `to_bytes`.

    Returns:
        float32, of the same shape, pixels.

    Raises:
        FlowError: `values` are not bytes.
        ValueError: `bound` is not above zero.
    """
    _check_bound(bound)
    values = np.asarray(values)
    if values.dtype != np.uint8:
        raise FlowError(f"`values` must be uint8. Received: {values.dtype}.")
    return (values * (2 * bound / 255) - bound).astype(np.float32)


def to_images(flow: np.ndarray, bound: float, kind: str = "png") -> tuple[bytes, bytes]:
    """Flow to two grey 8-bit images in memory, of x and of y.

    Args:
        flow: `(H, W, 2)`, pixels.
        bound: pixels; keep it beside the images, which cannot tell it.
        kind: `"png"`, which keeps every byte, or `"jpeg"` (quality 95), which adds an
            error of its own.

    Raises:
        FlowError: `flow` is not finite, or not `(H, W, 2)`.
        ValueError: `bound` is not above zero, or `kind` is unknown.
    """
    if kind not in FORMATS:
        raise ValueError(
            f"`kind` must be one of {', '.join(FORMATS)}. Received: {kind!r}."
        )
    if np.ndim(flow) != 3 or np.shape(flow)[2] != 2 or not np.size(flow):
        raise FlowError(f"`flow` must be (H, W, 2). Received: {np.shape(flow)}.")
    values = to_bytes(flow, bound)
    images = []
    for axis in range(2):
        plane = np.ascontiguousarray(values[..., axis])
        images.append(cv2.imencode(f".{kind}", plane, FORMATS[kind])[1].tobytes())
    return tuple(images)


def from_images(x: bytes, y: bytes, bound: float) -> np.ndarray:
    """Two grey 8-bit images in memory to flow.

    Args:
        x: an encoded image, as `to_images` makes them.
        y: likewise.
        bound: pixels, as it was for `to_images`.

    Returns:
        `(H, W, 2)` float32, pixels.

    Raises:
        FlowError: an image does not decode, or the two differ in size.
        ValueError: `bound` is not above zero.
    """
    _check_bound(bound)
    planes = []
    for name, image in (("x", x), ("y", y)):
        data = np.frombuffer(image, np.uint8)
        plane = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if data.size else None
        if plane is None:
            raise FlowError(
                f"`{name}` must be an image in PNG or JPEG. Received: {len(image)} "
                f"bytes that do not decode; compute the flow again."
            )
        planes.append(plane)
    if planes[0].shape != planes[1].shape:
        raise FlowError(
            f"`x` and `y` must have one size. Received: {planes[0].shape} and "
            f"{planes[1].shape}; they are of different frames."
        )
    return from_bytes(np.stack(planes, axis=-1), bound)


def _check_bound(bound):
    if not (math.isfinite(bound) and bound > 0):
        raise ValueError(f"`bound` must be above zero, in pixels. Received: {bound}.")
