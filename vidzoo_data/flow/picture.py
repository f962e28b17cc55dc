"""Pictures of flow: Middlebury's colours, and frames beside their flow.

Source of the colours: Baker et al., "A Database and Evaluation Methodology for Optical
Flow" (IJCV 2011). Direction is a hue of a wheel of 55 colours, whose six transitions
are as long as the eye tells them apart, and length is saturation: no motion is white.
"""

import numpy as np

from vidzoo.errors import FlowError
from vidzoo_data.flow import warp as warping

# Two channels of each transition: the one that stays at 255 and the one that changes;
# whether it rises; how many colours.
_RED, _GREEN, _BLUE = range(3)
_TRANSITIONS = (
    (_RED, _GREEN, True, 15),  # red to yellow
    (_GREEN, _RED, False, 6),  # yellow to green
    (_GREEN, _BLUE, True, 4),  # green to cyan
    (_BLUE, _GREEN, False, 11),  # cyan to blue
    (_BLUE, _RED, True, 13),  # blue to magenta
    (_RED, _BLUE, False, 6),  # magenta to red
)
_BEYOND = 0.75  # brightness of what is longer than the longest length shown


def color_wheel() -> np.ndarray:
    """The 55 colours of the wheel, from red by yellow, green, cyan, blue and magenta.

    Returns:
        `(55, 3)` uint8, RGB. Motion to the right is its first colour; downwards
        (y down), a quarter of the wheel on, is between yellow and red.
    """
    parts = []
    for full, changing, rises, count in _TRANSITIONS:
        part = np.zeros((count, 3), np.uint8)
        part[:, full] = 255
        ramp = 255 * np.arange(count) // count
        part[:, changing] = ramp if rises else 255 - ramp
        parts.append(part)
    return np.concatenate(parts)


def picture(
    flow: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    max_length: float | None = None,
) -> np.ndarray:
    """Flow in Middlebury's colours.

    Args:
        flow: `(H, W, 2)`, pixels.
        valid: bool `(H, W)`, where the flow is known; elsewhere, and where it is not
            finite, the picture is black. Everywhere by default.
        max_length: pixels; the length of the most saturated colours, longer ones are
            darkened. By default the longest of this field: give one number to all
            pictures that are to be compared.

    Returns:
        `(H, W, 3)` uint8, RGB.

    Raises:
        FlowError: the shapes do not fit.
        ValueError: `max_length` is not above zero.

    Example:
        >>> picture(np.zeros((1, 1, 2)))[0, 0].tolist()
        [255, 255, 255]
    """
    flow = np.asarray(flow, np.float64)
    valid = np.ones(flow.shape[:2], bool) if valid is None else np.asarray(valid, bool)
    if flow.ndim != 3 or flow.shape[2] != 2 or valid.shape != flow.shape[:2]:
        raise FlowError(
            f"`flow` must be (H, W, 2) and `valid` (H, W). Received: {flow.shape} and "
            f"{valid.shape}."
        )
    if max_length is not None and not 0 < max_length < np.inf:
        raise ValueError(
            f"`max_length` must be above zero, in pixels. Received: {max_length}."
        )
    known = valid & np.isfinite(flow).all(axis=2)
    x, y = np.where(known[..., None], flow, 0).transpose(2, 0, 1)
    length = np.hypot(x, y)
    length /= max_length or length.max(initial=0) or 1

    wheel = color_wheel() / 255
    # Of the 55 colours, turns go up to the last but one, so that the wheel has a seam
    # where motion is to the right and a little down: as in the published code.
    turn = (np.arctan2(-y, -x) / np.pi + 1) / 2 * (len(wheel) - 1)
    before = np.floor(turn).astype(int)
    share = (turn - before)[..., None]
    hue = (1 - share) * wheel[before] + share * wheel[(before + 1) % len(wheel)]
    length = length[..., None]
    colors = np.where(length <= 1, 1 - length * (1 - hue), hue * _BEYOND)
    colors[~known] = 0
    return np.floor(colors * 255 + 1e-9).astype(np.uint8)  # of 255, not of 254.99...


def strip(
    frame: np.ndarray,
    next_frame: np.ndarray,
    flow: np.ndarray,
    *,
    valid: np.ndarray | None = None,
    max_length: float | None = None,
) -> np.ndarray:
    """Frame t, frame t+1, their flow, and frame t+1 warped back by it, side by side.

    Where the flow is right, the last panel looks like the first. It is black where the
    flow leaves the frame or is unknown.

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.
        flow: `(H, W, 2)`, pixels.
        valid: bool `(H, W)`, as `picture` takes it.
        max_length: pixels, as `picture` takes it.

    Returns:
        `(H, 4 * W, 3)` uint8, RGB, for `write_png`.

    Raises:
        FlowError: the shapes do not fit.
        ValueError: `max_length` is not above zero.
    """
    if np.shape(frame) != np.shape(next_frame):
        raise FlowError(
            f"`frame` and `next_frame` must have one size. Received: "
            f"{np.shape(frame)} and {np.shape(next_frame)}."
        )
    colors = picture(flow, valid=valid, max_length=max_length)
    warped, _ = warping.warp(next_frame, flow)
    if valid is not None:
        warped[~np.asarray(valid, bool)] = 0
    warped = np.rint(warped).astype(np.uint8)
    return np.concatenate([frame, next_frame, colors, warped], axis=1)
