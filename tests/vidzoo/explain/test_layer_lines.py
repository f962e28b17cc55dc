"""Lines over layers, as pixels."""

import numpy as np
import pytest

from vidzoo.explain import Line, LinesPanel, layer_lines

BLUE, RED = (0x1F, 0x5F, 0xB4), (0xCC, 0x25, 0x29)
LAYERS = ("low", "middle", "high")


def drawn(**lines):
    panel = LinesPanel(
        "a network",
        LAYERS,
        [
            Line(name, values, {k: (v, v) for k, v in values.items()}, 0, number)
            for number, (name, values) in enumerate(lines.items())
        ],
        {"pooled": 0.5},
    )
    return layer_lines([panel], "mAP")


def rows_of(picture, colour):
    return np.flatnonzero((picture == colour).all(axis=2).any(axis=1))


def test_higher_is_higher():
    low, high = dict.fromkeys(LAYERS, 0.2), dict.fromkeys(LAYERS, 0.8)
    picture = drawn(one=low, two=high)
    assert picture.dtype == np.uint8 and picture.shape == (380, 180 + 46 * 4, 3)
    swapped = drawn(one=high, two=low)
    # What is lowest of a colour is its line: the legend may be anywhere.
    assert rows_of(picture, BLUE).max() > rows_of(picture, RED).max() + 50
    assert rows_of(swapped, RED).max() > rows_of(swapped, BLUE).max() + 50


def test_layers_without_a_value_are_passed_over():
    """The line goes straight on: only the middle's point and its bar are missing."""
    whole = drawn(one=dict.fromkeys(LAYERS, 0.4))
    without = drawn(one={"low": 0.4, "high": 0.4})
    rows, columns, _ = np.nonzero(whole != without)
    assert 0 < np.ptp(rows) < 12 and 0 < np.ptp(columns) < 12


def test_nothing_to_draw():
    with pytest.raises(ValueError, match="must each have a layer"):
        layer_lines([LinesPanel("none", (), [], {})], "mAP")
