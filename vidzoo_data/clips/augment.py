"""Which window of the frames a clip shows, and whether it is mirrored.

One draw serves a whole clip, so that motion stays motion. A crop answers with a window
`(y, x, height, width)` in pixels of the stored frame and a flip; the window alone is
decoded, then resized to the clip's size.
"""

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
        pairs = [
            (self.scales[i], self.scales[j])
            for i in range(len(self.scales))
            for j in range(len(self.scales))
            if abs(i - j) <= 1
        ]
        draws = tf.random.stateless_uniform([3], seed)
        pair = tf.gather(tf.constant(pairs), _place(draws[0], len(pairs) - 1))
        short_side = tf.cast(tf.minimum(height, width), tf.float32)
        crop = tf.cast(tf.round(pair * short_side), tf.int32)
        free = tf.stack([height, width]) - crop
        corners = tf.stack([[0, 0], [0, 2], [2, 0], [2, 2], [1, 1]])  # halves of `free`
        corner = tf.gather(corners, _place(draws[1], 4)) * free // 2
        return tf.concat([corner, crop], axis=0), _flip(draws[2], self.flip)


def _place(draw, maximum):
    """A draw in [0, 1) to an integer 0..maximum."""
    number = tf.cast(draw * tf.cast(maximum + 1, tf.float32), tf.int32)
    return tf.minimum(number, maximum)


def _flip(draw, allowed):
    return tf.logical_and(draw < 0.5, allowed)
