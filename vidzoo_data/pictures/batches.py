"""Pictures and frames of videos in batches: in order, in a fixed amount of memory."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import NamedTuple

import numpy as np

from vidzoo.errors import PictureError, VideoError
from vidzoo_data.pictures.listing import Picture
from vidzoo_data.pictures.read import Frame, read, read_frames


class Batch(NamedTuple):
    """Images of one size, and what they are of.

    Attributes:
        images: `(N, size, size, 3)` uint8, RGB; a tuple of them, one for each size,
            where several were asked for.
        pictures: N of them; a video is there once for each of its frames.
        frames: N of them: the number of a video's frame, None of a picture.
        seconds: N of them: when a video's frame begins; None of a picture, and where
            the video states no rate.
    """

    images: np.ndarray | tuple[np.ndarray, ...]
    pictures: tuple[Picture, ...]
    frames: tuple[int | None, ...]
    seconds: tuple[float | None, ...]


class Failure(NamedTuple):
    """A file that could not be read to its end.

    Attributes:
        picture: it.
        reason: a sentence, without the path.
        num_frames: of a video, how many of its frames came before; 0 of a picture.
    """

    picture: Picture
    reason: str
    num_frames: int


def batches(
    pictures: Iterable[Picture],
    size: int | Sequence[int],
    *,
    batch_size: int,
    failures: list[Failure],
    fps: float | None = None,
    num_frames: int | None = None,
    workers: int = 2,
) -> Iterator[Batch]:
    """Reads pictures and frames of videos, in the order of `pictures`.

    Twice as many pictures as workers are in memory beside the batch; of a video one
    frame. Which batches come depends on neither. Close the generator to stop early.

    Args:
        pictures: what to read.
        size: pixels, of the square images; several for one of each.
        batch_size: N; the last batch may be smaller.
        failures: what cannot be read is appended here, and left out of the batches.
        fps: as of `read_frames`; for videos one of the two is needed.
        num_frames: likewise.
        workers: threads that decode pictures; videos are decoded one after the other.

    Raises:
        ValueError: as `read_frames`.
    """
    read_video = partial(read_frames, size=size, fps=fps, num_frames=num_frames)
    with closing(_in_order(pictures, size, read_video, failures, workers)) as images:
        while rows := list(itertools.islice(images, batch_size)):
            items, frames = zip(*rows, strict=True)
            yield Batch(
                images=_stacked([frame.image for frame in frames]),
                pictures=items,
                frames=tuple(frame.number for frame in frames),
                seconds=tuple(frame.seconds for frame in frames),
            )


def _stacked(images):
    if isinstance(images[0], tuple):
        return tuple(np.stack(of_size) for of_size in zip(*images, strict=True))
    return np.stack(images)


def _in_order(pictures, size, read_video, failures, workers):
    """`(picture, frame)` of every image; a picture is a frame without a number."""
    remaining, in_flight = iter(pictures), deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            while True:
                for picture in itertools.islice(
                    remaining, 2 * workers - len(in_flight)
                ):
                    # A video is opened when its turn comes.
                    job = (
                        None
                        if picture.is_video
                        else pool.submit(read, picture.path, size)
                    )
                    in_flight.append((picture, job))
                if not in_flight:
                    return
                picture, job = in_flight.popleft()
                images = read_video(picture.path) if job is None else _result(job)
                yield from _until_failure(picture, images, failures)
        finally:
            pool.shutdown(cancel_futures=True)


def _result(job):
    yield Frame(None, None, job.result())


def _until_failure(picture, images, failures):
    num_frames = 0
    try:
        for frame in images:
            yield picture, frame
            num_frames += 1
    except (PictureError, VideoError) as error:
        reason = str(error).removeprefix(f"{picture.path}: ")
        failures.append(Failure(picture, reason, num_frames))
