"""Windows of frames, as the networks of section 3.3.1 have them."""

WINDOW, STRIDE = 10, 5  # frames


def num_windows(num_frames: int) -> int:
    """W: whole windows in a clip of so many frames.

    Example:
        >>> num_windows(30), num_windows(120)
        (5, 23)
    """
    return max(0, (num_frames - WINDOW) // STRIDE + 1)
