"""Passes over pictures at several sizes at once."""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from vidzoo.errors import PictureError
from vidzoo_data import pictures


def read(
    listed: Sequence[pictures.Picture], sides: Sequence[int], batch_size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """One pass over all pictures, in order and in a fixed memory.

    Args:
        listed: pictures, no videos.
        sides: pixels of the square images.
        batch_size: N; the last batch may be smaller.

    Yields:
        `(N, side, side, 3)` uint8, RGB, for each side.

    Raises:
        PictureError: a picture cannot be read.
    """
    failures = []
    options = {"batch_size": batch_size, "failures": failures}
    with contextlib.ExitStack() as stack:
        streams = [pictures.batches(listed, side, **options) for side in sides]
        for stream in streams:
            stack.enter_context(contextlib.closing(stream))
        for parts in zip(*streams, strict=True):
            _check(failures)
            yield tuple(part.images for part in parts)
    _check(failures)


def _check(failures):
    if failures:
        picture, reason, _ = failures[0]
        raise PictureError(f"{picture.path}: {reason}")
