"""Flow in files: Middlebury's .flo and KITTI's 16-bit PNG.

Sources: the .flo format of Baker et al. 2011 (Middlebury, FlyingChairs, Sintel), and
the development kit of KITTI 2012 and 2015. Readers return `(H, W, 2)` float32 in pixels
and a bool mask `(H, W)` of the pixels whose flow is known; the others are zero. Sizes
are compared with the length of the file before anything is reserved for them. Every
`FlowError` raised here reads `<path>: <reason>`.
"""

import os

import cv2
import numpy as np

from vidzoo.errors import FlowError
from vidzoo_data import atomic
from vidzoo_data.flow import frames

_FLO_MAGIC = b"PIEH"  # 202021.25 as a little-endian float
_FLO_HEADER = 12  # magic, width, height
_FLO_LARGEST_KNOWN = 1e9
_FLO_UNKNOWN = 1e10
_KITTI_ZERO = 2**15
_KITTI_STEPS = 64  # of a pixel
_MEND = "copy or download it again"


def read_flo(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Reads a .flo file.

    A pixel is unknown where a component is above 1e9 in size, or NaN.

    Returns:
        A pair `(flow, valid)`: `(H, W, 2)` float32, pixels, zero where it is unknown;
        `(H, W)` bool.

    Raises:
        FlowError: there is no such file, or it is not a whole .flo file.
    """
    data = frames.read_bytes(path)
    if data[:4] != _FLO_MAGIC:
        raise FlowError(
            f"{path}: not a .flo file: it starts with {data[:4]!r} instead of "
            f"{_FLO_MAGIC!r}; {_MEND}, or give another file."
        )
    if len(data) < _FLO_HEADER:
        raise FlowError(
            f"{path}: the file is cut short: {len(data)} bytes, of which a .flo header "
            f"takes {_FLO_HEADER}; {_MEND}."
        )
    width, height = (int(n) for n in np.frombuffer(data, "<i4", 2, offset=4))
    expected = _FLO_HEADER + 8 * width * height
    if width < 1 or height < 1 or len(data) != expected:
        raise FlowError(
            f"{path}: the header says {width} x {height} pixels, which take {expected} "
            f"bytes, and the file has {len(data)}; {_MEND}."
        )
    flow = np.frombuffer(data, "<f4", offset=_FLO_HEADER).reshape(height, width, 2)
    known = np.abs(flow) <= _FLO_LARGEST_KNOWN  # false for NaN
    valid = known[..., 0] & known[..., 1]  # ten times as fast as `all` of two
    flow = flow.astype(np.float32)  # a copy, in this machine's byte order
    flow[~valid] = 0
    return flow, valid


def write_flo(
    path: str | os.PathLike, flow: np.ndarray, valid: np.ndarray | None = None
) -> None:
    """Writes a .flo file, whole or not at all.

    Args:
        path: the file.
        flow: `(H, W, 2)`, pixels.
        valid: bool `(H, W)`, where the flow is known; everywhere by default.

    Raises:
        FlowError: the shapes do not fit, or known flow is not finite or above 1e9.
        OSError: the file cannot be written.
    """
    flow, valid = _checked(path, flow, valid, _FLO_LARGEST_KNOWN, "a .flo file")
    height, width = valid.shape
    stored = np.where(valid[..., None], flow, _FLO_UNKNOWN).astype("<f4")
    header = _FLO_MAGIC + np.array([width, height], "<i4").tobytes()
    atomic.write_bytes(path, header + stored.tobytes())


def read_kitti(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Reads a KITTI flow map: a 16-bit RGB PNG of u, v and whether they are known.

    A component is (value - 2^15) / 64 pixels.

    Returns:
        A pair `(flow, valid)`: `(H, W, 2)` float32, pixels, zero where it is unknown;
        `(H, W)` bool.

    Raises:
        FlowError: there is no such file, or it is not a whole 16-bit RGB PNG.
    """
    data = frames.read_bytes(path)
    header = frames.check_png(data, path)
    if (header.depth, header.color_type) != (16, frames.PNG_RGB):
        raise FlowError(
            f"{path}: the PNG has {header.depth} bits and colour type "
            f"{header.color_type}, where KITTI's flow has 16 bits and colour type "
            f"{frames.PNG_RGB} (RGB); give a file of flow_occ or flow_noc."
        )
    image = frames.decode(data, cv2.IMREAD_UNCHANGED, path)
    values = image[..., ::-1].astype(np.float32)  # OpenCV has the channels reversed
    valid = values[..., 2] > 0
    flow = (values[..., :2] - _KITTI_ZERO) / _KITTI_STEPS
    return np.where(valid[..., None], flow, 0).astype(np.float32), valid


def write_kitti(
    path: str | os.PathLike, flow: np.ndarray, valid: np.ndarray | None = None
) -> None:
    """Writes a KITTI flow map, whole or not at all; steps are 1/64 pixel.

    Args:
        path: the file.
        flow: `(H, W, 2)`, pixels, within -512 to 511.98.
        valid: bool `(H, W)`, where the flow is known; everywhere by default.

    Raises:
        FlowError: the shapes do not fit, or known flow is out of that range.
        OSError: the file cannot be written.
    """
    largest = (2**16 - 1 - _KITTI_ZERO) / _KITTI_STEPS
    flow, valid = _checked(path, flow, valid, largest, "a KITTI flow map")
    image = np.zeros((*valid.shape, 3), np.uint16)  # blue, green, red: valid, v, u
    values = np.rint(flow[..., ::-1] * _KITTI_STEPS + _KITTI_ZERO)
    image[..., 1:] = np.where(valid[..., None], values, 0)
    image[..., 0] = valid
    atomic.write_bytes(path, cv2.imencode(".png", image)[1].tobytes())


def _checked(path, flow, valid, largest, what):
    """Flow as float64, zero where it is unknown, and the mask."""
    flow = np.asarray(flow, np.float64)
    valid = np.ones(flow.shape[:2], bool) if valid is None else np.asarray(valid)
    fits = flow.ndim == 3 and flow.shape[2] == 2 and flow.size
    if not fits or valid.shape != flow.shape[:2] or valid.dtype != bool:
        raise FlowError(
            f"{path}: `flow` must be (H, W, 2) and `valid` bool (H, W). Received: "
            f"{flow.shape} and {valid.dtype} {valid.shape}."
        )
    flow = np.where(valid[..., None], flow, 0)
    beyond = ~(np.abs(flow) <= largest)
    if beyond.any():
        raise FlowError(
            f"{path}: {what} holds at most {largest:g} pixels either way. Received: "
            f"{flow[beyond][0]}; mark such pixels as not `valid`."
        )
    return flow, valid
