"""Pictures in rows, with captions and red frames, as one picture."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidzoo.explain import drawing

RED = (214, 0, 0)  # of frames
_FRAME = range(3, 7)  # pixels outside a picture, of which its frame takes these
_EDGE = 205  # grey, of the line around pictures, which may be white themselves
_GAP = 10  # pixels between pictures
_LINE = 20  # pixels, of a caption with what is above it
_FONT = 13  # pixels
_TICKS = 60  # pixels, beside a picture that has them
_SMALLEST = 128  # pixels of height: smaller pictures are enlarged


@dataclass(frozen=True)
class Panel:
    """A picture of a sheet.

    Attributes:
        picture: `(H, W, 3)` uint8, RGB.
        caption: stands above it, shortened to what is free up to the next caption.
        is_framed: whether it has a red frame, outside its pixels, in place of a thin
            grey line.
        ticks: at its right, text by height: 0 at the bottom, 1 at the top.
    """

    picture: np.ndarray
    caption: str = ""
    is_framed: bool = False
    ticks: Sequence[tuple[float, str]] = ()


def sheet(rows: Sequence[Sequence[Panel]]) -> np.ndarray:
    """Rows of pictures, on white.

    All are enlarged alike, each pixel to a square of n x n equal ones, if the first is
    less than 128 pixels high. Pixels are otherwise kept as they are.

    Args:
        rows: panels, from left to right, of any sizes.

    Returns:
        `(H, W, 3)` uint8, RGB.

    Raises:
        ValueError: there is no panel, or one is no picture.
    """
    if not rows or not all(rows):
        raise ValueError(
            "`rows` must each hold a panel. Received: none in one of them."
        )
    for row in rows:
        for panel in row:
            _check_picture(panel.picture)
    zoom = -(-_SMALLEST // min(_SMALLEST, len(rows[0][0].picture)))
    rows = [[_Placed(panel, zoom) for panel in row] for row in rows]
    top = _GAP
    for row in rows:
        has_caption = any(placed.panel.caption for placed in row)
        top, left = top + _LINE * has_caption, _GAP
        for placed in row:
            placed.top, placed.left = top, left
            left += placed.width + _GAP
        top += max(len(placed.pixels) for placed in row) + _GAP
    width = max(row[-1].left + row[-1].width for row in rows) + _GAP
    image = np.full((top, width, 3), 255, np.uint8)
    for row in rows:
        for placed in row:
            placed.paint(image)
    return _with_texts(image, rows)


class _Placed:
    """A panel at its size and place."""

    def __init__(self, panel, zoom):
        self.panel = panel
        self.pixels = panel.picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
        self.width = self.pixels.shape[1] + (_TICKS if panel.ticks else 0)
        self.top = self.left = 0

    def paint(self, image):
        height, width = self.pixels.shape[:2]
        if self.panel.is_framed:
            outer, inner = _FRAME.stop - 1, _FRAME.start - 1
            self._fill(image, outer, RED)
            self._fill(image, inner, 255)
        else:
            self._fill(image, 1, _EDGE)
        image[self.top : self.top + height, self.left : self.left + width] = self.pixels

    def _fill(self, image, margin, colour):
        height, width = self.pixels.shape[:2]
        rows = slice(self.top - margin, self.top + height + margin)
        columns = slice(self.left - margin, self.left + width + margin)
        image[rows, columns] = colour


def _with_texts(image, rows):
    height, width = image.shape[:2]
    figure = drawing.new_figure(width, height)
    figure.figimage(image)

    def write(x, y, text, **alignment):
        # Names are no formulas, whatever dollar signs they hold.
        plain = {"fontsize": _FONT, "parse_math": False}
        figure.text(x / width, 1 - y / height, text, **plain, **alignment)

    for row in rows:
        end = width
        for placed in reversed(row):
            if placed.panel.caption:
                room = end - _GAP - placed.left
                text = drawing.fitted(figure, placed.panel.caption, room, _FONT)
                write(placed.left, placed.top - 6, text, va="baseline")
                end = placed.left
            beside = placed.left + placed.pixels.shape[1] + 6
            for share, text in placed.panel.ticks:
                y = placed.top + (1 - share) * len(placed.pixels)
                where = {0: "bottom", 1: "top"}.get(share, "center")
                write(beside, y, text, va=where)
    return drawing.rendered(figure)


def _check_picture(picture):
    shape, kind = np.shape(picture), getattr(picture, "dtype", type(picture).__name__)
    if len(shape) != 3 or shape[2] != 3 or 0 in shape or kind != np.uint8:
        raise ValueError(
            f"a panel's `picture` must be uint8 RGB (H, W, 3). Received: {kind} "
            f"{shape}."
        )
