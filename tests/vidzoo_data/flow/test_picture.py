"""Middlebury's colours, against values of its published code, and strips."""

import colorsys

import numpy as np
import pytest

from vidzoo.errors import FlowError
from vidzoo_data import flow as flows


def color(x, y, **options):
    return flows.picture(np.array([[[x, y]]], float), **options)[0, 0].tolist()


def test_wheel_goes_once_through_all_hues():
    wheel = flows.color_wheel()
    assert wheel.shape == (55, 3)
    corners = wheel[[0, 15, 21, 25, 36, 49]].tolist()
    red, yellow, green = [255, 0, 0], [255, 255, 0], [0, 255, 0]
    cyan, blue, magenta = [0, 255, 255], [0, 0, 255], [255, 0, 255]
    assert corners == [red, yellow, green, cyan, blue, magenta]
    hues = [colorsys.rgb_to_hsv(*rgb)[0] for rgb in (wheel / 255).tolist()]
    assert (np.diff(hues) > 0).all()
    assert (wheel.max(axis=1) == 255).all() and (wheel.min(axis=1) == 0).all()


@pytest.mark.parametrize(
    "x, y, expected",
    [
        # The wheel at 0, 13.5, 27 and 40.5, where entry 27 is 255 - 255 * 2 // 11.
        (1, 0, [255, 0, 0]),
        (0, 1, [255, 229, 0]),
        (-1, 0, [0, 209, 255]),
        (0, -1, [88, 0, 255]),
    ],
)
def test_directions(x, y, expected):
    assert color(x, y) == expected
    assert color(4 * x, 4 * y) == expected  # normalised by its own longest


def test_length_is_saturation():
    assert color(0, 0) == [255, 255, 255]
    assert color(2, 0, max_length=4) == [255, 127, 127]
    assert color(4, 0, max_length=4) == [255, 0, 0]
    assert color(8, 0, max_length=4) == [191, 0, 0]  # 0.75, beyond the longest
    field = flows.picture(np.array([[[1.0, 0], [0.5, 0]]]))
    assert field[0].tolist() == [[255, 0, 0], [255, 127, 127]]


def test_unknown_is_black_and_does_not_scale_the_rest():
    flow = np.array([[[1.0, 0], [1e10, 1e10], [np.nan, 0], [np.inf, 1]]])
    known = np.array([[True, False, True, True]])
    found = flows.picture(flow, valid=known)[0].tolist()
    assert found == [[255, 0, 0]] + 3 * [[0, 0, 0]]


def test_all_directions_have_full_saturation():
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    flow = np.stack([np.cos(angles), np.sin(angles)], axis=-1)[None]
    found = flows.picture(flow, max_length=1.0001)[0]
    assert (found.max(axis=1) >= 254).all() and (found.min(axis=1) <= 1).all()
    assert len(np.unique(found, axis=0)) > 500


def test_strip_shows_frames_flow_and_the_frame_warped_back(tmp_path):
    random = np.random.default_rng(0)
    frame = random.integers(1, 256, (8, 12, 3), dtype=np.uint8)
    next_frame = np.roll(frame, 2, axis=1)
    flow = np.zeros((8, 12, 2))
    flow[..., 0] = 2
    valid = np.ones((8, 12), bool)
    valid[0] = False
    image = flows.strip(frame, next_frame, flow, valid=valid)
    assert (image.shape, image.dtype) == ((8, 48, 3), np.uint8)
    panels = np.split(image, 4, axis=1)
    assert np.array_equal(panels[0], frame)
    assert np.array_equal(panels[1], next_frame)
    assert np.array_equal(panels[2], flows.picture(flow, valid=valid))
    assert np.array_equal(panels[3][1:, :-2], frame[1:, :-2])
    assert not panels[3][:, -2:].any() and not panels[3][0].any()
    flows.write_png(tmp_path / "strip.png", image)
    assert np.array_equal(flows.read_frame(tmp_path / "strip.png"), image)


def test_shapes_that_do_not_fit():
    with pytest.raises(FlowError, match=r"Received: \(3, 4\) and \(3, 4\)"):
        flows.picture(np.zeros((3, 4)))
    with pytest.raises(FlowError, match=r"Received: \(3, 4, 2\) and \(4, 3\)"):
        flows.picture(np.zeros((3, 4, 2)), valid=np.ones((4, 3), bool))
    with pytest.raises(ValueError, match="`max_length` must be above .* Received: 0"):
        flows.picture(np.zeros((3, 4, 2)), max_length=0)
    frame = np.zeros((3, 4, 3), np.uint8)
    with pytest.raises(FlowError, match=r"Received: \(3, 4, 3\) and \(3, 3, 3\)"):
        flows.strip(frame, frame[:, 1:], np.zeros((3, 4, 2)))
