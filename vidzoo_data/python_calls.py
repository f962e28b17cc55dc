"""Python functions that pipelines call, and a program's end that waits for them.

A pipeline reads ahead, in threads of TensorFlow's. A program that looks at one batch
and ends leaves them at it: a thread that wants to enter Python while Python goes down
waits for ever, and TensorFlow, which takes the pipeline apart just then, waits for the
thread. So the end of a program waits until nothing is read ahead any more.
"""

import atexit
import functools
import math
import os
import threading
import time

import tensorflow as tf

_QUIET = 0.2  # seconds without a call, after which buffers are full and none comes
_GRACE = 1.0  # seconds, after which calls fail, which TensorFlow logs
_PATIENCE = 10.0  # seconds, in case something calls again and again


class _Calls:
    """Which calls are under way, and since when the program ends."""

    def __init__(self):
        self._lock = threading.Lock()
        self._count = 0
        self._last = 0.0  # when one began or ended
        self._end = math.inf
        self._process = os.getpid()

    def call(self, function, *arguments):
        with self._lock:
            self._count += 1
        try:
            if time.monotonic() > self._end + _GRACE:
                raise InterruptedError("the program ends")
            return function(*arguments)
        finally:
            with self._lock:
                self._count -= 1
                self._last = time.monotonic()

    def end(self):
        """Waits until no call is under way or to come."""
        if os.getpid() != self._process:
            return  # a fork, which has none of the threads
        self._end = time.monotonic()
        while self._count or time.monotonic() < self._end + _PATIENCE:
            last = max(self._end, self._last)
            if not self._count and time.monotonic() > last + _QUIET:
                break
            time.sleep(_QUIET / 10)


_CALLS = _Calls()


@functools.cache
def _wait_at_the_end():
    atexit.register(_CALLS.end)


def numpy_function(function, inputs, types):
    """As `tf.numpy_function`, stateless, of whose calls a program's end takes care."""
    _wait_at_the_end()  # only where there is something to wait for

    def call(*arguments):
        return _CALLS.call(function, *arguments)

    return tf.numpy_function(call, inputs, types, stateful=False)
