"""JPEGs to the pixels of a clip: what training, test and serving share."""

import tensorflow as tf

_MAX_UNROLLED = 16  # frames; a loop takes a tenth longer, its graph stays small


def decode(jpegs, window):
    """Decodes one window of every frame.

    Args:
        jpegs: string `(T,)`.
        window: int32 `(4,)`: y, x, height and width in pixels.

    Returns:
        uint8 `(T, height, width, 3)`.
    """

    def one(jpeg):
        return tf.io.decode_and_crop_jpeg(jpeg, window, channels=3)

    return _each(one, jpegs, 3)


def decode_flow(images):
    """Decodes the images of every field, which must be of one size.

    Args:
        images: string `(2, T)`: grey PNGs or JPEGs of x and of y.

    Returns:
        uint8 `(T, H, W, 2)`.
    """

    def one(image):
        # In spite of its name it decodes JPEGs as well.
        return tf.io.decode_png(image, channels=1)

    return tf.concat([_each(one, images[axis], 1) for axis in range(2)], axis=-1)


def _each(one, images, channels):
    """`one` of every image `(T,)`, stacked."""
    count = images.shape[0]
    if count is not None and count <= _MAX_UNROLLED:
        return tf.stack([one(images[i]) for i in range(count)])
    signature = tf.TensorSpec([None, None, channels], tf.uint8)
    return tf.map_fn(one, images, fn_output_signature=signature)


def resize(images, size):
    """`(T, h, w, C)` to `(T, size, size, C)`, uint8; bilinear, only where needed."""

    def resized():
        enlarged = tf.image.resize(images, [size, size])
        return tf.cast(tf.round(enlarged), tf.uint8)

    fits = tf.reduce_all(tf.equal(tf.shape(images)[1:3], size))
    channels = images.shape[-1]
    images = tf.cond(fits, lambda: images, resized)
    return tf.ensure_shape(images, [None, size, size, channels])


def mirror(images):
    """Turns `(..., H, W, C)` left to right."""
    # TensorFlow reverses rows of three channels fast, if there is one leading axis.
    rows = tf.reshape(images, [-1, tf.shape(images)[-2], images.shape[-1]])
    return tf.reshape(tf.reverse(rows, [1]), tf.shape(images))


def stack_snippets(images, length):
    """`(T*k, H, W, C)` to `(T, H, W, C*k)`: a snippet's images side by side on C."""
    _, height, width, channels = images.shape
    if length > 1:
        images = tf.reshape(images, [-1, length, height, width, channels])
        images = tf.transpose(images, [0, 2, 3, 1, 4])
        images = tf.reshape(images, [-1, height, width, channels * length])
    return images
