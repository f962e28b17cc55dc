"""Clips of videos whose images arrive with a request, inside an exported model."""

import tensorflow as tf

from vidzoo_data.clips.decode import (
    decode,
    decode_flow,
    mirror,
    resize,
    stack_snippets,
)
from vidzoo_data.clips.modalities import FLOW, fitted, mirrored
from vidzoo_data.clips.sample import to_float64


def jpeg_clips(
    jpegs: tf.Tensor,
    *,
    sampling,
    crop,
    stored_size: int | tuple[int, int],
    fps: tf.Tensor | float | None = None,
) -> tf.Tensor:
    """The clips that `center_batches` gives of videos whose records hold `jpegs`.

    Made of TensorFlow's operations alone, so that it can be saved with a model; its
    decoding runs on the CPU and is not compiled by XLA.

    Args:
        jpegs: string `(N, F)`: a row is the encoded frames of one video, shorter rows
            padded with empty strings at their end.
        sampling: which frames make a clip.
        crop: which window of them; `CenterCrop` in test.
        stored_size: what `prepare` stores: the short side, or `(height, width)`. Frames
            of another size are resized to it first, as `prepare` does, but without
            being compressed once more.
        fps: frames per second, of every row or `(N,)`; only for samplers that need it.

    Returns:
        uint8 `(N, T, H, W, 3k)`.

    Raises:
        ValueError: T would differ between videos, or `sampling` needs `fps`.
        tf.errors.InvalidArgumentError: a row has no frame, or an empty string before
            its last frame, or a frame is no JPEG.
    """
    if sampling.num_snippets is None:
        raise ValueError(
            f"`sampling` must give as many frames of every video; {sampling} does not. "
            "Give it `num_frames`."
        )
    if sampling.needs_rate and fps is None:
        raise ValueError(f"{sampling} needs `fps`, the rate of the frames. Give it.")
    jpegs = tf.convert_to_tensor(jpegs)
    counts = _checked_counts(jpegs, "jpegs")
    rates = tf.broadcast_to(to_float64(0.0 if fps is None else fps), tf.shape(counts))

    def clip(row):
        frames, count, rate = row
        numbers = tf.reshape(sampling.centered(count, rate), [-1])
        images = _images(tf.gather(frames, numbers), crop, stored_size)
        return stack_snippets(images, sampling.snippet_length)

    channels = 3 * sampling.snippet_length
    shape = [sampling.num_snippets, crop.size, crop.size, channels]
    return tf.map_fn(
        clip,
        (jpegs, counts, rates),
        fn_output_signature=tf.TensorSpec(shape, tf.uint8),
    )


def flow_clips(
    x: tf.Tensor,
    y: tf.Tensor,
    *,
    sampling,
    crop,
    stored_size: int | tuple[int, int],
) -> tf.Tensor:
    """The clips that `center_batches` gives of videos whose records hold this flow.

    Made of TensorFlow's operations alone, as `jpeg_clips`.

    Args:
        x: string `(N, F)`: a row is the horizontal components of one video's fields,
            grey 8-bit PNGs or JPEGs, shorter rows padded with empty strings at their
            end.
        y: likewise, of the vertical components.
        sampling: which fields make a clip; without a rate.
        crop: which window of them.
        stored_size: of the frames that the flow is between: the short side, or
            `(height, width)`. Flow is not resized: its values would no longer fit.

    Returns:
        uint8 `(N, T, H, W, 2k)`.

    Raises:
        ValueError: T would differ between videos, or `sampling` needs a rate.
        tf.errors.InvalidArgumentError: a row has no field, or another number of x than
            of y, or an empty string before its last field; or an image is no PNG or
            JPEG, or of another size.
    """
    if sampling.num_snippets is None or sampling.needs_rate:
        raise ValueError(f"{sampling} cannot sample flow here; give `Segments`.")
    x, y = tf.convert_to_tensor(x), tf.convert_to_tensor(y)
    num_rows = [tf.shape(x)[0], tf.shape(y)[0]]
    message = "Give as many rows of x as of y. Found:"
    check = tf.debugging.Assert(num_rows[0] == num_rows[1], [message, *num_rows])
    with tf.control_dependencies([check]):
        counts = _checked_counts(x, "x")
        differing = counts != _checked_counts(y, "y")
    check = _no_row(differing, "Give as many images of x as of y. Not so in rows:")
    with tf.control_dependencies([check]):
        counts = tf.identity(counts)

    def clip(row):
        x, y, count = row
        numbers = tf.reshape(sampling.centered(count), [-1])
        images = tf.stack([tf.gather(x, numbers), tf.gather(y, numbers)])
        whole = decode_flow(images)  # an error if they differ in size
        shape = tf.shape(whole)[1:3]
        stored = _stored_shape(shape, stored_size)
        message = f"Give flow between frames of the stored size, {stored_size}. Found:"
        check = tf.debugging.Assert(tf.reduce_all(shape == stored), [message, shape])
        with tf.control_dependencies([check]):
            window, flip = crop.window(shape[0], shape[1], tf.zeros([2], tf.int64))
        top, left, height, width = tf.unstack(window)
        shown = whole[:, top : top + height, left : left + width]
        shown = fitted(FLOW, shown, crop.size)
        shown = tf.cond(flip, lambda: mirrored(FLOW, shown), lambda: shown)
        return stack_snippets(shown, sampling.snippet_length)

    channels = 2 * sampling.snippet_length
    shape = [sampling.num_snippets, crop.size, crop.size, channels]
    signature = tf.TensorSpec(shape, tf.uint8)
    return tf.map_fn(clip, (x, y, counts), fn_output_signature=signature)


def _checked_counts(images, name):
    """Images in each row, int32 `(N,)`."""
    present = tf.strings.length(images) > 0
    counts = tf.reduce_sum(tf.cast(present, tf.int32), axis=1)
    gaps = tf.reduce_any(present != tf.sequence_mask(counts, tf.shape(images)[1]), 1)
    checks = [
        _no_row(counts == 0, f"Give every row of `{name}` one image or more. Without:"),
        _no_row(gaps, f"Pad `{name}` at the end of a row only. Padded before, rows:"),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(counts)


def _no_row(wrong, message):
    rows = tf.reshape(tf.where(wrong), [-1])
    return tf.debugging.Assert(~tf.reduce_any(wrong), [message, rows])


def _images(jpegs, crop, stored_size):
    """JPEGs `(T,)` of one video to `(T, size, size, 3)`."""

    def image(jpeg):
        shape = tf.io.extract_jpeg_shape(jpeg)[:2]
        stored = _stored_shape(shape, stored_size)
        window, flip = crop.window(stored[0], stored[1], tf.zeros([2], tf.int64))
        images = tf.cond(
            tf.reduce_all(shape == stored),
            lambda: decode(jpeg[None], window),
            lambda: _resized_window(jpeg, shape, stored, window),
        )
        images = resize(images, crop.size)
        return tf.cond(flip, lambda: mirror(images), lambda: images)[0]

    signature = tf.TensorSpec([crop.size, crop.size, 3], tf.uint8)
    return tf.map_fn(image, jpegs, fn_output_signature=signature)


def _stored_shape(shape, stored_size):
    """Height and width that `prepare` gives to frames of `shape`: int32 `(2,)`."""
    if not isinstance(stored_size, int):
        return tf.constant(stored_size, tf.int32)
    scale = stored_size / tf.reduce_min(shape)  # float64
    return tf.cast(tf.round(tf.cast(shape, tf.float64) * scale), tf.int32)


def _resized_window(jpeg, shape, stored, window):
    """Decodes a frame, resizes it to `stored`, and cuts out the window."""
    images = tf.io.decode_jpeg(jpeg, channels=3)[None]
    images = tf.cond(
        tf.reduce_prod(stored) < tf.reduce_prod(shape),
        lambda: tf.image.resize(images, stored, "area"),
        lambda: tf.image.resize(images, stored, "bilinear"),
    )
    images = tf.cast(tf.round(images), tf.uint8)
    y, x, height, width = tf.unstack(window)
    return images[:, y : y + height, x : x + width]
