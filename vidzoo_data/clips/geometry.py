"""Similarities of the plane, drawn once for a clip, for its images and its flow alike.

A `matrix` is float32 `(2, 3)`: it takes a pixel `(x, y, 1)` of the frame, integers at
pixel centres and y down, to its place in the result. Images and flow take the same one.
Where the image is turned, scaled or mirrored, so are the vectors of its flow: a vector
goes through the matrix's left part.

Source: section 4.4.2, which trains on FlyingChairs with "multi-scale cropping,
horizontal flipping, translation and rotation following [70]", FlowNet (Dosovitskiy et
al. 2015, section 4.3).
"""

import math
from dataclasses import dataclass

import tensorflow as tf

_KNOWN = 0.999  # of a pixel's weight: places are rounded in their last digits


@dataclass(frozen=True)
class Similarity:
    """A window that is moved, turned, scaled and mirrored at random.

    The ranges are FlowNet's: the window's centre lies up to 20 % of the frame's width
    from the frame's, along x and along y, it is turned by up to 17 degrees, and what it
    shows is enlarged by 0.9 to 2 times; all are drawn uniformly, and half of the clips
    are mirrored left to right, which FlowNet does not do and section 4.4.2 does.

    Our decisions: the enlargement and the window's place are the "multi-scale cropping"
    of section 4.4.2. The place is drawn among those at which the window lies in the
    frame; where there is none, it is in the middle, and what is outside the frame is
    padded. Both frames of a pair move alike: FlowNet also gives the second one a
    smaller motion of its own, and changes colours and adds noise, none of which section
    4.4.2 names.

    Attributes:
        translation: of the frame's width.
        degrees: of rotation, either way.
        scales: the least and the largest enlargement.
        flip: whether half of the clips are mirrored left to right.

    Raises:
        ValueError: a value is out of its range.
    """

    translation: float = 0.2
    degrees: float = 17.0
    scales: tuple[float, float] = (0.9, 2.0)
    flip: bool = True

    def __post_init__(self):
        for name in ("translation", "degrees"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(
                    f"`{name}` must be >= 0. Received: {getattr(self, name)}."
                )
        least, largest = self.scales
        if not 0 < least <= largest < math.inf:
            raise ValueError(
                "`scales` must be two numbers above 0, the least first. Received: "
                f"{self.scales}."
            )

    def matrix(self, height, width, size: int, seed):
        """The similarity of one clip, from a frame to `(size, size)` pixels.

        Args:
            height: of the frame, an integer or a scalar tensor.
            width: likewise.
            size: of the result.
            seed: int `(2,)`; the same seed gives the same matrix.
        """
        draws = tf.random.stateless_uniform([5], seed)
        scale = self.scales[0] + draws[0] * (self.scales[1] - self.scales[0])
        angle = (2 * draws[1] - 1) * math.radians(self.degrees)
        flip = tf.logical_and(draws[4] < 0.5, self.flip)
        frame = tf.cast(tf.stack([width, height]), tf.float32)
        # Half the sides of the upright rectangle around the window, in the frame.
        reach = (tf.abs(tf.cos(angle)) + tf.abs(tf.sin(angle))) * size / (2 * scale)
        free = tf.maximum(frame / 2 - reach, 0)
        free = tf.minimum(free, self.translation * frame[0])
        centre = (frame - 1) / 2 + (2 * draws[2:4] - 1) * free
        return similarity(centre, size, scale=scale, angle=angle, flip=flip)


def similarity(centre, size: int, *, scale=1.0, angle=0.0, flip=False):
    """The matrix that shows what is around a place of the frame.

    Args:
        centre: `(x, y)` in the frame, which comes to the middle of the result.
        size: height and width of the result.
        scale: of what is shown.
        angle: radians by which it is turned, counter-clockwise as seen.
        flip: whether it is mirrored left to right, after that.

    Returns:
        float32 `(2, 3)`.
    """
    scale, angle = tf.cast(scale, tf.float32), tf.cast(angle, tf.float32)
    a, b = scale * tf.cos(angle), scale * tf.sin(angle)
    side = tf.where(flip, -1.0, 1.0)
    linear = tf.stack([tf.stack([side * a, side * b]), tf.stack([-b, a])])
    offset = (size - 1) / 2 - tf.linalg.matvec(linear, tf.cast(centre, tf.float32))
    return tf.concat([linear, offset[:, None]], axis=1)


def centre_window(height, width, size: int):
    """The matrix of the square in the middle that `CenterCrop(size)` shows.

    Where `size` does not fit, the largest square that does is enlarged to it.
    """
    side = tf.minimum(size, tf.minimum(height, width))
    corner = tf.stack([(width - side) // 2, (height - side) // 2])
    half = tf.cast(side - 1, tf.float32) / 2
    centre = tf.cast(corner, tf.float32) + half
    return similarity(centre, size, scale=size / tf.cast(side, tf.float32))


def transformed(images, matrix, size: int):
    """Images of one clip, moved; bilinear, and beyond the frame its border pixels.

    Args:
        images: uint8 `(T, H, W, C)`.
        matrix: float32 `(2, 3)`, from pixels of the frame to those of the result.
        size: height and width of the result.

    Returns:
        uint8 `(T, size, size, C)`.
    """
    moved = _sampled(tf.cast(images, tf.float32), matrix, size, "NEAREST")
    return tf.cast(tf.round(moved), tf.uint8)


def transformed_flow(flow, matrix, size: int):
    """Flow of one clip, moved, its vectors turned, scaled and mirrored; bilinear.

    Args:
        flow: float32 `(T, H, W, 2)`, pixels; NaN where it is unknown.
        matrix: float32 `(2, 3)`, from pixels of the frame to those of the result.
        size: height and width of the result.

    Returns:
        float32 `(T, size, size, 2)`, pixels of the result; NaN beyond the frame, and
        where one of the pixels that it would be made of is unknown.
    """
    known = tf.cast(tf.math.is_finite(flow), flow.dtype)
    moved = _sampled(tf.math.multiply_no_nan(flow, known), matrix, size, "CONSTANT")
    vectors = tf.einsum("thwc,dc->thwd", moved, matrix[:, :2])
    weight = _sampled(known, matrix, size, "CONSTANT")
    weight = tf.reduce_min(weight, axis=-1, keepdims=True)
    return tf.where(weight > _KNOWN, vectors / weight, float("nan"))


def _sampled(images, matrix, size, fill_mode):
    """Float32 images at the places that come to each pixel of the result."""
    linear, offset = matrix[:, :2], matrix[:, 2]
    back = tf.linalg.inv(linear)
    start = -tf.linalg.matvec(back, offset)
    rows = tf.concat([back, start[:, None]], axis=1)  # from the result to the frame
    transform = tf.concat([tf.reshape(rows, [6]), [0.0, 0.0]], axis=0)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transform[None],
        output_shape=[size, size],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode=fill_mode,
    )
    return tf.ensure_shape(moved, [None, size, size, images.shape[-1]])
