"""Flow in eight bits: the round trip, clipping, and what stands for zero."""

import numpy as np
import pytest

from vidzoo.errors import FlowError
from vidzoo_data import flow as flows

BOUNDS = [flows.TSN_BOUND, flows.FULL_LENGTH_BOUND, 3.7]


@pytest.mark.parametrize("bound", BOUNDS)
def test_inside_the_bound_half_a_step_is_lost(bound):
    flow = np.linspace(-bound, bound, 10001)
    error = np.abs(flows.from_bytes(flows.to_bytes(flow, bound), bound) - flow)
    half_step = bound / 255
    assert 0.99 * half_step < error.max() <= half_step * (1 + 1e-4)


@pytest.mark.parametrize("bound", BOUNDS)
def test_outside_it_is_clipped(bound):
    beyond = np.array([-1e9, -bound - 0.01, bound + 0.01, 1e9])
    values = flows.to_bytes(beyond, bound)
    assert values.tolist() == [0, 0, 255, 255]
    found = flows.from_bytes(values, bound)
    assert found == pytest.approx([-bound, -bound, bound, bound], rel=1e-6)


@pytest.mark.parametrize("bound", BOUNDS)
def test_every_byte_comes_back(bound):
    values = np.arange(256, dtype=np.uint8)
    flow = flows.from_bytes(values, bound)
    assert flow.dtype == np.float32
    assert np.array_equal(flows.to_bytes(flow, bound), values)


def test_zero_is_held_to_eight_hundredths_of_a_pixel():
    values = flows.to_bytes(np.zeros((2, 3, 2), np.float32), 20)
    assert (values == 128).all() and values.dtype == np.uint8
    assert np.abs(flows.from_bytes(values, 20)).max() < 0.08


def test_as_tsn_has_it():
    """Of its tools: cvRound(255 * (v - low) / (high - low))."""
    assert flows.to_bytes([-10, 0.1, 5, 19.95], 20).tolist() == [64, 128, 159, 255]


def test_png_keeps_every_byte_and_x_apart_from_y():
    flow = np.random.default_rng(0).uniform(-25, 25, (9, 13, 2))
    x, y = flows.to_images(flow, 20)
    found = flows.from_images(x, y, 20)
    assert np.array_equal(found, flows.from_bytes(flows.to_bytes(flow, 20), 20))
    assert not np.array_equal(found[..., 0], found[..., 1])
    assert np.array_equal(flows.from_images(y, x, 20), found[..., ::-1])


def test_jpeg_adds_little():
    y, x = np.mgrid[:64, :64] / 64
    flow = np.stack([10 * x - 5 * y, 3 * np.sin(4 * x)], axis=-1)
    jpegs = flows.to_images(flow, 20, "jpeg")
    assert all(image.startswith(b"\xff\xd8\xff") for image in jpegs)
    assert np.abs(flows.from_images(*jpegs, 20) - flow).mean() < 0.1


def test_values_that_do_not_fit():
    with pytest.raises(FlowError, match="Received: 1 of 4 values that are not"):
        flows.to_bytes([[0, 1], [np.nan, 2]], 20)
    with pytest.raises(FlowError, match="must be uint8. Received: float64"):
        flows.from_bytes(np.zeros(3), 20)
    with pytest.raises(FlowError, match=r"must be \(H, W, 2\). Received: \(3, 4, 3\)"):
        flows.to_images(np.zeros((3, 4, 3)), 20)
    with pytest.raises(ValueError, match="one of png, jpeg. Received: 'gif'"):
        flows.to_images(np.zeros((3, 4, 2)), 20, "gif")
    for bound in (0, -20, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`bound` must be above zero"):
            flows.to_bytes(np.zeros(2), bound)


def test_images_that_do_not_fit():
    x, y = flows.to_images(np.zeros((3, 4, 2)), 20)
    other, _ = flows.to_images(np.zeros((4, 3, 2)), 20)
    with pytest.raises(FlowError, match=r"one size. Received: \(3, 4\) and \(4, 3\)"):
        flows.from_images(x, other, 20)
    for broken in (b"", b"no image"):
        message = rf"`y` must be an image .* Received: {len(broken)} bytes"
        with pytest.raises(FlowError, match=message):
            flows.from_images(x, broken, 20)
