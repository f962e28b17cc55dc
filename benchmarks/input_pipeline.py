"""Clips from records: reading, sampling, decoding, cropping, batching.

Records are read through the operating system's file cache; a set that fits into it is
measured without the disk. Read `mean` beside `median`: a pipeline that works ahead may
hand out its batches in bursts.
"""

import csv
import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from benchmarks.timing import Workload
from vidzoo_data import clips
from vidzoo_data.records import schema
from vidzoo_data.records.read import Records

_NUM_VIDEOS = 8
_NUM_FRAMES = 120
_NUM_DIFFERENT_FRAMES = 8  # repeated to make a video
_JPEG_QUALITY = 95  # as `prepare` writes
_PAYLOAD_START = 12  # a TFRecord: length (8 bytes), its CRC (4), payload, its CRC (4)
_PAYLOAD_END = 4


def workload(
    records,
    scratch: Path,
    *,
    num_segments: int,
    frame_size: int,
    batch_size: int,
    num_steps: int,
    seed: int,
    workers: int | None,
) -> Workload:
    """The next batch of training clips, corner-cropped and flipped.

    Args:
        records: a records folder with a split `train`, or None for a synthetic one.
        scratch: an empty folder for the synthetic records.
        num_segments: T, snippets in a clip.
        frame_size: height and width of a clip's frames, in pixels.
        batch_size: N.
        num_steps: how often `step` will be called.
        seed: of the synthetic frames and of what clips show.
        workers: clips decoded at once; None for as many as there are cores.

    Raises:
        RecordError: the records are missing or damaged.
        UsageError: they have no split `train`.
    """
    if records is None:
        data = _synthetic_records(scratch, frame_size, seed)
        size = data.made_with["size"]
        about = f"synthetic random texture, {_NUM_FRAMES} JPEG frames of short side "
        about += f"{size} a video"
    else:
        data = Records(records)
        about = str(records)
    num_videos = len(data.split("train"))
    batches = clips.training_batches(
        data,
        "train",
        sampling=clips.Segments(num_segments),
        crop=clips.CornerCrop(frame_size),
        batch_size=batch_size,
        # Some more than are read, so that the last ones, too, are made while others are
        # being prepared.
        num_steps=num_steps + 8,
        seed=seed,
        workers=workers,
    )
    iterator = iter(batches)
    return Workload(
        step=lambda: next(iterator),
        loop="vidzoo_data.clips.training_batches, corner crop and flip",
        data=f"{about}; {num_videos} videos",
    )


def _synthetic_records(folder, frame_size, seed):
    """Writes and opens records whose frames are an eighth larger than a clip's."""
    generator = np.random.default_rng(seed)
    size = max(16, frame_size * 8 // 7)  # 256 for 224
    height, width = size, size * 4 // 3
    shard = "shard-00000-of-00001.tfrecord"
    rows, offset = [], 0
    with tf.io.TFRecordWriter(str(folder / shard)) as writer:
        for number in range(_NUM_VIDEOS):
            label = number % 2
            name = f"class{label}/{number:03d}.avi"
            jpegs = [
                _texture(generator, height, width) for _ in range(_NUM_DIFFERENT_FRAMES)
            ]
            record = schema.VideoRecord(
                video_id=name,
                labels=[label],
                fps=25.0,
                height=height,
                width=width,
                source=name,
                jpegs=[jpegs[i % len(jpegs)] for i in range(_NUM_FRAMES)],
            )
            payload = schema.encode(record)
            writer.write(payload)
            row = {
                "video_id": name,
                "shard": shard,
                "offset": offset + _PAYLOAD_START,
                "bytes": len(payload),
                "num_frames": _NUM_FRAMES,
                "height": height,
                "width": width,
                "fps": record.fps,
                "labels": label,
            }
            rows.append(row)
            offset += _PAYLOAD_START + len(payload) + _PAYLOAD_END
    _write_index(folder, folder / shard, rows, size)
    return Records(folder)


def _write_index(folder, shard, rows, size):
    with (folder / "videos.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (folder / "quarantine.csv").write_text("video_id,reason\n")
    content = shard.read_bytes()
    described = {
        "schema_version": schema.SCHEMA_VERSION,
        "name": "benchmark",
        "made_with": {"size": size, "fps": None, "jpeg_quality": _JPEG_QUALITY},
        "num_videos": len(rows),
        "num_frames": sum(row["num_frames"] for row in rows),
        "shards": [
            {
                "file": shard.name,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        ],
        "videos_csv_sha256": hashlib.sha256(
            (folder / "videos.csv").read_bytes()
        ).hexdigest(),
        "classes": ["class0", "class1"],
        "splits": {"train": [row["video_id"] for row in rows]},
    }
    (folder / "dataset.json").write_text(json.dumps(described, indent=1))


def _texture(generator, height, width):
    """A JPEG of random blobs with a little noise, about as large as a photograph's."""
    blobs = generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    frame = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = generator.normal(0, 4, frame.shape)
    frame = np.clip(frame + noise, 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return jpeg.tobytes()
