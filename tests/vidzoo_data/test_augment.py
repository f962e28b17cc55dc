"""Crops and colours: what is drawn, and against NumPy what it does."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from vidzoo_data.clips import (
    TSN_SCALES,
    CenterCrop,
    ColorJitter,
    CornerCrop,
    MultiScaleCrop,
    RandomCrop,
    Segments,
    Whole,
    Window,
)

SIZES = [(48, 64), (64, 48), (256, 340), (33, 35)]


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("scales", [TSN_SCALES, (1.0, 0.9375, 0.875)])
def test_corner_crop(height, width, scales):
    crop = CornerCrop(32, scales)
    draw = tf.function(crop.window)
    short = min(height, width)
    sides = [int(np.round(np.float32(scale) * short)) for scale in scales]
    places, shapes, flips = set(), set(), 0
    for seed in range(300):
        (y, x, h, w), flip = draw(height, width, tf.constant([seed, 7]))
        y, x, h, w = int(y), int(x), int(h), int(w)
        assert 0 <= y <= height - h and 0 <= x <= width - w
        assert abs(sides.index(h) - sides.index(w)) <= 1
        vertical = {0: "top", height - h: "bottom", (height - h) // 2: "middle"}[y]
        horizontal = {0: "left", width - w: "right", (width - w) // 2: "middle"}[x]
        if len({0, (height - h) // 2, height - h}) == 3 and width - w > 1:
            places.add((vertical, horizontal))
        shapes.add((h, w))
        flips += bool(flip)
    corners = itertools.product(("top", "bottom"), ("left", "right"))
    assert places == {*corners, ("middle", "middle")}
    assert len(shapes) == len(set(itertools.product(sides, sides)) & shapes)
    assert {h for h, _ in shapes} == set(sides) == {w for _, w in shapes}
    assert 100 < flips < 200


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("size", [32, 48, 400])
def test_random_crop(height, width, size):
    draw = tf.function(RandomCrop(size).window)
    side = min(size, height, width)
    ys, xs, flips = set(), set(), 0
    for seed in range(200):
        (y, x, h, w), flip = draw(height, width, tf.constant([seed, 7]))
        assert (h, w) == (side, side)
        assert 0 <= y <= height - side and 0 <= x <= width - side
        ys.add(int(y))
        xs.add(int(x))
        flips += bool(flip)
    for found, free in ((ys, height - side), (xs, width - side)):
        assert len(found) >= 0.4 * min(free + 1, 200)
        if free < 20:
            assert found == set(range(free + 1))
    assert 60 < flips < 140


@pytest.mark.parametrize("crop", [RandomCrop, CornerCrop, MultiScaleCrop])
def test_no_flip_where_left_and_right_matter(crop):
    for seed in range(20):
        _, flip = crop(32, flip=False).window(48, 64, [seed, 0])
        assert not flip


@pytest.mark.parametrize(
    "size, expected",
    [(32, (8, 16, 32, 32)), (31, (8, 16, 31, 31)), (99, (0, 8, 48, 48))],
)
def test_center_crop(size, expected):
    window, flip = CenterCrop(size).window(48, 64, [0, 0])
    assert tuple(window.numpy()) == expected
    assert not flip


@pytest.mark.parametrize("height, width", SIZES)
def test_multi_scale_crop_lies_anywhere(height, width):
    scales = (1.0, 0.875, 0.75)
    draw = tf.function(MultiScaleCrop(32, scales).window)
    sides = [round(scale * min(height, width)) for scale in scales]
    shapes, places, flips = set(), set(), 0
    for seed in range(300):
        (y, x, h, w), flip = draw(height, width, tf.constant([seed, 7]))
        y, x, h, w = int(y), int(x), int(h), int(w)
        assert 0 <= y <= height - h and 0 <= x <= width - w
        assert abs(sides.index(h) - sides.index(w)) <= 1
        shapes.add((h, w))
        places.add((y / max(height - h, 1), x / max(width - w, 1)))
        flips += bool(flip)
    assert len(shapes) == 7  # nine pairs without the two that are two steps apart
    assert 100 < flips < 200
    for axis in zip(*places, strict=True):
        assert min(axis) == 0 and max(axis) == 1  # up to both borders
    assert len(places) > 30  # corners and centre would be five


def test_crops_agree_eagerly_and_in_a_graph():
    for crop in (CornerCrop(32), MultiScaleCrop(32), RandomCrop(32), CenterCrop(32)):
        graph = tf.function(crop.window)
        for seed in range(10):
            seed = tf.constant([seed, 3])
            window, flip = crop.window(48, 64, seed)
            in_graph, flip_in_graph = graph(tf.constant(48), tf.constant(64), seed)
            np.testing.assert_array_equal(window, in_graph)
            assert bool(flip) == bool(flip_in_graph)


DRAWS = {
    "corner": lambda seed: CornerCrop(32).window(48, 64, seed),
    "multi-scale": lambda seed: MultiScaleCrop(32).window(48, 64, seed),
    "random": lambda seed: RandomCrop(32).window(48, 64, seed),
    "center": lambda seed: CenterCrop(32).window(48, 64, seed),
    "color": lambda seed: (ColorJitter().jitter(noise(), seed),),
    "segments": lambda seed: (Segments(3, 2).random(50, seed),),
    "window": lambda seed: (Window(8, fps=10.0).random(50, seed, 25.0),),
    "whole": lambda seed: (Whole(5.0, 12).random(50, seed, 25.0),),
}


@pytest.mark.parametrize("name", DRAWS)
def test_dataset_map_draws_what_is_drawn_eagerly(name):
    draw, seeds = DRAWS[name], [[number, 3] for number in range(8)]
    mapped = tf.data.Dataset.from_tensor_slices(seeds).map(draw, 2)
    for seed, found in zip(seeds, mapped, strict=True):
        for one, other in zip(found, draw(tf.constant(seed)), strict=True):
            np.testing.assert_array_equal(one, other)


# Colours

GREY = np.array([0.299, 0.587, 0.114])


def noise(num_frames=3, height=8, width=10, seed=0):
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (num_frames, height, width, 3), np.uint8)


def blend(image, other, a):
    return a * image + (1 - a) * other


def reference(images, factors, order):
    """The changes one by one, as fb.resnet.torch has them, in float64."""
    images = images.astype(np.float64)
    for number in order:
        if number == 0:
            other = np.zeros_like(images)
        elif number == 1:
            other = np.full_like(images, (images @ GREY).mean())
        else:
            other = np.repeat((images @ GREY)[..., None], 3, axis=-1)
        images = blend(images, other, float(factors[number]))
    return np.clip(np.round(images), 0, 255)


@pytest.mark.parametrize("color", [ColorJitter(), ColorJitter(0.9, 0.1, 1.0)])
def test_color_jitter_is_the_reference(color):
    jitter = tf.function(color.jitter)
    orders = set()
    for number in range(40):
        images, seed = noise(seed=number), tf.constant([number, 5])
        factors, order = color.draw(seed)
        expected = reference(images, factors.numpy(), order.numpy())
        for found in (color.jitter(images, seed), jitter(images, seed)):
            assert found.dtype == tf.uint8 and found.shape == images.shape
            gap = np.abs(found.numpy() - expected)
            assert gap.max() <= 1 and gap.mean() < 1e-3  # float32 at a half
        orders.add(tuple(order.numpy()))
    assert orders == set(itertools.permutations(range(3)))


def test_color_jitter_draws_within_its_values():
    color = ColorJitter(0.4, 0.2, 0.0)
    factors = np.array([color.draw([seed, 0])[0] for seed in range(300)])
    assert (np.abs(factors - 1).max(0) <= np.array([0.4, 0.2, 0]) + 1e-6).all()
    assert (factors[:, :2].min(0) < [0.65, 0.83]).all()
    assert (factors[:, :2].max(0) > [1.35, 1.17]).all()
    np.testing.assert_allclose(factors[:, :2].mean(0), 1, atol=0.05)


def test_no_jitter_changes_nothing():
    images = noise()
    for seed in range(6):
        same = ColorJitter(0.0, 0.0, 0.0).jitter(images, [seed, 0])
        np.testing.assert_array_equal(same, images)


def test_what_stands_still_keeps_standing_still():
    """Half of the scene changes, so frames have other means; the rest must not."""
    images = np.repeat(noise(1), 4, axis=0)
    images[:, :, 5:] = noise(4)[:, :, 5:]
    jittered = ColorJitter().jitter(images, [1, 2]).numpy()[:, :, :5]
    np.testing.assert_array_equal(jittered, np.repeat(jittered[:1], 4, axis=0))
    assert np.any(jittered[0] != images[0, :, :5])


@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation"])
@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_color_jitter_refuses(name, value):
    with pytest.raises(
        ValueError, match=f"`{name}` must be from 0 to 1. Received: {value}"
    ):
        ColorJitter(**{name: value})
