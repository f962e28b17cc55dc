"""Class-wise differences in accuracy as horizontal bars (Fig. 4.6)."""

import numpy as np

from vidzoo.explain import drawing
from vidzoo.explain.class_differences import ClassDifferences

POSITIVE, NEGATIVE = (31, 95, 180), (204, 37, 41)  # RGB
_MOST_BARS = 40
_BAR = 18  # pixels, with what is between two
_LONGEST_NAME = 28  # characters
_WIDTH = 760  # pixels
_PADDING = 10  # pixels around all


def class_bars(found: ClassDifferences, name_a: str, name_b: str) -> np.ndarray:
    """One bar a class, blue where the first network is better, red where the second is.

    Of more than 40 classes, the 20 at either end are shown, and how many are not.

    Args:
        found: what `class_differences` gave.
        name_a: of the first network.
        name_b: of the second.

    Returns:
        `(H, W, 3)` uint8, RGB.
    """
    shown, num_hidden = _shown(len(found.classes))
    gains = 100 * found.differences[shown]
    names = [
        drawing.shortened(found.classes[i], _LONGEST_NAME) or "(no name)" for i in shown
    ]
    figure = drawing.new_figure(_WIDTH, 124 + _BAR * len(shown), layout="constrained")
    padding = _PADDING / drawing.DPI
    figure.get_layout_engine().set(w_pad=padding, h_pad=padding)
    axes = figure.add_subplot()
    colours = [np.divide(POSITIVE if g > 0 else NEGATIVE, 255) for g in gains]
    places = np.arange(len(shown))
    axes.barh(places, gains, height=0.72, color=colours)
    axes.set_yticks(places, names, fontsize=11, parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)  # the first on top
    axes.axvline(0, color="black", linewidth=0.8)
    axes.tick_params(axis="x", labelsize=11)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.88")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    _write_values(axes, places, gains)
    if num_hidden:
        axes.axhline(_MOST_BARS / 2 - 0.5, color="0.5", linestyle=":")
    axes.set_xlabel(_below(name_a, name_b, num_hidden), fontsize=11, parse_math=False)
    axes.set_title(_above(found), fontsize=12)
    return drawing.rendered(figure)


def _shown(num_classes):
    """Numbers of the classes that are drawn, and how many are not."""
    if num_classes <= _MOST_BARS:
        return np.arange(num_classes), 0
    half = _MOST_BARS // 2
    ends = (np.arange(half), np.arange(num_classes - half, num_classes))
    return np.concatenate(ends), num_classes - _MOST_BARS


def _write_values(axes, places, gains):
    longest = max(np.abs(gains).max(), 1)
    low, high = min(gains.min(), 0), max(gains.max(), 0)
    axes.set_xlim(low - 0.14 * longest * (low < 0), high + 0.14 * longest)
    for place, gain in zip(places, gains, strict=True):
        side = -1 if gain < 0 else 1
        axes.text(
            gain + 0.012 * longest * side,
            place,
            f"{gain:+.1f}".replace("-", "−") if gain else "0",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=10,
        )


def _above(found):
    points = [100 * value for value in (found.difference, found.low, found.high)]
    texts = [f"{value:+.1f}".replace("-", "−") for value in points]
    return (
        f"{found.num_videos} videos: {texts[0]} points "
        f"(95 % interval {texts[1]} to {texts[2]})"
    )


def _below(name_a, name_b, num_hidden):
    names = [drawing.shortened(name, 2 * _LONGEST_NAME) for name in (name_a, name_b)]
    text = f"accuracy of {names[0]} minus that of {names[1]}, percentage points"
    if num_hidden:
        text += f"\nthe {num_hidden} classes between the two halves are not shown"
    return text
