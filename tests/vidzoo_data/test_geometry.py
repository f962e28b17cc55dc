"""Images and flow moved by one similarity: the flow stays true."""

import dataclasses
import math

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import SHARED_DATA
from vidzoo_data import flow as flows
from vidzoo_data import synthetic
from vidzoo_data.clips import CenterCrop, geometry

SIZE, RESULT = 96, 80
MOVES = {
    "rotated": {"angle": math.radians(17)},
    "turned by much": {"angle": math.radians(-140)},
    "enlarged": {"scale": 1.7},
    "made smaller": {"scale": 0.9},
    "mirrored": {"flip": True},
    "translated": {"centre": (41.3, 55.2)},
    "all of it": {"centre": (44, 52), "scale": 1.3, "angle": -0.25, "flip": True},
}


def matrix_of(centre=((SIZE - 1) / 2, (SIZE - 1) / 2), **options):
    return geometry.similarity(centre, RESULT, **options)


def moved_scene(
    scene, *, centre=((SIZE - 1) / 2,) * 2, scale=1.0, angle=0.0, flip=False
):
    """The scene whose frames are those of `scene`, moved; `RESULT` pixels large.

    Written without the matrix: a place is turned about `centre`, scaled, mirrored.
    Every outline is symmetric about its first corner, at the shape's own angle.
    """

    def turned(x, y):
        x, y = (
            scale * (x * math.cos(angle) + y * math.sin(angle)),
            scale * (y * math.cos(angle) - x * math.sin(angle)),
        )
        return (-x if flip else x), y

    middle = (RESULT - 1) / 2
    x, y = turned(scene.mid.x - centre[0], scene.mid.y - centre[1])
    u, v = turned(scene.velocity.x, scene.velocity.y)
    heading, turn = scene.mid.angle + angle, scene.velocity.angle
    if flip:
        heading, turn = math.pi - heading, -turn
    log_scale = scene.mid.log_scale + math.log(scale)
    return dataclasses.replace(
        scene,
        size=RESULT,
        mid=synthetic.State(middle + x, middle + y, log_scale, heading),
        velocity=synthetic.State(u, v, scene.velocity.log_scale, turn),
    )


def draw(motion, shape="star", seed=0):
    rng = np.random.default_rng(seed)
    return synthetic.draw_scene(rng, motion, shape, size=SIZE, num_frames=2)


def near_edges(inside, distance=2):
    """Bool `(H, W)`: within so many pixels of where motion begins or ends."""
    inside = inside.astype(np.uint8)
    kernel = np.ones((2 * distance + 1,) * 2, np.uint8)
    return cv2.dilate(inside, kernel) != cv2.erode(inside, kernel)


def moving(flow):
    return np.linalg.norm(flow, axis=-1) > 1e-3


# Against scenes that are moved before they are rendered


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("motion", ["left", "up", "turn_left", "grow"])
def test_moved_flow_is_that_of_the_moved_scene(move, motion):
    scene = draw(motion)
    flow, _ = synthetic.exact_flow(scene)
    (expected,), _ = synthetic.exact_flow(moved_scene(scene, **move))
    (found,) = geometry.transformed_flow(flow, matrix_of(**move), RESULT).numpy()
    errors = np.linalg.norm(found - expected, axis=-1)
    counts = np.isfinite(errors) & ~near_edges(moving(expected))
    on_shape = counts & moving(expected)
    assert on_shape.sum() > 100 and counts.mean() > 0.5
    assert np.median(errors[on_shape]) < 0.1  # pixels
    assert errors[counts].max() < 0.1
    # It says something: without the vectors' own turn the error is that of a guess.
    unturned = np.linalg.norm(expected, axis=-1)[on_shape]
    assert np.median(unturned) > 1


@pytest.mark.parametrize("motion", ["right", "shrink"])
def test_vectors_left_as_they_are_would_be_noticed(motion):
    move = MOVES["all of it"]
    scene = draw(motion)
    flow, _ = synthetic.exact_flow(scene)
    (expected,), _ = synthetic.exact_flow(moved_scene(scene, **move))
    matrix = matrix_of(**move)
    (found,) = geometry.transformed_flow(flow, matrix, RESULT).numpy()
    found = found @ np.linalg.inv(matrix.numpy()[:, :2]).T
    errors = np.linalg.norm(found - expected, axis=-1)
    on_shape = np.isfinite(errors) & moving(expected) & ~near_edges(moving(expected))
    assert np.median(errors[on_shape]) > 0.5


@pytest.mark.parametrize(
    "name", ["rotated", "turned by much", "enlarged", "translated"]
)
def test_moved_images_are_those_of_the_moved_scene(name):
    """On the shape, whose texture moves along; the background's does not."""
    scene = draw("turn_left", "disk")
    rendered = synthetic.render(moved_scene(scene, **MOVES[name])).astype(float)
    matrix = matrix_of(**MOVES[name])
    found = geometry.transformed(synthetic.render(scene), matrix, RESULT).numpy()
    (flow,), _ = synthetic.exact_flow(moved_scene(scene, **MOVES[name]))
    inside = moving(flow) & ~near_edges(moving(flow), 3)
    assert np.abs(found[0] - rendered[0])[inside].mean() < 2  # grey levels


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_moved_flow_carries_the_moved_next_frame_back(move):
    scene = draw("right", "square", seed=3)
    frames, (flow, visible) = synthetic.render(scene), synthetic.exact_flow(scene)
    flow[~visible] = np.nan
    matrix = matrix_of(**move)
    frame, next_frame = geometry.transformed(frames, matrix, RESULT).numpy()
    (field,) = geometry.transformed_flow(flow, matrix, RESULT).numpy()
    warped, inside = flows.warp(next_frame, field)
    inside &= ~near_edges(moving(np.nan_to_num(field)))
    assert inside.mean() > 0.4
    error = flows.photometric_error(frame, warped, inside)
    assert (
        error
        < 3
        < flows.photometric_error(
            frame, next_frame, inside & moving(np.nan_to_num(field))
        )
    )


# Against TensorFlow Addons


@pytest.fixture(scope="module")
def goldens():
    path = SHARED_DATA.parent / "goldens" / "tfa_goldens.npz"
    if not path.is_file():
        pytest.skip(f"outputs of tensorflow-addons are not at {path}")
    with np.load(path) as file:
        return dict(file)


def moved_channels(images, centre, angle=0.0):
    """Two channels of images `(N, H, W, C)` as they are where they were moved to."""
    size = images.shape[1]
    matrix = geometry.similarity(centre, size, angle=angle)
    moved = geometry.transformed_flow(images[..., :2], matrix, size).numpy()
    return moved @ np.linalg.inv(matrix.numpy()[:, :2]).T


def test_rotation_is_that_of_tensorflow_addons(goldens):
    images, expected = goldens["rotate/x"], goldens["rotate/y_bilinear"]
    height, width = images.shape[1:3]
    start = (width - height) // 2
    angles = np.broadcast_to(goldens["rotate/angle_rad"], len(images))
    for image, angle, answer in zip(images, angles, expected, strict=True):
        centre = ((width - 1) / 2, (height - 1) / 2)
        (found,) = moved_channels(image[None], centre, float(angle))
        answer = answer[:, start : start + height, :2]
        inside = np.isfinite(found)
        assert inside.mean() > 0.8
        np.testing.assert_allclose(found[inside], answer[inside], atol=1e-4)


def test_translation_is_that_of_tensorflow_addons(goldens):
    images, expected = goldens["rotate/x"], goldens["translate/y"]
    height, width = images.shape[1:3]
    dx, dy = goldens["translate/dxdy"].ravel()[:2].tolist()
    centre = ((height - 1) / 2 - dx, (height - 1) / 2 - dy)
    found = moved_channels(images, centre)
    inside = np.isfinite(found)
    assert inside.mean() > 0.4
    answer = expected[:, :, :height, :2]
    np.testing.assert_allclose(found[inside], answer[inside], atol=1e-5)


# Borders and unknown flow


def test_standing_still_changes_nothing():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 9, 9, 3), np.uint8)
    flow = rng.normal(size=(2, 9, 9, 2)).astype(np.float32)
    flow[0, 3, 4] = np.nan
    matrix = geometry.similarity((4, 4), 9)
    np.testing.assert_array_equal(geometry.transformed(images, matrix, 9), images)
    np.testing.assert_array_equal(geometry.transformed_flow(flow, matrix, 9), flow)


def test_beyond_the_frame_images_go_on_and_flow_is_unknown():
    images = np.arange(25, dtype=np.uint8).reshape(1, 5, 5, 1)
    flow = np.ones((1, 5, 5, 2), np.float32)
    matrix = geometry.similarity((0, 2), 5)  # two pixels to the right
    moved = geometry.transformed(images, matrix, 5).numpy()[0, ..., 0]
    np.testing.assert_array_equal(moved[:, 2:], images[0, :, :3, 0])
    np.testing.assert_array_equal(moved[:, :2], images[0, :, :1, 0].repeat(2, axis=1))
    (moved,) = geometry.transformed_flow(flow, matrix, 5).numpy()
    np.testing.assert_array_equal(moved[:, 2:], 1)
    assert np.isnan(moved[:, :2]).all()


def test_what_is_made_of_unknown_flow_is_unknown():
    flow = np.ones((1, 5, 5, 2), np.float32)
    flow[0, 2, 2, 0] = np.nan  # u alone
    matrix = geometry.similarity((1.5, 2), 5)  # half a pixel to the right
    (moved,) = geometry.transformed_flow(flow, matrix, 5).numpy()
    unknown = np.zeros((5, 5), bool)
    unknown[:, 0] = unknown[2, 2:4] = True  # beyond the frame; made of the pixel
    np.testing.assert_array_equal(np.isnan(moved).all(axis=-1), unknown)
    np.testing.assert_array_equal(moved[~unknown], 1)


# The draw


def matrices(similarity, height, width, size, count=200):
    return np.stack(
        [similarity.matrix(height, width, size, [n, 7]) for n in range(count)]
    )


def test_the_draw_keeps_to_its_ranges():
    height, width, size = 384, 512, 224
    found = matrices(geometry.Similarity(), height, width, size)
    linear, offset = found[..., :2], found[..., 2]
    determinants = np.linalg.det(linear)
    scales = np.sqrt(np.abs(determinants))
    assert 0.9 <= scales.min() < 1 and 1.9 < scales.max() <= 2
    assert 0.4 < (determinants < 0).mean() < 0.6
    angles = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 1, 1]))
    assert -17 <= angles.min() < -15 and 15 < angles.max() <= 17
    inverse = np.linalg.inv(linear)
    corners = np.array([(x, y) for x in (-0.5, size - 0.5) for y in (-0.5, size - 0.5)])
    places = np.einsum("nij,nkj->nki", inverse, corners[None] - offset[:, None])
    assert (places >= -0.501).all()
    assert (places <= np.array([width, height]) - 0.499).all()
    shifts = places.mean(1) - np.array([(width - 1) / 2, (height - 1) / 2])
    assert 0.18 * width < np.abs(shifts).max(0)[0] <= 0.2 * width + 1e-3
    still = geometry.Similarity(translation=0, degrees=0, scales=(1, 1), flip=False)
    (first, *others) = matrices(still, height, width, size, 3)
    np.testing.assert_array_equal(first, [[1, 0, -144], [0, 1, -80]])
    assert all((other == first).all() for other in others)


def test_a_frame_smaller_than_the_window_stays_in_the_middle():
    for matrix in matrices(geometry.Similarity(), 40, 40, 96, count=5):
        np.testing.assert_allclose(matrix @ [19.5, 19.5, 1], [47.5, 47.5], atol=1e-4)


def test_a_seed_decides_and_dataset_map_changes_nothing():
    similarity = geometry.Similarity()
    frames = synthetic.render(draw("left"))
    flow, _ = synthetic.exact_flow(draw("left"))

    def both(seed):
        matrix = similarity.matrix(SIZE, SIZE, 48, seed)
        moved = geometry.transformed(frames, matrix, 48)
        return moved, geometry.transformed_flow(flow, matrix, 48)

    seeds = tf.constant([[1, 2], [3, 4], [1, 2]], tf.int64)
    mapped = list(tf.data.Dataset.from_tensor_slices(seeds).map(both))
    for seed, (images, field) in zip(seeds, mapped, strict=True):
        eager_images, eager_field = both(seed)
        np.testing.assert_array_equal(images, eager_images)
        np.testing.assert_allclose(field, eager_field, atol=1e-5)
    np.testing.assert_array_equal(mapped[0][1], mapped[2][1])
    assert (mapped[0][0].numpy() != mapped[1][0].numpy()).any()


@pytest.mark.parametrize("height, width, size", [(12, 20, 8), (11, 20, 8), (6, 9, 8)])
def test_the_window_in_the_middle_is_that_of_center_crop(height, width, size):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (1, height, width, 3), np.uint8)
    matrix = geometry.centre_window(height, width, size)
    found = geometry.transformed(images, matrix, size)
    window, _ = CenterCrop(size).window(height, width, None)
    y, x, rows, columns = window.numpy().tolist()
    cut = images[:, y : y + rows, x : x + columns]
    expected = np.rint(tf.image.resize(cut, (size, size)).numpy())
    differences = np.abs(found.numpy() - expected)
    if rows < size:  # enlarged: at the window's border we look beyond it
        differences = differences[:, 1:-1, 1:-1]
    assert differences.max() <= (rows < size)  # halves are rounded either way


@pytest.mark.parametrize(
    "options, message",
    [
        ({"translation": -1}, "`translation` must be >= 0. Received: -1"),
        ({"degrees": float("nan")}, "`degrees` must be >= 0. Received: nan"),
        ({"scales": (2.0, 1.0)}, r"two numbers above 0.* Received: \(2.0, 1.0\)"),
    ],
)
def test_ranges_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        geometry.Similarity(**options)
