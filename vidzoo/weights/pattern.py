"""A picture that every installation can draw, to ask a network a known question."""

import math

import numpy as np


def draw(shape: tuple[int, ...]) -> np.ndarray:
    """Draws the test pattern: waves whose direction and length differ by channel.

    Swapped channels, swapped height and width, a mirrored kernel, or another mean or
    scale of the pixels, all change what a network answers to it.

    Args:
        shape: `(H, W, C)` of an image or `(T, H, W, C)` of a clip, in which the waves
            move from frame to frame.

    Returns:
        uint8 of that shape.
    """
    *time, height, width, channels = shape
    y = np.arange(height)[:, None, None] / height
    x = np.arange(width)[None, :, None] / width
    c = np.arange(channels)
    t = np.arange(time[0] if time else 1)[:, None, None, None] / 16
    coarse = np.sin(2 * math.pi * ((c + 1) * x + (3 - c) * y * y + t))
    fine = np.sin(2 * math.pi * ((9 - 2 * c) * x * y + (4 + 3 * c) * y - 2 * t))
    # Off the middle, where many a value would be a tie that two machines round apart.
    pixels = np.rint(127.3 + 90 * coarse + 37 * fine).astype(np.uint8)
    return pixels if time else pixels[0]
