"""Encoding images a few at a time, one thread each.

A few images' descriptors, and all that is made of them, stay in a core's cache: faster
than whole batches, in memory that depends on no batch.
"""

import functools
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import threadpoolctl

DESCRIPTORS_AT_ONCE = 3200  # some four images of 28x28
_lock = threading.Lock()  # the number of BLAS' threads is one for the whole process


def num_workers() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def encode(
    encode_part: Callable[[np.ndarray, np.ndarray], None],
    descriptors: np.ndarray,
    shape: tuple[int, ...],
) -> np.ndarray:
    """Encodes every image by `encode_part`.

    Args:
        encode_part: called with the descriptors of a few images, `(n, L, D)`, and the
            `(n, *shape)` to write them to.
        descriptors: `(N, L, D)`.
        shape: of one image's encoding.

    Returns:
        float32 `(N, *shape)`.
    """
    encoded = np.empty((len(descriptors), *shape), np.float32)
    step = max(1, DESCRIPTORS_AT_ONCE // max(1, descriptors.shape[1]))
    spans = [slice(i, i + step) for i in range(0, len(descriptors), step)]
    run(lambda span: encode_part(descriptors[span], encoded[span]), spans)
    return encoded


def run(function: Callable, items: list) -> list:
    """Calls `function` with every item, on all cores; each call has one BLAS thread.

    Returns:
        What it returned, in the order of the items.
    """
    workers = min(num_workers(), len(items))
    if workers < 2:
        return [function(item) for item in items]
    with _lock, _blas().limit(limits=1), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))


@functools.cache
def _blas():
    return threadpoolctl.ThreadpoolController().select(user_api="blas")
