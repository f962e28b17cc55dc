"""Encoded images of one video to its clip: one window and mirroring for all of them."""

import functools

import tensorflow as tf

from vidzoo_data.clips.decode import stack_snippets
from vidzoo_data.clips.modalities import (
    CHANNELS,
    FEATURES,
    RGB,
    decoded,
    fitted,
    mirrored,
)


def maker(records, sampling, modalities, crop, color):
    """What makes clips of encoded images, as `stream.clip_stream` wants it."""
    return functools.partial(
        clip,
        sampling=sampling,
        modalities=modalities,
        crop=crop,
        color=color,
        bound=records.flow and records.flow["bound"],
    )


def clip(
    images,
    height,
    width,
    crop_seed,
    color_seed,
    *,
    sampling,
    modalities,
    crop,
    color,
    bound,
):
    """Encoded images of one video to its clip: modality -> `(T, H, W, C*k)`.

    Features `(T, *F)` stay as they are.
    """
    if FEATURES in modalities:
        return images
    window, flip = crop.window(height, width, crop_seed)
    shown_by = {}
    for name, length in modalities.items():
        shown = decoded(name, images[name], window, bound, (height, width))
        shown = fitted(name, shown, crop.size)
        shown = tf.cond(flip, lambda n=name, s=shown: mirrored(n, s), lambda s=shown: s)
        shown = tf.ensure_shape(shown, [None, crop.size, crop.size, CHANNELS[name]])
        if name == RGB and color is not None:
            shown = color.jitter(shown, color_seed)
        stacked = stack_snippets(shown, length)
        shown_by[name] = tf.ensure_shape(stacked, [sampling.num_snippets, *[None] * 3])
    return shown_by
