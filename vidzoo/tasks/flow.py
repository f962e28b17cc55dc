"""`vidzoo flow SOURCE OUT`: flow of videos, or of stored records, beside the frames."""

from pathlib import Path

from vidzoo.errors import UsageError
from vidzoo.progress import Progress
from vidzoo.tasks import prepare
from vidzoo.tasks.open_records import open_records
from vidzoo_data.flow import FlowSettings
from vidzoo_data.records import resumable, write


def run(
    source,
    out,
    *,
    method: str = "tvl1",
    bound: float | None = None,
    flow_fps: float | None = None,
    image_format: str = "png",
    workers: int | None = None,
    **options,
) -> write.Summary:
    """Computes the flow of every video and stores it with the video's frames.

    Args:
        source: a records folder; or what `prepare` takes, a folder of videos or a CSV.
        out: the records folder to make, or to finish.
        method: a key of `vidzoo_data.flow.METHODS`.
        bound: pixels at which flow is clipped; 20 unless told.
        flow_fps: 1 / seconds between the two frames of a field; neighbours if None.
        image_format: `"png"` or `"jpeg"`.
        workers: processes; one per core if None.
        **options: of `prepare.run`, where `source` is not a records folder.

    Returns:
        What was written, and what was quarantined.

    Raises:
        UsageError: a value is out of range, or an option is none for records.
        FlowError: OpenCV is installed without what the method needs, or stored frames
            do not have the rate that flow is asked for at.
        VidzooError: as `prepare.run`.
    """
    given = {"bound": bound, "fps": flow_fps}
    try:
        settings = FlowSettings(
            method=method,
            image_format=image_format,
            **{name: value for name, value in given.items() if value is not None},
        )
        write.check_arguments(workers=workers)
    except ValueError as error:
        raise UsageError(str(error)) from error
    if not (Path(source) / "dataset.json").is_file():
        return prepare.run(source, out, flow=settings, workers=workers, **options)
    if options:
        raise UsageError(
            f"--{min(options)} is for videos; {source} holds records, whose frames "
            "stay as they are. Leave it out."
        )
    records = open_records(source)
    if not prepare.is_done(out):
        resumable.check_folder(Path(out))
        found = write.probe_stored_flow(records, settings)
        prepare.say_how_long(settings.method, *found, workers)
    with Progress("flow", len(records.videos), "videos") as progress:
        return write.add_flow(
            records,
            out,
            settings,
            workers=workers,
            on_progress=lambda done, total: progress.update(done),
        )
