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

    count = jpegs.shape[0]
    if count is not None and count <= _MAX_UNROLLED:
        return tf.stack([one(jpegs[i]) for i in range(count)])
    signature = tf.TensorSpec([None, None, 3], tf.uint8)
    return tf.map_fn(one, jpegs, fn_output_signature=signature)


def resize(images, size):
    """`(T, h, w, 3)` to `(T, size, size, 3)`, uint8; bilinear, only where needed."""

    def resized():
        enlarged = tf.image.resize(images, [size, size])
        return tf.cast(tf.round(enlarged), tf.uint8)

    fits = tf.reduce_all(tf.equal(tf.shape(images)[1:3], size))
    images = tf.cond(fits, lambda: images, resized)
    return tf.ensure_shape(images, [None, size, size, 3])


def mirror(images):
    """Turns `(T, H, W, 3)` left to right."""
    # TensorFlow reverses rows of three channels fast, if there is one leading axis.
    rows = tf.reshape(images, [-1, tf.shape(images)[2], 3])
    return tf.reshape(tf.reverse(rows, [1]), tf.shape(images))


def stack_snippets(images, sampling):
    """`(T*k, H, W, 3)` to `(T, H, W, 3k)`: a snippet's images side by side on C."""
    _, height, width, _ = images.shape
    length = sampling.snippet_length
    if length > 1:
        images = tf.reshape(images, [-1, length, height, width, 3])
        images = tf.transpose(images, [0, 2, 3, 1, 4])
        images = tf.reshape(images, [-1, height, width, 3 * length])
    return images
