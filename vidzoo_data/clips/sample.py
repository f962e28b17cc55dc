"""Which frames of a video make a clip.

A sampler answers with frame numbers, int32 `(T, k)`: T snippets of k images. Any of
them serves training and test:

- `random(num_frames, seed, fps)` draws, `centered(num_frames, fps)` does not; `fps` is
  the video's own rate, and only samplers whose `needs_rate` is true look at it;
- `num_snippets` is T, or None if it follows from the video's length;
- `snippet_length` is k;
- `is_run` is true where the T snippets are one run of frames, each followed by the
  next.

Numbers of frames and rates may be Python's or scalar tensors.
"""

import math
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

_TOLERANCE = 1e-6  # of a frame: rates like 30000/1001 do not divide exactly


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

    needs_rate = False
    is_run = False

    def __post_init__(self):
        _check_counts(self, "num_segments", "snippet_length")

    @property
    def num_snippets(self):
        """T."""
        return self.num_segments

    def centered(self, num_frames, fps=None):
        """Frame numbers of the middle of each segment: int32 `(s, k)`."""
        del fps
        num_starts = self._num_starts(num_frames)
        halves = 2 * tf.range(self.num_segments) + 1
        return self._frames(num_frames, halves * num_starts // (2 * self.num_segments))

    def random(self, num_frames, seed, fps=None):
        """Frame numbers of one random place in each segment: int32 `(s, k)`.

        Args:
            num_frames: frames in the video, an integer or a scalar tensor.
            seed: int `(2,)`; the same seed gives the same frames.
            fps: of no interest here.
        """
        del fps
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


@dataclass(frozen=True)
class Window:
    """One run of frames: every `stride`-th frame, or `fps` frames per second.

    At a rate, frame i of the clip is the video's frame nearest to i / fps seconds after
    the clip's first one, halves down, as `prepare --fps` has it. A video shorter than
    the clip is looped from its start, so one frame is enough.

    Attributes:
        length: T, frames in a clip.
        stride: video frames from one frame to the next.
        fps: frames per second, in place of a stride.

    Raises:
        ValueError: a value is out of its range, or both `stride` and `fps` are given.
    """

    length: int
    stride: int = 1
    fps: float | None = None

    snippet_length = 1
    is_run = True

    def __post_init__(self):
        _check_counts(self, "length", "stride")
        if self.fps is not None:
            _check_rate(self.fps)
            if self.stride != 1:
                raise ValueError(
                    f"Give `stride` or `fps`, not both. Received: {self.stride} and "
                    f"{self.fps}."
                )

    @property
    def num_snippets(self):
        """T."""
        return self.length

    @property
    def needs_rate(self):
        """Whether the video's rate decides which frames are taken."""
        return self.fps is not None

    def centered(self, num_frames, fps=None):
        """Frame numbers of the run in the middle of the video: int32 `(T, 1)`."""
        steps = self._steps(fps)
        return _looped(self._num_starts(num_frames, steps) // 2 + steps, num_frames)

    def random(self, num_frames, seed, fps=None):
        """Frame numbers of a run that starts anywhere it fits: int32 `(T, 1)`.

        Args:
            num_frames: frames in the video.
            seed: int `(2,)`; the same seed gives the same frames.
            fps: the video's own rate.
        """
        steps = self._steps(fps)
        start = _random_place(self._num_starts(num_frames, steps), seed)
        return _looped(start + steps, num_frames)

    def _steps(self, fps):
        """Frames from the clip's first to each of its frames: int32 `(T,)`."""
        if self.fps is None:
            return self.stride * tf.range(self.length)
        return _nearest(tf.range(self.length), _frames_apart(fps, self.fps))

    def _num_starts(self, num_frames, steps):
        return tf.maximum(tf.cast(num_frames, tf.int32) - steps[-1], 1)


@dataclass(frozen=True)
class Whole:
    """The video from its beginning, at `fps` frames per second.

    Source: section 3.4 samples the first 5 minutes at 1 frame per second and repeats
    them from the start: `Whole(fps=1, num_frames=300)`. Nothing is drawn.

    Frame i is the video's frame nearest to i / fps seconds, as `prepare --fps` has it.

    Attributes:
        fps: frames per second; None for every frame there is.
        num_frames: T: short videos are looped from their start, long ones cut. None
            for all there are: then T differs from video to video.

    Raises:
        ValueError: a value is out of its range.
    """

    fps: float | None = None
    num_frames: int | None = None

    snippet_length = 1
    is_run = True

    def __post_init__(self):
        if self.fps is not None:
            _check_rate(self.fps)
        if self.num_frames is not None:
            _check_counts(self, "num_frames")

    @property
    def num_snippets(self):
        """T, or None."""
        return self.num_frames

    @property
    def needs_rate(self):
        """Whether the video's rate decides which frames are taken."""
        return self.fps is not None

    def centered(self, num_frames, fps=None):
        """Frame numbers: int32 `(T, 1)`."""
        apart = np.float64(1) if self.fps is None else _frames_apart(fps, self.fps)
        lasting = tf.cast(num_frames, tf.float64) - _TOLERANCE
        available = tf.maximum(tf.cast(tf.math.ceil(lasting / apart), tf.int32), 1)
        wanted = available if self.num_frames is None else self.num_frames
        numbers = _nearest(tf.range(wanted) % available, apart)
        return tf.minimum(numbers, tf.cast(num_frames, tf.int32) - 1)[:, None]

    def random(self, num_frames, seed, fps=None):
        """As `centered`."""
        del seed
        return self.centered(num_frames, fps)


@dataclass(frozen=True)
class Excerpt:
    """A run of frames out of those that a `Whole` gives: an example of section 3.4.1.

    `Excerpt(30, Whole(fps=1, num_frames=300))` is the Sports-1M protocol: the first 5
    minutes at 1 frame per second, repeated from the start where the video is shorter,
    and of these 300 frames 30 that start at any of 271 places. Where `whole` gives
    fewer frames than `length`, they are looped from their start.

    Attributes:
        length: T, frames in a clip.
        whole: the frames that it is taken from.

    Raises:
        ValueError: `length` is below 1, or above `whole.num_frames`.
    """

    length: int
    whole: Whole

    snippet_length = 1
    is_run = True

    def __post_init__(self):
        _check_counts(self, "length")
        if self.whole.num_frames is not None and self.length > self.whole.num_frames:
            raise ValueError(
                f"`length` must be at most the {self.whole.num_frames} frames of "
                f"`whole`. Received: {self.length}."
            )

    @property
    def num_snippets(self):
        """T."""
        return self.length

    @property
    def needs_rate(self):
        """Whether the video's rate decides which frames are taken."""
        return self.whole.needs_rate

    def centered(self, num_frames, fps=None):
        """Frame numbers of the run in the middle of `whole`: int32 `(T, 1)`."""
        sequence = self.whole.centered(num_frames, fps)
        return self._run(sequence, self._num_starts(sequence) // 2)

    def random(self, num_frames, seed, fps=None):
        """Frame numbers of a run that starts anywhere it fits: int32 `(T, 1)`.

        Args:
            num_frames: frames in the video.
            seed: int `(2,)`; the same seed gives the same frames.
            fps: the video's own rate, where `whole` needs it.
        """
        sequence = self.whole.centered(num_frames, fps)
        return self._run(sequence, _random_place(self._num_starts(sequence), seed))

    def _num_starts(self, sequence):
        return tf.maximum(tf.shape(sequence)[0] - self.length + 1, 1)

    def _run(self, sequence, start):
        places = (start + tf.range(self.length)) % tf.shape(sequence)[0]
        return tf.gather(sequence, places)


def _random_place(num_places, seed):
    """An integer from 0 to `num_places` - 1."""
    draw = tf.random.stateless_uniform([], seed)
    place = tf.cast(draw * tf.cast(num_places, tf.float32), tf.int32)
    return tf.minimum(place, num_places - 1)


def _frames_apart(fps, wanted):
    """Video frames, a fraction, from one frame at `wanted` per second to the next."""
    if fps is None:
        raise ValueError("Sampling at a rate needs `fps`, the video's own. Give it.")
    return to_float64(fps) / wanted


def to_float64(rate):
    """A rate as float64; `tf.cast` would pass a Python number through float32."""
    return tf.cast(rate if tf.is_tensor(rate) else np.float64(rate), tf.float64)


def _nearest(steps, apart):
    places = tf.cast(steps, tf.float64) * apart
    return tf.cast(tf.math.ceil(places - 0.5 - _TOLERANCE), tf.int32)  # halves down


def _looped(numbers, num_frames):
    return (numbers % tf.cast(num_frames, tf.int32))[:, None]


def _check_counts(sampler, *names):
    for name in names:
        if getattr(sampler, name) < 1:
            raise ValueError(
                f"`{name}` must be >= 1. Received: {getattr(sampler, name)}."
            )


def _check_rate(fps):
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"`fps` must be above 0. Received: {fps}.")
