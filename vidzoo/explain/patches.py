"""Pictures of what a layer takes for alike (Figs. 2.3 and 2.4)."""

import numpy as np

_GAP = 3  # pixels between patches
_GAP_BEHIND_FIRST = 9
_SIDE = 48  # pixels that a smaller patch is enlarged to


def patchwork(patches: np.ndarray, map_size: tuple[int, int]) -> np.ndarray:
    """A picture put together of the patches that stand for those it had (Fig. 2.3).

    Args:
        patches: uint8 `(h*w, k, p, q, 3)`, k for each position, of which the mean is
            shown.
        map_size: `(h, w)`.

    Returns:
        `(h*p, w*q, 3)` uint8, RGB.

    Raises:
        ValueError: there are not so many patches.
    """
    height, width = map_size
    if patches.ndim != 5 or len(patches) != height * width or not patches.shape[1]:
        raise ValueError(
            f"`patches` must be ({height * width}, k, p, q, 3), one row for each "
            f"position of `map_size` {map_size}. Received: {patches.shape}."
        )
    means = np.rint(patches.mean(axis=1)).astype(np.uint8)
    p, q, channels = means.shape[1:]
    grid = means.reshape(height, width, p, q, channels).swapaxes(1, 2)
    return grid.reshape(height * p, width * q, channels)


def patch_clusters(patches: np.ndarray) -> np.ndarray:
    """Rows of patches, each with what it is nearest to on the left (Fig. 2.4).

    Args:
        patches: uint8 `(R, k, p, q, 3)`: R rows, the nearest first.

    Returns:
        `(H, W, 3)` uint8, RGB.

    Raises:
        ValueError: they are of another shape, or there is none.
    """
    if patches.ndim != 5 or 0 in patches.shape:
        raise ValueError(
            f"`patches` must be (R, k, p, q, 3), none of them 0. "
            f"Received: {patches.shape}."
        )
    p, q = patches.shape[2:4]
    height, width = max(_SIDE, p), max(_SIDE, q)
    rows = np.arange(height) * p // height
    columns = np.arange(width) * q // width
    enlarged = patches[:, :, rows[:, None], columns]
    row_gap = np.full((_GAP, 1, 3), 255, np.uint8)
    lines = []
    for row in enlarged:
        parts = []
        for number, patch in enumerate(row):
            gap = (_GAP_BEHIND_FIRST if number == 1 else _GAP) if number else 0
            parts += [np.full((height, gap, 3), 255, np.uint8), patch]
        line = np.concatenate(parts, axis=1)
        lines += [row_gap.repeat(line.shape[1], axis=1), line]
    return np.concatenate(lines[1:])
