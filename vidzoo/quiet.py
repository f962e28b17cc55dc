"""What the user sees on stderr: vidzoo's own messages, not those of libraries."""

import contextlib
import logging
import os
import sys

from absl import logging as absl_logging


def show_vidzoo_logs_only() -> None:
    """Sends vidzoo's messages to stderr, plainly, and other libraries' errors alone."""
    log = logging.getLogger("vidzoo")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
    absl_logging.set_verbosity(absl_logging.ERROR)
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


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
