"""Opening the records that a task works on, with their integrity checked."""

from vidzoo.progress import Progress
from vidzoo_data.records.read import Records


def open_records(path) -> Records:
    """Opens a records folder and checks every shard's SHA-256.

    What was checked once and has not changed since is not read again.

    Raises:
        RecordError: the folder is missing, incomplete, damaged or altered.
    """
    records = Records(path)
    with Progress("check records", 1, "bytes") as progress:
        records.verify()
        del progress
    return records
