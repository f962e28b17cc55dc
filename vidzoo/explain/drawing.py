"""Figures of matplotlib as arrays; its global state is left alone."""

import warnings

import numpy as np

DPI = 72  # at which a point, the unit of letters' sizes, is a pixel


def new_figure(width: float, height: float, **options):
    """A white figure of so many pixels."""
    from matplotlib.figure import Figure  # half a second

    # A hair more, or a size that is no whole number in binary would lose a pixel.
    size = ((width + 0.01) / DPI, (height + 0.01) / DPI)
    return Figure(figsize=size, dpi=DPI, facecolor="white", **options)


def rendered(figure) -> np.ndarray:
    """A figure as a picture, `(H, W, 3)` uint8, RGB."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def shortened(text: str, longest: int) -> str:
    """A text of one line, and of `longest` characters at most.

    Example:
        >>> shortened("a long name", 6)
        'a lon…'
    """
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: max(longest - 1, 0)]}…"
