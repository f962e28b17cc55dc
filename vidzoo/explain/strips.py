"""Frames with the flow that networks see in them (Figs. 4.5 and 4.7).

Flow comes as pictures, coloured alike: `vidzoo_data.flow.picture` makes them.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from vidzoo.explain.sheet import Panel, sheet


def flow_strip(
    frames: Sequence[np.ndarray],
    flows: Mapping[str, Sequence[np.ndarray]],
    *,
    caption: str = "frames",
    legend: Panel | None = None,
) -> np.ndarray:
    """Frames in a row and, below each, its flow to the next one (Fig. 4.5).

    The flow of the last frame leads to one that is not shown: the future flow, which
    has a red frame.

    Args:
        frames: T pictures `(H, W, 3)` uint8, RGB, of one size.
        flows: by what stands above the row, pictures of the flow of the first frames:
            T of them, or T - 1 where there is no future flow.
        caption: above the frames.
        legend: beside the frames, such as the colour wheel.

    Returns:
        `(H', W', 3)` uint8, RGB.

    Raises:
        ValueError: there is no frame, or flows are of another number or size.
    """
    num_frames = len(frames)
    for name, pictures in flows.items():
        if len(pictures) not in (num_frames, num_frames - 1):
            raise ValueError(
                f"`flows` must have {num_frames} pictures a row, as there are frames, "
                f"or one less. Received: {len(pictures)} of {name}."
            )
        _check_sizes(frames[0], pictures, name)
    _check_sizes(frames[0], frames, "the frames")
    rows = [_captioned([Panel(frame) for frame in frames], caption)]
    if legend is not None:
        rows[0].append(legend)
    for name, pictures in flows.items():
        panels = [
            Panel(picture, is_framed=number == num_frames)
            for number, picture in enumerate(pictures, 1)
        ]
        rows.append(_captioned(panels, name))
    return sheet([row for row in rows if row])


def flow_comparison(
    frame: np.ndarray,
    next_frame: np.ndarray,
    flows: Mapping[str, np.ndarray],
    *,
    legend: Panel | None = None,
) -> np.ndarray:
    """Two frames and, beside them, the flow that each of several sees (Fig. 4.7).

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.
        flows: by what stands above it, a picture of the flow.
        legend: at the end, such as the colour wheel.

    Returns:
        `(H', W', 3)` uint8, RGB.

    Raises:
        ValueError: the pictures differ in size.
    """
    pictures = {"frame": frame, "next frame": next_frame, **flows}
    for name, picture in pictures.items():
        _check_sizes(frame, [picture], name)
    row = [Panel(picture, name) for name, picture in pictures.items()]
    return sheet([row if legend is None else [*row, legend]])


def _captioned(panels, caption):
    first = [Panel(p.picture, caption, p.is_framed) for p in panels[:1]]
    return first + panels[1:]


def _check_sizes(frame, pictures, name):
    for picture in pictures:
        if np.shape(picture) != np.shape(frame):
            raise ValueError(
                f"frames and flow must be pictures of one size, {np.shape(frame)}. "
                f"Received: {np.shape(picture)} of {name}; enlarge the flow first."
            )
