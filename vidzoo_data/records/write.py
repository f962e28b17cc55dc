"""Videos, and flow, to records folders: in parallel, and reproducible to the byte.

`resumable` has how a folder is written, `folder` the layout of its files.
"""

import os
from collections.abc import Callable
from functools import partial

from vidzoo.errors import FlowError, RecordError
from vidzoo_data import parallel
from vidzoo_data.flow import compute, stored
from vidzoo_data.flow.stored import FlowSettings
from vidzoo_data.records import encode, resumable
from vidzoo_data.records.read import Records
from vidzoo_data.records.resumable import Summary as Summary
from vidzoo_data.sources.source import Source, Video

VIDEOS_PER_SHARD = 64
_NUM_PROBED = 16  # videos
_CRASHED = "the decoder crashed; re-encode the video, or leave it out."
_CRASHED_IN_FLOW = (
    "the process that worked on it died, of its frames or for want of memory; try "
    "fewer `workers`, re-encode the video, or leave it out."
)


def prepare(
    source: Source,
    out: str | os.PathLike,
    *,
    size: int | tuple[int, int] = 256,
    fps: float | None = None,
    quality: int = 95,
    seconds: float | None = None,
    flow: FlowSettings | None = None,
    videos_per_shard: int = VIDEOS_PER_SHARD,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Writes the videos of `source` to a records folder.

    A video that cannot be decoded goes to `quarantine.csv` and stops nothing. Called
    again with the same arguments, it goes on where it was stopped, or returns at once
    if all is done; the bytes are those of a run that was never stopped, whatever the
    number of workers.

    Args:
        source: from `vidzoo_data.sources.read`.
        out: the records folder; made if missing.
        size: short side, or `(height, width)`, of the stored frames, in pixels.
        fps: frames per second to store; by default each video's own.
        quality: of the JPEGs, 1 to 100.
        seconds: how much of each video, from its beginning, is decoded and stored; all
            by default.
        flow: how flow is computed beside the frames; None for none.
        videos_per_shard: videos in each file of records.
        workers: number of processes; by default one per core.
        on_progress: called with the numbers of videos done and of all videos.

    Raises:
        ValueError: an argument is out of its range.
        RecordError: `out` holds something else, another process writes to it, it
            cannot be written, or no video could be decoded.
        FlowError: OpenCV is installed without what the flow's method needs.
        VidzooError: no worker process can start.
    """
    check_arguments(
        size=size,
        fps=fps,
        quality=quality,
        seconds=seconds,
        videos_per_shard=videos_per_shard,
        workers=workers,
    )
    if not source.videos:
        raise RecordError(f"{out}: the {source.name} source lists no video to prepare.")
    made_with = {
        "layout": source.name,
        "size": size if isinstance(size, int) else list(size),
        "fps": fps,
        "jpeg_quality": quality,
        "videos_per_shard": videos_per_shard,
    }
    if seconds is not None:  # without it, as in records of before
        made_with["seconds"] = seconds
    if flow is not None:
        compute.check_available(flow.method)
        made_with["flow"] = flow.as_dict()

    def encoded(videos, keep_in):
        paths = [os.fspath(video.path) for video in videos]
        task = partial(
            encode.encode_or_reason,
            **{"size": size, "fps": fps, "quality": quality},
            **{"seconds": seconds, "flow": flow, "keep_in": keep_in},
        )
        crashed = _CRASHED if flow is None else _CRASHED_IN_FLOW
        return _run(task, paths, workers, len(paths), crashed)

    return resumable.write_folder(source, out, made_with, encoded, on_progress)


def add_flow(
    records: Records,
    out: str | os.PathLike,
    flow: FlowSettings,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Writes the videos of a records folder, and their flow, to another one.

    The new records are those that `prepare` would have made of the same videos with
    `flow`. It can be stopped and called again, as `prepare` can; flow that was computed
    is kept, video by video.

    Args:
        records: an opened records folder.
        out: the new folder; made if missing.
        flow: how the flow is computed; flow that `records` have already is not kept.
        workers: number of processes; by default one per core.
        on_progress: called with the numbers of videos done and of all videos.

    Raises:
        ValueError: `workers` is below 1.
        RecordError: as in `prepare`, or `records` are damaged.
        FlowError: OpenCV is installed without what the flow's method needs, or flow is
            asked for at a higher rate than frames are there at.
        VidzooError: no worker process can start.
    """
    check_arguments(workers=workers)
    compute.check_available(flow.method)
    records.check_kind(features=False)
    _check_rate(records, flow)
    made_with = {
        "videos_per_shard": VIDEOS_PER_SHARD,
        **records.made_with,
        "records": records.plan,
        "flow": flow.as_dict(),
    }

    def encoded(videos, keep_in):
        items = (_stored(records, video.video_id) for video in videos)
        task = partial(encode.add_flow_or_reason, settings=flow, keep_in=keep_in)
        return _run(task, items, workers, len(videos), _CRASHED_IN_FLOW)

    source = _as_source(records)
    return resumable.write_folder(
        source, out, made_with, encoded, on_progress, num_short=records.num_short
    )


def _check_rate(records, flow):
    """A rate that stored frames do not have would leave their videos out."""
    slow = []
    for entry in records.videos.values():
        try:
            encode.frames_apart(entry.fps, flow)
        except FlowError as error:
            slow.append(f"{entry.video_id}: {error}")
    if slow:
        raise FlowError(
            f"{records.path}: {len(slow)} of {len(records.videos)} videos cannot have "
            f"this flow; first: {slow[0]}"
        )


def probe_flow(
    source: Source,
    *,
    size: int | tuple[int, int],
    fps: float | None,
    flow: FlowSettings,
    seconds: float | None = None,
    workers: int | None = None,
) -> tuple[float, float]:
    """About how many fields the flow of a source has, and their seconds on one core.

    It looks at some videos' headers and at one field of each.

    Args:
        source: the videos.
        size: as in `prepare`.
        fps: as in `prepare`.
        flow: how it will be computed.
        seconds: as in `prepare`.
        workers: number of processes; by default one per core.

    Returns:
        Both numbers; zeros where no video tells.

    Raises:
        FlowError: OpenCV is installed without what the flow's method needs.
    """
    compute.check_available(flow.method)
    paths = [os.fspath(video.path) for video in source.videos]
    if not paths:
        return 0.0, 0.0
    probed = paths[:: -(-len(paths) // _NUM_PROBED) or 1]
    task = partial(encode.probe_flow, size=size, fps=fps, flow=flow, seconds=seconds)
    found = [x for x in _run(task, probed, workers, len(probed)) if x is not None]
    if not found:
        return 0.0, 0.0
    scale = len(paths) / len(found)
    num_fields = sum(number for number, _ in found) * scale
    return num_fields, sum(number * seconds for number, seconds in found) * scale


def probe_stored_flow(records: Records, flow: FlowSettings) -> tuple[float, float]:
    """As `probe_flow`, of frames that are stored already.

    Raises:
        RecordError: the records are damaged.
    """
    entries = list(records.videos.values())
    num_fields = sum(max(entry.num_frames - 1, 1) for entry in entries)
    seconds, pixels = 0.0, 0
    for entry in entries[:: -(-len(entries) // _NUM_PROBED)]:
        middle = entry.num_frames // 2
        pair = records.read_frames(entry, sorted({max(middle - 1, 0), middle}))
        if len(set(pair)) == 2:  # equal frames need no computing
            seconds += stored.seconds_per_field(*pair, flow)
            pixels += entry.height * entry.width
    all_pixels = sum(e.num_frames * e.height * e.width for e in entries)
    return num_fields, seconds * all_pixels / max(pixels, 1)


def _as_source(records):
    """What `records` were made of; a video's path is that of its shard."""
    return Source(
        name=records.name,
        classes=records.classes,
        videos=tuple(
            Video(
                video_id=video.video_id,
                path=records.path / video.shard,
                labels=tuple(records.classes[label] for label in video.labels),
            )
            for video in records.videos.values()
        ),
        splits=records.splits,
        missing=records.quarantined,
    )


def _stored(records, video_id):
    """A stored video, as it was when it was encoded."""
    entry = records.videos[video_id]
    return encode.EncodedVideo(
        jpegs=tuple(records.read_frames(entry, range(entry.num_frames))),
        fps=entry.fps,
        height=entry.height,
        width=entry.width,
        num_decoded=0,
        num_declared=0,
    )


def _run(task, items, workers, num_items, crashed=None):
    """`task` of every item, in order; `crashed` for one whose process died."""
    workers = min(workers or os.cpu_count() or 1, num_items)
    for result in parallel.run_in_order(task, items, workers=workers):
        yield crashed if result == parallel.CRASHED else result


def check_arguments(
    *,
    size: int | tuple[int, int] = 256,
    fps: float | None = None,
    quality: int = 95,
    seconds: float | None = None,
    videos_per_shard: int = VIDEOS_PER_SHARD,
    workers: int | None = None,
) -> None:
    """Checks what `prepare` is asked for, with its defaults, and does nothing else.

    Raises:
        ValueError: an argument is out of its range.
    """
    encode.check_arguments(size=size, fps=fps, quality=quality, seconds=seconds)
    for name, value in (("videos_per_shard", videos_per_shard), ("workers", workers)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1. Received: {value}.")
