"""Warping by true flow, on real pairs and on motion shapes."""

import json

import numpy as np
import pytest

from vidzoo.errors import FlowError
from vidzoo_data import flow as flows
from vidzoo_data import synthetic


def real_pair(shared_data, name):
    folder = shared_data / name
    if folder.is_dir():
        frames = (folder / "frame10.png", folder / "frame11.png")
        return *flows.read_pair(*frames), *flows.read_flo(folder / "flow10.flo")
    stem = str(folder)
    pair = flows.read_pair(f"{stem}-img0.ppm", f"{stem}-img1.ppm")
    return *pair, *flows.read_flo(f"{stem}-gt.flo")


def test_true_flow_lowers_the_photometric_error_as_listed(shared_data):
    expected = json.loads((shared_data / "expected" / "flow.json").read_text())
    assert len(expected) == 5
    for name, listed in expected.items():
        frame, next_frame, flow, valid = real_pair(shared_data, name)
        assert list(frame.shape[1::-1]) == listed["size"]
        assert (~valid).sum() == listed["unknown"]
        warped, inside = flows.warp(next_frame, flow)
        mask = inside & valid
        before = flows.photometric_error(frame, next_frame, mask)
        after = flows.photometric_error(frame, warped, mask)
        assert before == pytest.approx(listed["photo_err_unwarped"], abs=0.006)
        # Bilinear weights are those of 1/32 pixel before OpenCV 5.
        assert after == pytest.approx(listed["photo_err_warped_gt"], abs=0.02)
        assert after < before


def test_exact_flow_undoes_the_motion():
    scene = synthetic.draw_scene(np.random.default_rng(3), "left", "disk", size=64)
    frames = synthetic.render(scene)
    flow, visible = synthetic.exact_flow(scene)
    warped, inside = flows.warp(frames[1], flow[0])
    moving = visible[0] & inside & flow[0].any(axis=-1)
    before = flows.photometric_error(frames[0], frames[1], moving)
    after = flows.photometric_error(frames[0], warped, moving)
    assert after < before / 3


def test_whole_pixels_are_moved_exactly():
    frame = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    flow = np.zeros((6, 9, 2))
    flow[...] = 2, -1  # right and up
    warped, inside = flows.warp(frame, flow)
    assert inside[1:, :-2].all() and inside.sum() == 5 * 7
    assert np.array_equal(warped[1:, :-2], frame[:-1, 2:])
    assert not warped[~inside].any()


def test_half_pixels_are_means_and_the_border_counts():
    frame = np.arange(12.0).reshape(3, 4, 1)
    flow = np.full((3, 4, 2), 0.5)
    warped, inside = flows.warp(frame, flow)
    assert warped.shape == (3, 4, 1)
    assert warped[0, 0, 0] == (0 + 1 + 4 + 5) / 4
    assert np.array_equal(np.argwhere(~inside)[:, 0] == 2, [0, 0, 1, 1, 1, 1])
    assert flows.warp(frame, 0 * flow)[1].all()


def test_flow_that_is_not_finite_is_outside():
    flow = np.zeros((3, 4, 2))
    flow[0, 0, 0], flow[1, 1, 1], flow[2, 2] = np.nan, np.inf, 1e10
    warped, inside = flows.warp(np.ones((3, 4, 3)), flow)
    assert np.argwhere(~inside).tolist() == [[0, 0], [1, 1], [2, 2]]
    assert np.array_equal(warped[..., 0], inside)


def test_photometric_error_counts_the_mask_alone():
    a, b = np.zeros((2, 2, 3)), np.zeros((2, 2, 3))
    b[0, 0], b[1, 1] = 6, 100
    mask = np.array([[True, True], [True, False]])
    assert flows.photometric_error(a, b, mask) == 2
    assert flows.photometric_error(a.astype(np.uint8), b) == 106 / 4
    assert np.isnan(flows.photometric_error(a, b, ~(mask | True)))


def test_shapes_that_do_not_fit():
    with pytest.raises(FlowError, match=r"Received: \(3, 4, 3\) and \(4, 3, 2\)"):
        flows.warp(np.zeros((3, 4, 3)), np.zeros((4, 3, 2)))
    with pytest.raises(FlowError, match=r"Received: \(3, 4, 3\), \(3, 4, 1\) and"):
        flows.photometric_error(np.zeros((3, 4, 3)), np.zeros((3, 4, 1)))
