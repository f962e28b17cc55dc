"""Figures of matplotlib as arrays; its global state is left alone."""

import contextlib
import warnings

import numpy as np

DPI = 72  # at which a point, the unit of letters' sizes, is a pixel


@contextlib.contextmanager
def _without_glyph_warnings():
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


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
    with _without_glyph_warnings():
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def fitted(figure, text: str, width: float, size: float) -> str:
    """A text of one line, shortened until it is no wider.

    Args:
        figure: on which it is to be written.
        text: what.
        width: pixels.
        size: of its letters, in pixels.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.font_manager import FontProperties

    renderer, font = FigureCanvasAgg(figure).get_renderer(), FontProperties(size=size)
    with _without_glyph_warnings():
        for longest in range(len(text), 0, -1):
            line = shortened(text, longest)
            if renderer.get_text_width_height_descent(line, font, False)[0] <= width:
                return line
    return ""


def shortened(text: str, longest: int) -> str:
    """A text of one line, and of `longest` characters at most.

    Example:
        >>> shortened("a long name", 6)
        'a lon…'
    """
    text = " ".join(text.split())
    return text if len(text) <= longest else f"{text[: max(longest - 1, 0)]}…"
