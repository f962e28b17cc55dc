"""Imports without the greetings that native libraries print."""

import contextlib
import os
import sys


@contextlib.contextmanager
def without_greetings():
    """Drops what native libraries write to stderr while they are imported.

    TensorFlow 2.21 greets at any `TF_CPP_MIN_LOG_LEVEL`. An import that fails raises
    an exception, which is not lost.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
