"""Warping a frame back by flow, and what remains as a difference."""

import cv2
import numpy as np

from vidzoo.errors import FlowError


def warp(next_frame: np.ndarray, flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fetches for every pixel of frame t what frame t+1 shows where the pixel goes.

    Bilinear. With the true flow the result looks like frame t, but for what is covered
    in one of the frames.

    Args:
        next_frame: `(H, W, C)`, frame t+1.
        flow: `(H, W, 2)`, pixels, from frame t to t+1.

    Returns:
        A pair `(warped, inside)`: `(H, W, C)` float32, zero where `inside`, `(H, W)`
        bool, is not: there the flow leaves the frame or is not finite.

    Raises:
        FlowError: the frame and the flow differ in size.

    Example:
        >>> frame = np.arange(3.0).reshape(1, 3, 1)
        >>> warped, inside = warp(frame, np.full((1, 3, 2), (0.5, 0)))
        >>> warped.ravel().tolist(), inside.ravel().tolist()
        ([0.5, 1.5, 0.0], [True, True, False])
    """
    flow = np.asarray(flow, np.float64)
    if np.ndim(next_frame) != 3 or flow.shape != (*next_frame.shape[:2], 2):
        raise FlowError(
            f"`next_frame` must be (H, W, C) and `flow` (H, W, 2) of its size. "
            f"Received: {np.shape(next_frame)} and {flow.shape}."
        )
    height, width = flow.shape[:2]
    y, x = np.mgrid[:height, :width]
    x, y = x + flow[..., 0], y + flow[..., 1]
    # Comparisons with NaN are false.
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    warped = cv2.remap(
        np.asarray(next_frame, np.float32),
        np.where(inside, x, 0).astype(np.float32),
        np.where(inside, y, 0).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(next_frame.shape)
    warped[~inside] = 0
    return warped, inside


def photometric_error(frame, other, mask=None) -> float:
    """The mean absolute difference of two images, over their channels.

    Args:
        frame: `(H, W, C)`.
        other: likewise; frame t+1 as it is, or warped back.
        mask: bool `(H, W)`, the pixels that count; all of them by default. To tell
            what warping changes, give both calls `warp`'s `inside`.

    Returns:
        Grey levels; NaN if no pixel counts.

    Raises:
        FlowError: the shapes do not fit.
    """
    frame, other = np.asarray(frame, np.float64), np.asarray(other, np.float64)
    mask = np.ones(frame.shape[:2], bool) if mask is None else np.asarray(mask, bool)
    if frame.ndim != 3 or frame.shape != other.shape or mask.shape != frame.shape[:2]:
        raise FlowError(
            f"`frame` and `other` must be (H, W, C) and `mask` (H, W). Received: "
            f"{frame.shape}, {other.shape} and {mask.shape}."
        )
    if not mask.any():
        return float("nan")
    return float(np.abs(frame - other)[mask].mean())
