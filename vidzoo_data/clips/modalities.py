"""What a clip shows: colours, flow as 8-bit images, or flow to be predicted.

- `rgb`: uint8, 3 channels.
- `flow`: uint8, x and y as they are stored, an input of networks. Crops and scales do
  not change its values: TSN's networks are trained on images that were resized like
  photos, and a zoomed motion looks larger to them, as a nearer one does.
- `flow_target`: float32, (u, v) in pixels of the clip's own frames, what a network
  predicts. Where a window is enlarged, so are the vectors. NaN where the stored field
  does not lead to the next image of the clip, or none is stored: see `targets`.
- `features`: float32 `(*F)`, a network's answer to each frame, out of records that hold
  these in place of images. Nothing is cropped or mirrored: what was, is in them.

Mirrored left to right, x changes its sign: byte b becomes 255 - b.
"""

from collections.abc import Mapping

import tensorflow as tf

from vidzoo_data.clips import decode

RGB, FLOW, FLOW_TARGET = "rgb", "flow", "flow_target"
FEATURES = "features"
OTHER_SIZE = "the flow is of another size than"
CHANNELS = {RGB: 3, FLOW: 2, FLOW_TARGET: 2}
MODALITIES = (*CHANNELS, FEATURES)


def checked_modalities(
    modalities: Mapping[str, int] | None, sampling
) -> dict[str, int]:
    """Modality -> its images in a snippet; of RGB alone, all of the sampler's, if None.

    Raises:
        ValueError: a modality is unknown, or has not from 1 to `snippet_length` images,
            or features have more than one.
    """
    if modalities is None:
        return {RGB: sampling.snippet_length}
    for name, length in modalities.items():
        if name not in MODALITIES:
            raise ValueError(
                f"`modalities` must be of {MODALITIES}. Received: {name!r}."
            )
        if name == FEATURES and length != 1:
            raise ValueError(
                f"`modalities` must have 1 for features, which are not stacked. "
                f"Received: {length}."
            )
        if not 1 <= length <= sampling.snippet_length:
            raise ValueError(
                f"`modalities` must have 1 to {sampling.snippet_length} images of "
                f"{name}, as many as {sampling} samples. Received: {length}."
            )
    if not modalities:
        raise ValueError(f"`modalities` must name one or more of {MODALITIES}.")
    return dict(modalities)


def needs_flow(modalities: Mapping[str, int]) -> bool:
    """Whether records must hold flow for them."""
    return bool({FLOW, FLOW_TARGET} & modalities.keys())


def check_crop(crop, modalities: Mapping[str, int]) -> None:
    """Checks that there is a crop where there are images.

    Raises:
        ValueError: there is none.
    """
    if crop is None and modalities.keys() != {FEATURES}:
        raise ValueError(
            f"`crop` must be given for {', '.join(modalities)}. Received: None."
        )


def decoded(name: str, encoded, window, bound: float | None, size=None):
    """One window of the images of a clip.

    Args:
        name: the modality.
        encoded: string `(T,)`, JPEGs; of flow `(2, T)`, the images of x and of y.
        window: int32 `(4,)`: y, x, height and width in pixels.
        bound: of the flow, in pixels.
        size: height and width of the frames, which flow must have, if known.

    Returns:
        `(T, height, width, C)`, uint8; float32 for `flow_target`, in stored pixels.
    """
    if name == RGB:
        return decode.decode(encoded, window)
    images = decode.decode_flow(encoded)
    if size is not None:
        images = _of_size(images, size)
    y, x, height, width = tf.unstack(window)
    images = images[:, y : y + height, x : x + width]
    if name == FLOW:
        return images
    return tf.cast(images, tf.float32) * (2 * bound / 255) - bound


def _of_size(images, size):
    """The images, or an error if they do not have the frames' height and width."""
    found = tf.shape(images)[1:3]
    message = tf.strings.format(
        f"{OTHER_SIZE} its frames: height and width {{}}, where the frames have {{}};",
        (found, tf.stack(size)),
    )
    fits = tf.reduce_all(tf.equal(found, size))
    with tf.control_dependencies([tf.debugging.Assert(fits, [message])]):
        return tf.identity(images)


def fitted(name: str, images, size: int):
    """`(T, h, w, C)` to `(T, size, size, C)`; bilinear, only where needed."""
    if name != FLOW_TARGET:
        return decode.resize(images, size)
    shape = tf.cast(tf.shape(images)[1:3], tf.float32)
    enlarged = size / tf.reverse(shape, [0])  # (u, v) go with (width, height)
    return tf.image.resize(images, [size, size]) * enlarged


def mirrored(name: str, images):
    """Images `(..., H, W, C)` left to right; horizontal motion changes its sign."""
    images = decode.mirror(images)
    if name == RGB:
        return images
    x, y = images[..., :1], images[..., 1:]
    return tf.concat([255 - x if name == FLOW else -x, y], axis=-1)
