"""Tiny records folders, of given frames rather than of videos."""

import hashlib

import cv2
import numpy as np

from vidzoo_data.records import folder as layout
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records


def jpeg(image, quality=95):
    """An RGB image as a JPEG in memory."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))[1].tobytes()


def coordinate_frames(num_frames, height=48, width=64):
    """Frames that say where each pixel lies: red 3x, green 4y, blue 8 x frame."""
    frames = np.zeros((num_frames, height, width, 3), np.uint8)
    frames[..., 0] = 3 * np.arange(width)
    frames[..., 1] = 4 * np.arange(height)[:, None]
    frames[..., 2] = 8 * np.arange(num_frames)[:, None, None]
    return frames


def record(video_id, frames, labels=(0,), flow=None, bound=20.0):
    """A `VideoRecord` of `(T, H, W, 3)` frames.

    `flow`, `(T', H, W, 2)` uint8, is stored as it is.
    """
    return schema.VideoRecord(
        video_id=video_id,
        labels=labels,
        fps=25.0,
        height=frames.shape[1],
        width=frames.shape[2],
        source=video_id,
        jpegs=[jpeg(frame) for frame in frames],
        flow=None if flow is None else flow_of(flow, bound),
    )


def flow_of(fields, bound=20.0):
    """A `schema.Flow` of uint8 `(T, H, W, 2)`."""
    x, y = ([png(field[..., axis]) for field in fields] for axis in range(2))
    return schema.Flow(x, y, bound, "tvl1", 25.0)


def png(image):
    """A grey image as a PNG in memory."""
    return cv2.imencode(".png", np.ascontiguousarray(image))[1].tobytes()


def _flow(video):
    if video.flow is None:
        return {}
    return {"flow": {"method": video.flow.method, "bound": video.flow.bound}}


def write_records(folder, records, classes=("a", "b"), splits=None, per_shard=2):
    """Writes a records folder as `prepare` lays it out; returns it opened.

    All videos are in the split `train`, unless `splits` says otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = [records[i : i + per_shard] for i in range(0, len(records), per_shard)]
    shards = []
    for number, group in enumerate(groups):
        name = layout.shard_name(number, len(groups))
        with layout.ShardWriter(folder / name, name) as writer:
            for video in group:
                writer.write(video)
        shards.append(layout.describe_shard(folder / name, writer))
    layout.write_index(
        folder,
        name="folder",
        classes=classes,
        splits=splits or {"train": [video.video_id for video in records]},
        made_with={"size": 48, "fps": None, "jpeg_quality": 95} | _flow(records[0]),
        plan=hashlib.sha256(repr((classes, splits, shards)).encode()).hexdigest(),
        shards=shards,
    )
    return Records(folder)
