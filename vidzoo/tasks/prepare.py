"""`vidzoo prepare SOURCE OUT`: videos on disk to a records folder."""

import logging
import os
from pathlib import Path

from vidzoo.errors import UsageError
from vidzoo.progress import Progress
from vidzoo_data import sources
from vidzoo_data.flow import FlowSettings
from vidzoo_data.records import resumable, write

_log = logging.getLogger("vidzoo")
_SIZE = 256  # pixels of the short side, where neither user nor data set says


def run(
    source,
    out,
    *,
    layout: str = "folder",
    size: int | tuple[int, int] | None = None,
    fps: float | str | None = None,
    seconds: float | str | None = None,
    quality: int = 95,
    flow: FlowSettings | None = None,
    workers: int | None = None,
    **options,
) -> write.Summary:
    """Decodes, resizes and stores every video of a data set.

    Args:
        source: a folder, or a CSV file.
        out: the records folder to make, or to finish.
        layout: a key of `vidzoo_data.sources.LAYOUTS`.
        size: short side in pixels, or `(height, width)`; by default the layout's, such
            as FCVID's, or 256.
        fps: frames per second to keep, or `"all"`; by default the layout's, or all.
        seconds: of each video to keep, from its start, or `"all"`; by default the
            layout's, such as Sports-1M's, or all.
        quality: of JPEG.
        flow: how flow is computed beside the frames; None for none.
        workers: processes; one per core if None.
        **options: of `vidzoo_data.sources.read`.

    Returns:
        What was written, and what was quarantined.

    Raises:
        UsageError: a value is out of range.
        SourceError: the data set is not laid out as `layout` says.
        RecordError: `out` cannot be used, or no video could be decoded.
        FlowError: OpenCV is installed without what the flow's method needs.
    """
    settings = {"quality": quality, "workers": workers}
    try:  # before the source is read, which may take long
        write.check_arguments(**_frames(size, fps, seconds), **settings)
    except ValueError as error:
        raise UsageError(str(error)) from error
    data = sources.read(layout, source, **options)
    settings |= _frames(size, fps, seconds, data)
    for note in data.notes:
        _log.info(note)
    splits = ", ".join(f"{name} {len(ids)}" for name, ids in data.splits.items())
    count = len(data.videos)
    _log.info("%d videos of %d classes: %s", count, len(data.classes), splits)
    if flow is not None and not is_done(out):
        resumable.check_folder(Path(out))
        num_fields, seconds = write.probe_flow(
            data,
            size=settings["size"],
            fps=settings["fps"],
            seconds=settings["seconds"],
            flow=flow,
            workers=workers,
        )
        say_how_long(flow.method, num_fields, seconds, workers)
    with Progress("flow" if flow else "prepare", count, "videos") as progress:
        return write.prepare(
            data,
            out,
            **settings,
            flow=flow,
            on_progress=lambda done, total: progress.update(done),
        )


def is_done(out) -> bool:
    """Whether a folder holds finished records, so that nothing is left to compute."""
    return (Path(out) / "dataset.json").is_file()


def say_how_long(method: str, num_fields: float, seconds: float, workers) -> None:
    """Says, before flow is computed, about how long that will take.

    Args:
        method: of the flow.
        num_fields: in all.
        seconds: for all of them on one core.
        workers: processes; one per core if None.
    """
    workers = workers or os.cpu_count() or 1
    minutes = seconds / workers / 60
    duration = "a minute"
    if minutes >= 100:
        duration = f"{minutes / 60:.1f} hours"
    elif minutes >= 1.5:
        duration = f"{minutes:.0f} minutes"
    elif not seconds:
        duration = "a time that no video's header tells"
    _log.info(
        "flow: about %d fields by %s, at most about %s with %d processes",
        num_fields,
        method,
        duration,
        workers,
    )


def _frames(size, fps, seconds, data=None):
    """What is stored of frames and videos: as the user says, else the data set."""
    if size is None and data and data.size:
        size = data.size
        shown = size if isinstance(size, int) else "x".join(map(str, size))
        _log.info("%s: frames are stored at %s pixels (--size)", data.name, shown)
    if fps is None and data and data.fps:
        fps = data.fps
        _log.info(
            "%s: a frame is kept every %g seconds (--fps; --fps=all keeps all)",
            data.name,
            1 / fps,
        )
    if seconds is None and data and data.seconds:
        seconds = data.seconds
        _log.info(
            "%s: the first %g seconds of each video are kept (--seconds; "
            "--seconds=all keeps all)",
            data.name,
            seconds,
        )
    return {
        "size": _SIZE if size is None else size,
        "fps": None if fps == "all" else fps,
        "seconds": None if seconds == "all" else seconds,
    }
