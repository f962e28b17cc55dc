"""Which targets of a clip are known: the fields that lead to the next image shown.

A field that a network is to predict goes from one image of the clip to the next one.
Where the next image is another than the field leads to (a short video is looped, a
window strides over frames), or where no field is stored, the target is NaN: unknown, to
be masked. The last field leads to a frame that is not shown, the future, so whatever is
stored is right. In a `Segments` clip each snippet has a last field of its own.
"""

from collections.abc import Mapping

import tensorflow as tf

from vidzoo_data.clips.modalities import FLOW, FLOW_TARGET, needs_flow

_SAME_RATE = 0.05  # of a frame: videos of 29.97 frames per second have flow at 30


def num_frames(
    modalities: Mapping[str, int], sampling, stored_frames: int, stored_fields: int
) -> int:
    """The frames, from the first on, that a clip can be sampled from.

    Those with flow, if it is asked for; if it is a target of the first images of a
    snippet only, also those that follow them.

    Args:
        modalities: as `training_batches` has them.
        sampling: which of the frames.
        stored_frames: of the video.
        stored_fields: of the video, those of its first frames.
    """
    if not needs_flow(modalities):
        return stored_frames
    if FLOW in modalities:
        return stored_fields
    without = sampling.snippet_length - modalities[FLOW_TARGET]
    return min(stored_frames, stored_fields + without)


def leads_on(sampling, numbers, stored_fields, frames_apart):
    """Whether each frame has a field that leads to the next image of the clip.

    Args:
        sampling: what gave `numbers`.
        numbers: int32 `(T, k)`, of frames.
        stored_fields: those of the video's first frames.
        frames_apart: stored frames from the start of a field to its end.

    Returns:
        bool `(T, k)`.
    """
    axis = 0 if sampling.is_run else 1
    if axis == 0:
        steps, last = numbers[1:] - numbers[:-1], numbers[:1]
    else:
        steps, last = numbers[:, 1:] - numbers[:, :-1], numbers[:, :1]
    misses = tf.abs(tf.cast(steps, tf.float32) - tf.cast(frames_apart, tf.float32))
    known = [misses < _SAME_RATE, tf.ones_like(last, tf.bool)]
    return tf.concat(known, axis=axis) & (numbers < stored_fields)


def masked(clip, modalities: Mapping[str, int], known):
    """The clip with NaN where its target is not known.

    Args:
        clip: modality -> `(..., T, H, W, C*k)`.
        modalities: as `training_batches` has them.
        known: bool `(T, k)`.
    """
    if FLOW_TARGET not in modalities:
        return clip
    known = tf.repeat(known[:, : modalities[FLOW_TARGET]], 2, axis=1)  # u and v
    target = clip[FLOW_TARGET]
    nan = tf.constant(float("nan"), target.dtype)
    return clip | {FLOW_TARGET: tf.where(known[:, None, None, :], target, nan)}
