"""Which frames of a video make a clip."""

from dataclasses import dataclass

import tensorflow as tf


@dataclass(frozen=True)
class Segments:
    """TSN's sampling: s equal segments of the video, k neighbouring frames in each.

    Source: Wang et al. 2016; section 5.3.2.

    A video with fewer than `s + k - 1` frames is looped from its start until it has
    them, so one frame is enough.

    Attributes:
        num_segments: s.
        snippet_length: k.

    Raises:
        ValueError: either is below 1.
    """

    num_segments: int
    snippet_length: int = 1

    def __post_init__(self):
        for name in ("num_segments", "snippet_length"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"`{name}` must be >= 1. Received: {getattr(self, name)}."
                )

    def centered(self, num_frames):
        """Frame numbers of the middle of each segment: int32 `(s, k)`."""
        return self._frames(num_frames, tf.fill([self.num_segments], 0.5))

    def random(self, num_frames, seed):
        """Frame numbers of one random place in each segment: int32 `(s, k)`.

        Args:
            num_frames: frames in the video, an integer or a scalar tensor.
            seed: int `(2,)`; the same seed gives the same frames.
        """
        places = tf.random.stateless_uniform([self.num_segments], seed)
        return self._frames(num_frames, places)

    def _frames(self, num_frames, places):
        num_frames = tf.cast(num_frames, tf.int32)
        num_starts = tf.maximum(num_frames - self.snippet_length + 1, self.num_segments)
        segment = tf.range(self.num_segments, dtype=tf.float32) + places
        length = tf.cast(num_starts, tf.float32) / self.num_segments
        starts = tf.minimum(tf.cast(segment * length, tf.int32), num_starts - 1)
        frames = starts[:, None] + tf.range(self.snippet_length)
        return frames % num_frames
