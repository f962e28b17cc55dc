"""What layers of a network measure, low to high, as lines (Fig. 2.2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vidzoo.explain import drawing

_STYLES = ("-", "--", ":", "-.")
_COLOURS = ("#1f5fb4", "#cc2529", "#2e8b57", "#8f5bb5", "#b8860b")
_WIDTH, _HEIGHT, _PER_LAYER = 180, 380, 46  # pixels
_PADDING = 10 / drawing.DPI
_SHIFT = 0.06  # of a layer's place, so that no bar hides another's


@dataclass(frozen=True)
class Line:
    """A line of a panel.

    Attributes:
        label: in the legend.
        values: by layer; layers without one are passed over.
        ends: by layer, the ends of its error bar.
        style: a number; lines of one number are drawn alike.
        colour: likewise.
    """

    label: str
    values: Mapping[str, float]
    ends: Mapping[str, tuple[float, float]]
    style: int = 0
    colour: int = 0


@dataclass(frozen=True)
class LinesPanel:
    """What is measured of one network.

    Attributes:
        title: above it.
        layers: along x, low to high.
        lines: one for each scale and vocabulary size.
        levels: by what the legend calls it, what has no layer: dotted from side to
            side.
    """

    title: str
    layers: Sequence[str]
    lines: Sequence[Line]
    levels: Mapping[str, float]


def layer_lines(panels: Sequence[LinesPanel], y_label: str) -> np.ndarray:
    """Panels beside each other, on one scale from 0 to 1.

    Args:
        panels: one for each network.
        y_label: what is measured.

    Returns:
        `(H, W, 3)` uint8, RGB.

    Raises:
        ValueError: there is no panel, or one without layers.
    """
    if not panels or not all(panel.layers for panel in panels):
        raise ValueError("`panels` must each have a layer. Received: none.")
    widths = [_WIDTH + _PER_LAYER * max(4, len(panel.layers)) for panel in panels]
    figure = drawing.new_figure(sum(widths), _HEIGHT, layout="constrained")
    figure.get_layout_engine().set(w_pad=_PADDING, h_pad=_PADDING)
    grid = figure.subplots(1, len(panels), squeeze=False, width_ratios=widths)
    for axes, panel in zip(grid[0], panels, strict=True):
        _draw(axes, panel)
    grid[0][0].set_ylabel(y_label, fontsize=11)
    return drawing.rendered(figure)


def _draw(axes, panel):
    places = {layer: place for place, layer in enumerate(panel.layers)}
    middle, handles = (len(panel.lines) - 1) / 2, []
    for number, line in enumerate(panel.lines):
        layers = [layer for layer in panel.layers if layer in line.values]
        values = np.array([line.values[layer] for layer in layers])
        ends = np.array([line.ends[layer] for layer in layers]).T  # (2, L)
        handle = axes.errorbar(
            [places[layer] + _SHIFT * (number - middle) for layer in layers],
            values,
            # Rounding may put a mean of equal values outside of them.
            yerr=np.maximum(0, [values - ends[0], ends[1] - values]),
            linestyle=_STYLES[line.style % len(_STYLES)],
            color=_COLOURS[line.colour % len(_COLOURS)],
            marker="o",
            markersize=4,
            linewidth=1.5,
            capsize=2.5,
            label=line.label,
        )
        handles.append(handle)
    for number, (label, value) in enumerate(panel.levels.items()):
        style = (0, (1, 2 + 2 * number))
        look = {"color": "0.35", "linewidth": 1.2, "linestyle": style}
        handles.append(axes.axhline(value, label=label, **look))
    axes.set_xticks(range(len(places)), panel.layers, rotation=40, ha="right")
    axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_ylim(0, 1)
    axes.tick_params(labelsize=10)
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(panel.title, fontsize=12, parse_math=False)
    axes.legend(handles=handles, fontsize=10, frameon=False, loc="best")
