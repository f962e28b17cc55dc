"""How long work shows that it goes on: a bar on a terminal, plain lines elsewhere."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

_SECONDS_BETWEEN_LINES = 10.0


class Progress:
    """Shows how much of one piece of work is done; use as a context manager.

    Args:
        title: what is being done, e.g. `"prepare"`.
        total: number of units; None if that is not known.
        unit: name of a unit, in the plural.
        stream: where to write; standard error unless told.
    """

    def __init__(self, title: str, total: int | None, unit: str = "steps", stream=None):
        self._title, self._total, self._unit = title, total, unit
        self._stream = stream or sys.stderr
        self._started = self._last_line = time.monotonic()
        self._bar = None
        if self._stream.isatty():
            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn(unit),
                TimeRemainingColumn(),
                TextColumn("{task.fields[note]}"),
                console=Console(file=self._stream),
            )
            self._task = self._bar.add_task(title, total=total, note="")

    def __enter__(self):
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, *exception):
        if self._bar:
            self._bar.stop()

    def update(self, done: int, note: str = ""):
        """Says that `done` units are finished; `note` is shown beside them."""
        if self._bar:
            self._bar.update(self._task, completed=done, note=note)
            return
        now = time.monotonic()
        finished = self._total is not None and done >= self._total
        if finished or now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            total = "?" if self._total is None else self._total
            line = f"{self._title}: {done}/{total} {self._unit}"
            took = f"{now - self._started:.0f} s"
            self._stream.write(f"{line}, {took}{', ' + note if note else ''}\n")
            self._stream.flush()
