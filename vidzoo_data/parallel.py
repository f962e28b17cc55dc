"""A function over many items in worker processes, in order, whatever happens to them.

Imported by the workers, so it loads neither TensorFlow nor anything that does.
"""

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import connection
from typing import Any

import cv2

from vidzoo.errors import VidzooError

CRASHED = "CRASHED"
"""The result for an item whose worker process died."""


def run_in_order(
    function: Callable[[Any], Any], items: Iterable[Any], *, workers: int
) -> Iterator[Any]:
    """Yields `function(item)` for every item, in order, with `2 * workers` in flight.

    When a worker process dies, the items in flight are tried again, each alone in a
    fresh process, and only the one that kills its process again yields `CRASHED`.
    Close the generator to stop the processes early.

    Args:
        function: importable by name in another process, or a `partial` of such.
        items: what can be pickled.
        workers: number of processes.

    Raises:
        VidzooError: no worker process can start.
        Exception: what `function` raised.
    """
    remaining, in_flight = iter(items), deque()
    pool = _start(workers)
    try:
        while True:
            for item in islice(remaining, 2 * workers - len(in_flight)):
                in_flight.append((item, _submit(pool, function, item)))
            if not in_flight:
                break
            item, future = in_flight.popleft()
            try:
                result = future.result()
            except BrokenProcessPool:
                _kill(pool)
                in_flight.appendleft((item, future))
                while in_flight:
                    yield _again_alone(function, *in_flight.popleft())
                pool = _start(workers)
            else:
                yield result
        pool.shutdown()
    finally:
        _kill(pool)


def _again_alone(function, item, future):
    """The result of an item that was in flight when a worker died."""
    if isinstance(future.exception(), BrokenProcessPool):
        pool = _start(1)
        try:
            if isinstance(_submit(pool, os.getpid).exception(), BrokenProcessPool):
                raise VidzooError(
                    "worker processes die as they start, as they do where memory is "
                    "short; try fewer `workers`"
                )
            future = _submit(pool, function, item)
            future.exception()  # waits
        finally:
            _kill(pool)
    if isinstance(future.exception(), BrokenProcessPool):
        return CRASHED
    return future.result()


def _start(workers):
    return ProcessPoolExecutor(
        workers, multiprocessing.get_context("spawn"), initializer=_set_up_worker
    )


def _submit(pool, *call):
    # A new process inherits the blocked Ctrl-C, so that it says nothing if one comes
    # while it is still importing.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    # It would also import the program's main file, with TensorFlow and all, and run it
    # where that has no guard. Nothing in there is needed.
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        return pool.submit(*call)
    except BrokenProcessPool as error:
        failed = Future()
        failed.set_exception(error)
        return failed
    finally:
        sys.modules["__main__"] = main
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _kill(pool):
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _set_up_worker():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    cv2.setNumThreads(1)  # there are as many processes as there are cores
    threading.Thread(target=_follow_parent, daemon=True).start()


def _follow_parent():
    """Ends the worker when its parent is gone, were it killed without notice."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)
