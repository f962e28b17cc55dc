"""Passes over pictures at several sizes at once."""

from collections.abc import Iterator, Sequence
from contextlib import closing

import numpy as np

from vidzoo.errors import PictureError
from vidzoo_data import pictures


def read(
    listed: Sequence[pictures.Picture], sides: Sequence[int], batch_size: int
) -> Iterator[tuple[np.ndarray, ...]]:
    """One pass over all pictures, in order and in a fixed memory; each decoded once.

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
    with closing(pictures.batches(listed, tuple(sides), **options)) as batches:
        for batch in batches:
            _check(failures)
            yield batch.images
    _check(failures)


def _check(failures):
    if failures:
        picture, reason, _ = failures[0]
        raise PictureError(f"{picture.path}: {reason}")
