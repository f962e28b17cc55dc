"""Opening the records that a task works on, with their integrity checked."""

import contextlib
import time

from vidzoo.progress import Progress
from vidzoo_data.records.read import Records

_SECONDS_WITHOUT_NEWS = 2.0
_MEGABYTE = 1_000_000


def open_records(path) -> Records:
    """Opens a records folder and checks every shard's SHA-256.

    What was checked once and has not changed since is not read again. Progress is shown
    where it takes more than some seconds.

    Raises:
        RecordError: the folder is missing, incomplete, damaged or altered.
    """
    records = Records(path)
    with contextlib.ExitStack() as stack:
        records.verify(_shown_when_slow(stack))
    return records


def _shown_when_slow(stack):
    started, shown = time.monotonic(), []

    def on_progress(done, total):
        if not shown and time.monotonic() - started > _SECONDS_WITHOUT_NEWS:
            progress = Progress("check records", total // _MEGABYTE, "MB")
            shown.append(stack.enter_context(progress))
        for progress in shown:
            progress.update(done // _MEGABYTE)

    return on_progress
