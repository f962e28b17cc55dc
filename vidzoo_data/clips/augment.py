"""Which window of the frames a clip shows, whether it is mirrored, and its colours.

One draw serves a whole clip, so that motion stays motion. A crop answers with a window
`(y, x, height, width)` in pixels of the stored frame and a flip; the window alone is
decoded, then resized to the clip's size.
"""

import itertools
from dataclasses import dataclass

import tensorflow as tf

# TSN's scales of the frame's short side: {256, 224, 192, 168} of 256 pixels.
TSN_SCALES = (1.0, 0.875, 0.75, 0.65625)


@dataclass(frozen=True)
class CenterCrop:
    """The square of `size` pixels in the middle, or the largest one that fits."""

    size: int

    def window(self, height, width, seed):
        """See the module: `(window int32 (4,), flip bool)`; nothing is drawn."""
        del seed
        side = tf.minimum(self.size, tf.minimum(height, width))
        window = tf.stack([(height - side) // 2, (width - side) // 2, side, side])
        return window, tf.constant(False)


@dataclass(frozen=True)
class RandomCrop:
    """A square of `size` pixels (or the largest that fits) anywhere, mirrored or not.

    Attributes:
        size: pixels.
        flip: whether half of the clips are mirrored left to right.
    """

    size: int
    flip: bool = True

    def window(self, height, width, seed):
        """See the module: `(window int32 (4,), flip bool)`."""
        side = tf.minimum(self.size, tf.minimum(height, width))
        draws = tf.random.stateless_uniform([3], seed)
        y = _place(draws[0], height - side)
        x = _place(draws[1], width - side)
        return tf.stack([y, x, side, side]), _flip(draws[2], self.flip)


@dataclass(frozen=True)
class CornerCrop:
    """A corner or the centre, at a random scale and aspect, mirrored or not.

    Source: Wang et al. 2016 (TSN), used in section 5.4.2. Height and width are drawn
    from `scales` times the frame's short side, at most one step apart, as TSN's release
    does.

    Attributes:
        size: pixels of the clip's frames after resizing.
        scales: of the short side, largest first.
        flip: whether half of the clips are mirrored left to right.
    """

    size: int
    scales: tuple[float, ...] = TSN_SCALES
    flip: bool = True

    def window(self, height, width, seed):
        """See the module: `(window int32 (4,), flip bool)`."""
        draws = tf.random.stateless_uniform([3], seed)
        crop = _scaled(self.scales, height, width, draws[0])
        free = tf.stack([height, width]) - crop
        corners = tf.stack([[0, 0], [0, 2], [2, 0], [2, 2], [1, 1]])  # halves of `free`
        corner = tf.gather(corners, _place(draws[1], 4)) * free // 2
        return tf.concat([corner, crop], axis=0), _flip(draws[2], self.flip)


@dataclass(frozen=True)
class MultiScaleCrop:
    """A window anywhere, at a random scale and aspect, mirrored or not.

    Source: section 4.4.2. It says no more than "multi-scale cropping"; scales and
    aspects are those of `CornerCrop`, from which this differs in the window's place.

    Attributes:
        size: pixels of the clip's frames after resizing.
        scales: of the short side, largest first.
        flip: whether half of the clips are mirrored left to right.
    """

    size: int
    scales: tuple[float, ...] = TSN_SCALES
    flip: bool = True

    def window(self, height, width, seed):
        """See the module: `(window int32 (4,), flip bool)`."""
        draws = tf.random.stateless_uniform([4], seed)
        crop = _scaled(self.scales, height, width, draws[0])
        y = _place(draws[1], height - crop[0])
        x = _place(draws[2], width - crop[1])
        return tf.stack([y, x, crop[0], crop[1]]), _flip(draws[3], self.flip)


@dataclass(frozen=True)
class ColorJitter:
    """Brightness, contrast and saturation, changed in a random order.

    Source: section 4.4.2 names "color jittering [9]" (He et al. 2016) without more; we
    follow the training code of the author's framework, fb.resnet.torch. Each change
    blends the image with another one, `a * image + (1 - a) * other`, its `a` drawn from
    1 ± the value below; the other image is black (brightness), the mean grey
    (contrast), or the pixel's own grey, 0.299 R + 0.587 G + 0.114 B (saturation).
    Values are rounded and clipped once, at the end.

    Our decisions: one draw serves all frames of a clip, and the mean grey is that of
    the whole clip, so a pixel that does not change in the video does not change in the
    clip.

    Attributes:
        brightness: 0 for none.
        contrast: 0 for none.
        saturation: 0 for none.

    Raises:
        ValueError: a value is not from 0 to 1.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4

    def __post_init__(self):
        for name in ("brightness", "contrast", "saturation"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(
                    f"`{name}` must be from 0 to 1. Received: {getattr(self, name)}."
                )

    def draw(self, seed):
        """What one clip gets.

        Args:
            seed: int `(2,)`.

        Returns:
            float32 `(3,)`, the `a` of brightness, contrast and saturation, and int32
            `(3,)`, their numbers in the order of application.
        """
        draws = tf.random.stateless_uniform([4], seed)
        values = tf.constant([self.brightness, self.contrast, self.saturation])
        orders = tf.constant(list(itertools.permutations(range(3))))
        order = tf.gather(orders, _place(draws[3], orders.shape[0] - 1))
        return 1 + (2 * draws[:3] - 1) * values, order

    def jitter(self, images, seed):
        """The images of one clip with their colours changed.

        Args:
            images: uint8 `(T, H, W, 3)`.
            seed: as in `draw`.

        Returns:
            uint8, same shape.
        """
        factors, order = self.draw(seed)
        # Sums run over whole rows, (T*H, W*3): those of three values are slow.
        width = tf.shape(images)[2]
        rows = tf.cast(tf.reshape(images, [-1, 3 * width]), tf.float32)
        row = tf.reshape(tf.reduce_mean(rows, axis=0), [width, 3])
        matrix, offset = _color_map(factors, order, tf.reduce_mean(row, axis=0))
        pixels = tf.linalg.matmul(tf.reshape(rows, [-1, 3]), matrix)
        rows = tf.reshape(pixels, [-1, 3 * width]) + tf.tile(offset, [width])
        rows = tf.clip_by_value(tf.round(rows), 0, 255)
        return tf.reshape(tf.cast(rows, tf.uint8), tf.shape(images))


def _color_map(factors, order, mean):
    """The changes as one map of colours, `rgb @ matrix + offset`: all are affine.

    Args:
        factors: `(3,)`, as `ColorJitter.draw` gives them.
        order: `(3,)`, likewise.
        mean: `(3,)`, mean colour of the clip before any change.
    """
    grey = tf.constant([0.299, 0.587, 0.114])
    matrix, offset = tf.eye(3), tf.zeros(3)
    for number in tf.unstack(order):
        a = tf.gather(factors, number)
        mean_grey = tf.tensordot(tf.linalg.matvec(matrix, mean, True) + offset, grey, 1)
        saturate = a * tf.eye(3) + (1 - a) * tf.tile(grey[:, None], [1, 3])
        step = tf.where(number == 2, saturate, a * tf.eye(3))
        shift = tf.where(number == 1, (1 - a) * mean_grey, 0.0)
        matrix = tf.linalg.matmul(matrix, step)
        offset = tf.linalg.matvec(step, offset, True) + shift
    return matrix, offset


def _scaled(scales, height, width, draw):
    """Height and width drawn from `scales`, at most one step apart: int32 `(2,)`."""
    pairs = [
        (scales[i], scales[j])
        for i in range(len(scales))
        for j in range(len(scales))
        if abs(i - j) <= 1
    ]
    pair = tf.gather(tf.constant(pairs), _place(draw, len(pairs) - 1))
    short_side = tf.cast(tf.minimum(height, width), tf.float32)
    return tf.cast(tf.round(pair * short_side), tf.int32)


def _place(draw, maximum):
    """A draw in [0, 1) to an integer 0..maximum."""
    number = tf.cast(draw * tf.cast(maximum + 1, tf.float32), tf.int32)
    return tf.minimum(number, maximum)


def _flip(draw, allowed):
    return tf.logical_and(draw < 0.5, allowed)
