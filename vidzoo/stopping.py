"""Ctrl-C and SIGTERM as a request that long work answers once it has saved itself."""

import os
import signal
import threading

INTERRUPTED, TERMINATED = 130, 143
"""Exit codes of what was stopped by Ctrl-C and by SIGTERM."""


class StopRequest:
    """Whether the user asked to stop; use as a context manager.

    The first Ctrl-C or SIGTERM inside only sets a flag, and says so. A second one acts
    at once, as it would outside. Elsewhere than in the main thread, which alone gets
    signals, nothing changes.
    """

    def __init__(self):
        self._received = None
        self._before = {}

    def __enter__(self):
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception):
        self._restore()

    def __call__(self) -> bool:
        """Whether a stop was asked for."""
        return self._received is not None

    def obey(self) -> None:
        """Ends the work as the signal would have, if there was one.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            SystemExit: it was SIGTERM.
        """
        if self._received == signal.SIGINT:
            raise KeyboardInterrupt
        if self._received == signal.SIGTERM:
            raise SystemExit(TERMINATED)

    def _receive(self, number, frame):
        del frame
        self._received = number
        self._restore()
        name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
        # Not through sys.stderr, which may be in the middle of writing.
        os.write(2, f"\n{name}: stopping after this step, saving first\n".encode())

    def _restore(self):
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()
