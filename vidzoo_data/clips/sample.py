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
        num_starts = self._num_starts(num_frames)
        halves = 2 * tf.range(self.num_segments) + 1
        return self._frames(num_frames, halves * num_starts // (2 * self.num_segments))

    def random(self, num_frames, seed):
        """Frame numbers of one random place in each segment: int32 `(s, k)`.

        Args:
            num_frames: frames in the video, an integer or a scalar tensor.
            seed: int `(2,)`; the same seed gives the same frames.
        """
        # Segment i holds the starts from i * n / s up to, without it, (i + 1) * n / s.
        edges = tf.range(self.num_segments + 1) * self._num_starts(num_frames)
        edges = -(-edges // self.num_segments)
        lengths = edges[1:] - edges[:-1]
        draws = tf.random.stateless_uniform([self.num_segments], seed)
        places = tf.cast(draws * tf.cast(lengths, tf.float32), tf.int32)
        return self._frames(num_frames, edges[:-1] + tf.minimum(places, lengths - 1))

    def _num_starts(self, num_frames):
        """Frames at which a snippet can start, in the video looped if it is short."""
        num_frames = tf.cast(num_frames, tf.int32)
        return tf.maximum(num_frames - self.snippet_length + 1, self.num_segments)

    def _frames(self, num_frames, starts):
        frames = starts[:, None] + tf.range(self.snippet_length)
        return frames % tf.cast(num_frames, tf.int32)
