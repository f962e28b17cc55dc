"""Features of frames, computed by a network that does not learn, to a records folder.

A network on top of a frozen one need not run that one anew in every epoch. The folder
is one of records in all else: shards, splits, digests; and writing it can be stopped.
"""

import hashlib
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidzoo.errors import RecordError
from vidzoo_data import atomic
from vidzoo_data.records import resumable
from vidzoo_data.records.encode import MAX_RECORD_BYTES, EncodedVideo
from vidzoo_data.records.resumable import Summary
from vidzoo_data.sources.source import Source, Video

_VIDEOS_PER_SHARD = 64


class FeatureVideo(NamedTuple):
    """One video whose features are to be stored.

    Attributes:
        video_id: unique in its data set.
        labels: class numbers.
        fps: frames per second that there are features of; 0 if it is not known.
        compute: gives float32 `(T, *F)`; called once, when its turn comes, and not at
            all if a run before has stored the video.
    """

    video_id: str
    labels: Sequence[int]
    fps: float
    compute: Callable[[], np.ndarray]


def write_features(
    out: str | os.PathLike,
    *,
    name: str,
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    videos: Iterable[FeatureVideo],
    features: Mapping,
    shape: Sequence[int],
    quarantined: Sequence[tuple[str, str]] = (),
    videos_per_shard: int = _VIDEOS_PER_SHARD,
    on_progress: Callable[[int, int], None] | None = None,
) -> Summary:
    """Writes the features of videos to a records folder.

    Called again with the same arguments, it goes on with the video at which it was
    stopped, or returns at once if all is done; the bytes are those of a run that was
    never stopped.

    Args:
        out: the folder; made if missing.
        name: of the data set's source, as `Records.name` has it.
        classes: names; a label is an index into them.
        splits: name to video ids; those of no video in `videos` are left out.
        videos: what is stored; all of them are listed at first, and computed one after
            the other, in an order that mixes the classes.
        features: all that decides the features, JSON-ready: network, weights, layer,
            the frames and their size and rate. It is found again as `Records.features`;
            with another one, a folder that was begun is not gone on with.
        shape: F, of one frame's features.
        quarantined: `(video_id, reason)` of videos that were left out before.
        videos_per_shard: videos in each file of records.
        on_progress: called with the numbers of videos done and of all videos.

    Raises:
        ValueError: `shape` or `videos_per_shard` is out of its range, or a video is
            there twice.
        RecordError: `out` holds something else, another process writes to it, or it
            cannot be written; or there is no video; or features are of another type or
            shape, or not finite, or too many for one record.
    """
    out, shape = Path(out), tuple(int(side) for side in shape)
    if not all(side >= 1 for side in shape):
        raise ValueError(f"`shape` must have sides of 1 or more. Received: {shape}.")
    if videos_per_shard < 1:
        raise ValueError(
            f"`videos_per_shard` must be at least 1. Received: {videos_per_shard}."
        )
    videos = [FeatureVideo(*video) for video in videos]
    by_id = {video.video_id: video for video in videos}
    if not videos:
        raise RecordError(f"{out}: there is no video to compute features of.")
    if len(by_id) < len(videos):
        twice = next(id_ for id_, n in Counter(v[0] for v in videos).items() if n > 1)
        raise ValueError(f"`videos` must be named once each. Received twice: {twice}.")

    def encoded(todo, keep_in):
        for video_id in (video.video_id for video in todo):
            video, file = by_id[video_id], keep_in / _file_name(video_id)
            values = _kept(file)
            if values is None:
                values = video.compute()
                _check(values, shape, f"{out}: the features of {video_id}")
                _keep(file, values)
            yield EncodedVideo(
                **{"jpegs": (), "fps": float(video.fps), "height": 0, "width": 0},
                **{"num_decoded": 0, "num_declared": 0},
                features=values,
                kept_at=file,
            )

    made_with = {
        "features": json.loads(json.dumps(features)),
        "feature_shape": list(shape),
        "videos_per_shard": videos_per_shard,
    }
    source = Source(
        name=name,
        classes=tuple(classes),
        videos=tuple(
            Video(v.video_id, None, tuple(classes[label] for label in v.labels))
            for v in videos
        ),
        splits={split: tuple(ids) for split, ids in splits.items()},
        missing=tuple(quarantined),
    )
    return resumable.write_folder(source, out, made_with, encoded, on_progress)


def _check(values, shape, what):
    if not isinstance(values, np.ndarray) or values.dtype != np.float32:
        kind = getattr(values, "dtype", type(values).__name__)
        raise RecordError(f"{what} are {kind}; expected a NumPy array of float32.")
    if values.ndim != 1 + len(shape) or values.shape[1:] != shape or not len(values):
        expected = ", ".join(map(str, ("T", *shape)))
        raise RecordError(
            f"{what} have the shape {values.shape}; expected ({expected}), T frames, "
            "of every video. Give all frames one size."
        )
    if not np.isfinite(values).all():
        frame = int(np.argmin(np.isfinite(values).reshape(len(values), -1).all(axis=1)))
        raise RecordError(
            f"{what} are not finite at frame {frame}. Check the network's weights."
        )
    if values.nbytes > MAX_RECORD_BYTES:
        raise RecordError(
            f"{what} are too many to store as one record: {values.nbytes / 1e9:.1f} GB "
            f"of {len(values)} frames. Take a lower fps, or a smaller layer."
        )


def _file_name(video_id):
    return hashlib.sha256(video_id.encode()).hexdigest() + ".npy"


def _keep(file, values):
    data = io.BytesIO()
    np.save(data, values, allow_pickle=False)
    file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write_bytes(file, data.getvalue())


def _kept(file):
    """What `_keep` wrote: files are whole or not there."""
    return np.load(file, allow_pickle=False) if file.is_file() else None
