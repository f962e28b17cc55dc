"""A process beside the tests' own, which answers what it is asked."""

import contextlib
import json
import subprocess
import sys


@contextlib.contextmanager
def answering(program):
    """A function that asks such a process and returns its answer.

    Args:
        program: Python that reads JSON lists, a line each, and prints one JSON value
            for each line.
    """
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def ask(*question):
            print(json.dumps(question), file=process.stdin, flush=True)
            answer = process.stdout.readline()
            assert answer, f"it ended with exit code {process.wait()}"
            return json.loads(answer)

        yield ask
