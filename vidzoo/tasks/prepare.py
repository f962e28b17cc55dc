"""`vidzoo prepare SOURCE OUT`: videos on disk to a records folder."""

import logging

from vidzoo.errors import UsageError
from vidzoo.progress import Progress
from vidzoo_data import sources
from vidzoo_data.records import write

_log = logging.getLogger("vidzoo")


def run(
    source,
    out,
    *,
    layout: str = "folder",
    size: int | tuple[int, int] = 256,
    fps: float | None = None,
    quality: int = 95,
    workers: int | None = None,
    **options,
) -> write.Summary:
    """Decodes, resizes and stores every video of a data set.

    Args:
        source: a folder, or a CSV file.
        out: the records folder to make, or to finish.
        layout: a key of `vidzoo_data.sources.LAYOUTS`.
        size: short side in pixels, or `(height, width)`.
        fps: frames per second to keep; all frames if None.
        quality: of JPEG.
        workers: processes; one per core if None.
        **options: of `vidzoo_data.sources.read`.

    Returns:
        What was written, and what was quarantined.

    Raises:
        UsageError: a value is out of range.
        SourceError: the data set is not laid out as `layout` says.
        RecordError: `out` cannot be used, or no video could be decoded.
    """
    settings = {"size": size, "fps": fps, "quality": quality, "workers": workers}
    try:
        write.check_arguments(**settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    data = sources.read(layout, source, **options)
    for note in data.notes:
        _log.info(note)
    splits = ", ".join(f"{name} {len(ids)}" for name, ids in data.splits.items())
    count = len(data.videos)
    _log.info("%d videos of %d classes: %s", count, len(data.classes), splits)
    with Progress("prepare", count, "videos") as progress:
        return write.prepare(
            data,
            out,
            **settings,
            on_progress=lambda done, total: progress.update(done),
        )
