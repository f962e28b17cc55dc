"""Flow strips: pictures stay pixel by pixel, and red is around the future flow."""

import numpy as np
import pytest

from vidzoo import explain
from vidzoo.explain.sheet import RED

SIDE = 128  # not enlarged
GAP, LINE = 10, 20


def solid(value):
    return np.full((SIDE, SIDE, 3), value, np.uint8)


def place(row, column):
    """Where a picture lies: its pixels in the sheet, as slices."""
    top = GAP + LINE + row * (SIDE + GAP + LINE)
    left = GAP + column * (SIDE + GAP)
    return np.s_[top : top + SIDE, left : left + SIDE]


def red_box(picture):
    """Rows and columns from the first to the last that hold the frame's red."""
    rows, columns = np.nonzero((picture == RED).all(axis=-1))
    return rows.min(), rows.max() + 1, columns.min(), columns.max() + 1


FRAMES = [solid(v) for v in (10, 20, 30)]
FLOWS = [solid(v) for v in (110, 120, 130)]


def test_every_picture_is_where_it_belongs_and_unchanged():
    picture = explain.flow_strip(FRAMES, {"a": FLOWS, "b": FLOWS[::-1]})
    for row, expected in enumerate((FRAMES, FLOWS, FLOWS[::-1])):
        for column, panel in enumerate(expected):
            np.testing.assert_array_equal(picture[place(row, column)], panel)


def test_red_frame_is_around_the_future_flow_alone():
    picture = explain.flow_strip(FRAMES, {"a": FLOWS})
    rows, columns = place(1, 2)
    top, bottom, left, right = red_box(picture)
    assert (top, bottom) == (rows.start - 6, rows.stop + 6)
    assert (left, right) == (columns.start - 6, columns.stop + 6)
    # White lies between: motion to the right is red too.
    ring = picture[rows.start - 2 : rows.stop + 2, columns.start - 2 : columns.stop + 2]
    inside = np.s_[2:-2, 2:-2]
    ring = ring.copy()
    ring[inside] = 255
    assert (ring == 255).all()


def test_flow_without_future_has_no_frame():
    picture = explain.flow_strip(FRAMES, {"pairs": FLOWS[:2]})
    assert not (picture == RED).all(axis=-1).any()
    assert (picture[place(1, 2)] == 255).all()


def test_each_row_with_a_future_has_a_frame():
    picture = explain.flow_strip(FRAMES, {"a": FLOWS, "b": FLOWS[:2], "c": FLOWS})
    reds = (picture == RED).all(axis=-1)
    for row, has_frame in ((1, True), (2, False), (3, True)):
        rows, columns = place(row, 2)
        edge = reds[rows.start - 6, columns]
        assert edge.all() if has_frame else not edge.any()


def test_small_pictures_are_enlarged_by_whole_pixels():
    frame = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    picture = explain.flow_strip([frame], {"a": [frame]})
    shown = picture[GAP + LINE : GAP + LINE + 128, GAP : GAP + 6 * 32]
    np.testing.assert_array_equal(shown[::32, ::32], frame)
    np.testing.assert_array_equal(shown[31::32, 31::32], frame)


def test_captions_are_written_and_say_no_formulas():
    plain = explain.flow_strip(FRAMES, {"a": FLOWS}, caption="")
    written = explain.flow_strip(FRAMES, {"a": FLOWS}, caption="frames $x_{ of 日本")
    assert written.shape[0] == plain.shape[0] + LINE
    assert (written[GAP : GAP + LINE, : 2 * SIDE] < 128).any()


def test_a_long_caption_stays_inside():
    picture = explain.flow_strip(FRAMES, {"x" * 500: FLOWS})
    assert picture.shape[1] == GAP + 3 * (SIDE + GAP)
    assert (picture[:, -4:] == 255).all()


def test_comparison_stands_beside_each_other():
    pair, flows = FRAMES[:2], dict(zip("ab", FLOWS, strict=False))
    legend = explain.Panel(solid(77), "1 px at the edge")
    picture = explain.flow_comparison(*pair, flows, legend=legend)
    for column, panel in enumerate([*pair, *flows.values(), legend.picture]):
        np.testing.assert_array_equal(picture[place(0, column)], panel)
    assert not (picture == RED).all(axis=-1).any()


@pytest.mark.parametrize(
    "flows, text",
    [
        (FLOWS[:1], r"3 pictures a row.*or one less\. Received: 1 of a"),
        ([*FLOWS, FLOWS[0]], "Received: 4 of a"),
        ([p[:64] for p in FLOWS], r"\(64, 128, 3\) of a; enlarge the flow first"),
    ],
)
def test_flows_that_do_not_fit(flows, text):
    with pytest.raises(ValueError, match=text):
        explain.flow_strip(FRAMES, {"a": flows})


def test_a_panel_that_is_no_picture():
    with pytest.raises(
        ValueError, match=r"uint8 RGB \(H, W, 3\).* float64 \(2, 2, 3\)"
    ):
        explain.sheet([[explain.Panel(np.zeros((2, 2, 3)))]])
    with pytest.raises(ValueError, match="each hold a panel"):
        explain.sheet([])
