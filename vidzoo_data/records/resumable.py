"""A records folder, written so that a run that was killed can go on.

A plan fixes beforehand which video goes into which shard. Each finished shard leaves
its results in `OUT/.progress`, from where the next run goes on.
"""

import csv
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tensorflow as tf

from vidzoo.errors import RecordError
from vidzoo_data import atomic
from vidzoo_data.records import folder, schema
from vidzoo_data.records.encode import EncodedVideo
from vidzoo_data.sources.source import Source, Video

_PROGRESS = ".progress"
_KEPT = "kept"  # in there: flow or features of videos whose shard is not finished
# On file systems without locks, such as some shared ones: there records can be prepared
# too, and it is the user who sees to it that one process at a time does so.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


@dataclass(frozen=True)
class Summary:
    """What `prepare` did.

    Attributes:
        num_videos: in the records.
        num_frames: in the records.
        quarantined: `(video_id, reason)` of every video that was left out.
        num_short: videos in the records with fewer frames than their header says.
    """

    num_videos: int
    num_frames: int
    quarantined: tuple[tuple[str, str], ...]
    num_short: int


def write_folder(
    source: Source,
    out: str | os.PathLike,
    made_with: Mapping,
    encoded: Callable,
    on_progress: Callable[[int, int], None] | None = None,
    num_short: int = 0,
) -> Summary:
    """Writes the videos of `source` as a records folder, or goes on with it.

    Args:
        source: the videos.
        out: the folder.
        made_with: settings, as JSON holds them; `videos_per_shard` is one of them.
        encoded: `encoded(videos, keep_in=folder)` yields an `EncodedVideo` for each
            video, in order, or the reason why there is none; what it leaves in
            `folder` is there in the next run, until the video's shard is written.
        on_progress: called with the numbers of videos done and of all videos.
        num_short: videos that are known already to hold fewer frames than their header
            says.

    Raises:
        RecordError: `out` holds something else, another process writes to it, it
            cannot be written, or no video could be decoded.
    """
    out = Path(out)
    plan = _fingerprint(source, made_with)
    with _naming_errors(out):
        check_folder(out)
        if _is_tidy(out):
            return _finished(out, plan, made_with)
        with _locked(out):
            if (out / "dataset.json").is_file():
                finished = _finished(out, plan, made_with)
                _remove_progress(out)
                return finished
            _start(out, plan, made_with)
            shards = _plan_shards(source.videos, made_with["videos_per_shard"])
            encode_all = partial(encoded, keep_in=out / _PROGRESS / _KEPT)
            results = _write_shards(
                out, shards, source.classes, plan, encode_all, on_progress
            )
            return _finish(out, source, made_with, plan, results, num_short)


class _Progress:
    """Counts the videos done, and tells the caller."""

    def __init__(self, on_progress, num_done, num_videos):
        self._on_progress = on_progress or (lambda done, total: None)
        self._num_done, self._num_videos = num_done, num_videos
        self._on_progress(num_done, num_videos)

    def add(self):
        self._num_done += 1
        self._on_progress(self._num_done, self._num_videos)


# The plan


def _fingerprint(source, made_with):
    """SHA-256 of all that decides the bytes of the records folder."""
    plan = {
        "schema_version": schema.SCHEMA_VERSION,
        "made_with": made_with,
        "classes": source.classes,
        "splits": {name: sorted(ids) for name, ids in source.splits.items()},
        "videos": sorted(
            (video.video_id, video.labels, _size_of(video.path))
            for video in source.videos
        ),
        "missing": sorted(source.missing),
    }
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()


def _size_of(path):
    if path is None:
        return 0  # of no file
    try:
        return path.stat().st_size
    except OSError:
        return -1  # found out, and reported, by the decoder


def _plan_shards(videos: Sequence[Video], per_shard: int) -> dict[str, list[Video]]:
    """Shard name to videos, in an order that mixes the classes."""
    videos = sorted(
        videos, key=lambda video: hashlib.sha256(video.video_id.encode()).digest()
    )
    groups = [videos[i : i + per_shard] for i in range(0, len(videos), per_shard)]
    return {
        folder.shard_name(number, len(groups)): group
        for number, group in enumerate(groups)
    }


# What a folder holds already


def check_folder(out: Path) -> None:
    """Checks that the folder is missing, empty, or one of records.

    Raises:
        RecordError: it holds something else.
    """
    if not out.exists():
        return
    if not out.is_dir():
        raise RecordError(f"{out}: is a file; choose a folder for the records.")
    names = {entry.name for entry in out.iterdir()}
    if names and not names & {_PROGRESS, "dataset.json"}:
        raise RecordError(
            f"{out}: holds other files, such as {min(names)}; choose an empty or a new "
            f"folder for the records."
        )


def _is_tidy(out):
    """Whether the folder is complete, and no run is, or was, about to tidy it up."""
    return (out / "dataset.json").is_file() and not (out / _PROGRESS).exists()


@contextmanager
def _locked(out):
    """Keeps other processes from writing to the folder.

    The kernel holds the lock, for as long as the process lives: a run that was killed
    leaves none.
    """
    file = out / _PROGRESS / "lock"
    descriptor = _open_lock(file)
    # A run that ended meanwhile has removed the file; the lock of that one is no lock.
    while not _is_open_as(file, descriptor):
        os.close(descriptor)
        descriptor = _open_lock(file)
    try:
        yield
    finally:
        os.close(descriptor)


def _open_lock(file):
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return descriptor
        os.close(descriptor)
        if error.errno != errno.EWOULDBLOCK:
            raise
        raise RecordError(
            f"{file.parent.parent}: another process is writing records there; wait "
            f"until it is done, or choose another folder."
        ) from None
    return descriptor


def _is_open_as(file, descriptor):
    try:
        return os.path.samestat(os.stat(file), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _finished(out, plan, made_with):
    """The `Summary` of a complete folder."""
    described = _read_json(out / "dataset.json")
    if described.get("plan") != plan:
        raise _other_plan(out, described.get("made_with"), made_with)
    for shard in described["shards"]:
        if _size_of(out / shard["file"]) != shard["bytes"]:
            raise RecordError(
                f"{out / shard['file']}: missing or damaged; expected "
                f"{shard['bytes']} bytes. Remove {out}, and prepare it again."
            )
    with (out / "quarantine.csv").open(newline="", encoding="utf-8") as lines:
        _, *quarantined = map(tuple, csv.reader(lines))
    return Summary(
        num_videos=described["num_videos"],
        num_frames=described["num_frames"],
        quarantined=tuple(quarantined),
        num_short=described["num_short"],
    )


def _other_plan(out, before, now):
    before = before if isinstance(before, dict) else {}
    changed = [
        f"{name} {before.get(name)}, now {now.get(name)}"
        for name in (before | now if before else ())
        if before.get(name) != now.get(name)
    ]
    change = "; ".join(changed) or "other videos, labels, splits or classes"
    return RecordError(
        f"{out}: holds records that were made otherwise ({change}); choose another "
        f"folder, or remove this one first."
    )


def _read_json(file):
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _start(out, plan, made_with):
    """Begins, or clears what a killed run of the same plan left half-written."""
    progress = out / _PROGRESS
    begun = _read_json(progress / "plan.json")
    if begun.get("plan", plan) != plan:
        raise _other_plan(out, begun.get("made_with"), made_with)
    for parent in (out, progress, progress / _KEPT):
        for leftover in parent.glob(atomic.TEMPORARY_FILES):
            leftover.unlink()
    begun = {"plan": plan, "made_with": made_with}
    atomic.write_text(progress / "plan.json", json.dumps(begun))


def _kept_result(out, name, plan):
    """What a finished shard of the same plan left; None if it has to be written."""
    result = _read_json(_result_file(out / name))
    if result.get("plan") != plan or not (out / name).is_file():
        return None
    return result if folder.sha256_of(out / name) == result["sha256"] else None


def _result_file(shard):
    return shard.parent / _PROGRESS / f"{shard.stem}.json"


# Writing


def _write_shards(out, shards, classes, plan, encoded, on_progress):
    """The results of all shards; those that a run before left are not made again."""
    results = [_kept_result(out, name, plan) for name in shards]
    todo = [
        video
        for videos, result in zip(shards.values(), results, strict=True)
        for video in videos
        if not result
    ]
    num_videos = sum(map(len, shards.values()))
    progress = _Progress(on_progress, num_videos - len(todo), num_videos)
    with closing(encoded(todo) if todo else _nothing()) as videos_encoded:
        for place, (name, videos) in enumerate(shards.items()):
            if not results[place]:
                results[place] = _write_shard(
                    out / name, videos, videos_encoded, classes, plan, progress
                )
    return results


def _nothing():
    yield from ()


def _write_shard(shard, videos, encoded: Iterator, classes, plan, progress):
    quarantined, num_short, kept = [], 0, []
    with _naming_errors(shard), atomic.replacing(shard) as temporary:
        with folder.ShardWriter(temporary, shard.name) as writer:
            for video in videos:
                result = next(encoded)
                if isinstance(result, str):
                    quarantined.append((video.video_id, result))
                else:
                    labels = [classes.index(label) for label in video.labels]
                    writer.write(video_record(video.video_id, labels, result))
                    num_short += result.num_decoded < result.num_declared
                    kept += [result.kept_at, result.flow and result.flow.kept_at]
                progress.add()
        described = folder.describe_shard(temporary, writer)
    result = {
        "plan": plan,
        **described,
        "quarantined": quarantined,
        "num_short": num_short,
    }
    atomic.write_text(_result_file(shard), json.dumps(result))
    for file in filter(None, kept):
        file.unlink(missing_ok=True)  # two videos of the same frames share one
    return result


def video_record(
    video_id: str, labels: Sequence[int], encoded: EncodedVideo
) -> schema.VideoRecord:
    """An encoded video as a record.

    Args:
        video_id: also its `source`.
        labels: class numbers.
        encoded: its frames, and flow if there is any; or its features.
    """
    flow, features = encoded.flow, encoded.features
    return schema.VideoRecord(
        video_id=video_id,
        labels=labels,
        fps=encoded.fps,
        height=encoded.height,
        width=encoded.width,
        source=video_id,
        jpegs=encoded.jpegs,
        flow=flow
        and schema.Flow(
            flow.x, flow.y, flow.settings.bound, flow.settings.method, flow.fps
        ),
        features=None
        if features is None
        else schema.Features(
            features.shape[1:],
            [values.astype("<f4").tobytes() for values in features],
        ),
    )


def _finish(out, source, made_with, plan, results, num_short):
    """Completes the folder."""
    rows = [row for result in results for row in result["rows"]]
    quarantined = [tuple(q) for result in results for q in result["quarantined"]]
    quarantined = tuple(sorted([*quarantined, *source.missing]))
    if not rows:
        _remove(out, results)
        raise RecordError(
            f"{out}: none of the {len(source.videos)} videos can be stored, so there "
            f"are no records; first: {': '.join(quarantined[0])}"
        )
    kept = {row["video_id"] for row in rows}
    summary = Summary(
        num_videos=len(rows),
        num_frames=sum(row["num_frames"] for row in rows),
        quarantined=quarantined,
        num_short=num_short + sum(result["num_short"] for result in results),
    )
    folder.write_index(
        out,
        name=source.name,
        classes=source.classes,
        splits={
            name: [video_id for video_id in sorted(ids) if video_id in kept]
            for name, ids in source.splits.items()
        },
        made_with=made_with,
        plan=plan,
        shards=results,
        quarantined=quarantined,
        num_short=summary.num_short,
    )
    _remove_progress(out)
    return summary


def _remove(out, results):
    """Removes the shards of a run, all of them empty."""
    for result in results:
        (out / result["file"]).unlink()
    _remove_progress(out)


def _remove_progress(out):
    """Removes what was for a next run; where one has begun, it does so itself."""
    shutil.rmtree(out / _PROGRESS, ignore_errors=True)


@contextmanager
def _naming_errors(path):
    """Turns an error of the file system into a `RecordError` that names the file."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        where, why = path, str(error)
        if isinstance(error, OSError):
            where, why = error.filename or path, error.strerror or why
        raise RecordError(
            f"{where}: cannot be written: {why}. Make room, or choose a folder that "
            f"can be written; a second run goes on from the finished shards."
        ) from error
