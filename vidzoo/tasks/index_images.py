"""Pictures and frames of videos to the vectors that an index holds, part by part."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vidzoo.errors import UsageError
from vidzoo.retrieval import Encoder
from vidzoo_data import pictures as data

FPS = 1.0  # frames per second of a video, unless told


class Encoded(NamedTuple):
    """The vector of a picture, or those of a video's frames: all, or some in a row.

    Attributes:
        picture: it.
        vectors: float32 `(n, D)`.
        frames: n numbers of a video's frames; `(None,)` of a picture.
        seconds: when they begin.
        more: whether more of the video may come; if it breaks, nothing does.
    """

    picture: data.Picture
    vectors: np.ndarray
    frames: tuple[int | None, ...]
    seconds: tuple[float | None, ...]
    more: bool


@dataclass(frozen=True)
class Reading:
    """How files become batches of images.

    Attributes:
        sizes: pixels, one for each scale.
        fps: of videos; None where `num_frames` is given.
        num_frames: of each video.
        batch_size: images at once.
        workers: threads that decode pictures.
    """

    sizes: Sequence[int]
    fps: float | None
    num_frames: int | None
    batch_size: int
    workers: int

    def batches(self, pictures, failures) -> Iterator[data.Batch]:
        """Batches of images of each size; what cannot be read goes to `failures`."""
        return data.batches(
            pictures,
            tuple(self.sizes),
            batch_size=self.batch_size,
            failures=failures,
            fps=self.fps,
            num_frames=self.num_frames,
            workers=self.workers,
        )


def frames_taken(fps: float | None, num_frames: int | None) -> dict:
    """Which frames of a video are taken: by default `FPS` a second.

    Raises:
        UsageError: both are given, or a rate that is none.
    """
    if fps is not None and num_frames is not None:
        raise UsageError("--fps and --num_frames: give one of them.")
    if fps is None and num_frames is None:
        fps = FPS
    if fps is not None and not 0 < fps < float("inf"):
        raise UsageError(f"--fps={fps}: give frames per second, above 0.")
    return {"fps": fps, "num_frames": num_frames}


def encode(
    encoder: Encoder,
    reading: Reading,
    pictures: Sequence[data.Picture],
    failures: list[data.Failure],
) -> Iterator[Encoded]:
    """Encodes files in order, those of a video in pieces, in a fixed amount of memory.

    Memory holds two batches of images and of vectors, however long a video is. Of a
    file that cannot be read to its end no piece comes that says that there is no more.

    Args:
        encoder: gives the vectors.
        reading: how files are read.
        pictures: the files, each once.
        failures: what cannot be read is appended here.
    """
    broken, num_seen = set(), 0
    with closing(reading.batches(pictures, failures)) as batches:
        pieces = itertools.chain(_pieces(encoder, batches), [None])
        for piece, following in itertools.pairwise(pieces):
            picture = piece[0]
            # To know whether it ends, the next file was begun: `failures` is complete.
            broken.update(failure.picture for failure in failures[num_seen:])
            num_seen = len(failures)
            if picture not in broken:
                more = following is not None and following[0] == picture
                yield Encoded(*piece, more)


def _pieces(encoder, batches):
    """`(picture, vectors, frames, seconds)` of each file in each batch."""
    for batch in batches:
        vectors, start = encoder(batch.images), 0
        for picture, rows in itertools.groupby(batch.pictures):
            place = slice(start, start + len(list(rows)))
            yield picture, vectors[place], batch.frames[place], batch.seconds[place]
            start = place.stop
