"""Tiny records folders, written without `prepare`."""

import csv
import hashlib
import json

import cv2
import numpy as np
import tensorflow as tf

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


def record(video_id, frames, labels=(0,)):
    """A `VideoRecord` of `(T, H, W, 3)` frames."""
    return schema.VideoRecord(
        video_id=video_id,
        labels=labels,
        fps=25.0,
        height=frames.shape[1],
        width=frames.shape[2],
        source=video_id,
        jpegs=[jpeg(frame) for frame in frames],
    )


def write_records(folder, records, classes=("a", "b"), splits=None, per_shard=2):
    """Writes a records folder as `prepare` lays it out; returns it opened.

    All videos are in the split `train`, unless `splits` says otherwise.
    """
    folder.mkdir(parents=True, exist_ok=True)
    groups = [records[i : i + per_shard] for i in range(0, len(records), per_shard)]
    shards, rows = [], []
    for number, group in enumerate(groups):
        file = folder / f"shard-{number:05d}-of-{len(groups):05d}.tfrecord"
        end = 0
        with tf.io.TFRecordWriter(str(file)) as writer:
            for video in group:
                payload = schema.encode(video)
                writer.write(payload)
                rows.append(
                    {
                        "video_id": video.video_id,
                        "shard": file.name,
                        "offset": end + 12,
                        "bytes": len(payload),
                        "num_frames": len(video.jpegs),
                        "height": video.height,
                        "width": video.width,
                        "fps": video.fps,
                        "labels": " ".join(map(str, video.labels)),
                    }
                )
                end += 12 + len(payload) + 4
        data = file.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        shards.append({"file": file.name, "bytes": len(data), "sha256": digest})
    with (folder / "videos.csv").open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    described = {
        "schema_version": schema.SCHEMA_VERSION,
        "name": "folder",
        "made_with": {"size": 48, "fps": None, "jpeg_quality": 95},
        "shards": shards,
        "videos_csv_sha256": hashlib.sha256(
            (folder / "videos.csv").read_bytes()
        ).hexdigest(),
        "classes": list(classes),
        "splits": splits or {"train": [video.video_id for video in records]},
    }
    (folder / "dataset.json").write_text(
        json.dumps(described, ensure_ascii=False), encoding="utf-8"
    )
    return Records(folder)
