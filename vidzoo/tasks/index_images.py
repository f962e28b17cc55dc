"""Pictures and frames of videos to the vectors that an index holds, file by file."""

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
    """The vectors of a picture, or of all frames that were taken of a video.

    Attributes:
        picture: it.
        vectors: float32 `(n, D)`.
        frames: n numbers of a video's frames; `(None,)` of a picture.
        seconds: when they begin.
    """

    picture: data.Picture
    vectors: np.ndarray
    frames: tuple[int | None, ...]
    seconds: tuple[float | None, ...]


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
    """Encodes files in order; of a file that cannot be read to its end nothing comes.

    Memory holds a batch of images and the vectors of one file.

    Args:
        encoder: gives the vectors.
        reading: how files are read.
        pictures: the files, each once.
        failures: what cannot be read is appended here.
    """
    broken, num_seen = set(), 0
    with closing(reading.batches(pictures, failures)) as batches:
        rows = _rows(encoder, batches)
        for picture, group in itertools.groupby(rows, key=lambda row: row[0]):
            # To know where a file ends, the next one was begun: `failures` is complete.
            _, vectors, frames, seconds = zip(*group, strict=True)
            broken.update(failure.picture for failure in failures[num_seen:])
            num_seen = len(failures)
            if picture not in broken:
                yield Encoded(picture, np.stack(vectors), frames, seconds)


def _rows(encoder, batches):
    for batch in batches:
        vectors = encoder(batch.images)
        yield from zip(
            batch.pictures, vectors, batch.frames, batch.seconds, strict=True
        )
