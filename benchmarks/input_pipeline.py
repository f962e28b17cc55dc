"""Clips from records: reading, sampling, decoding, cropping, batching.

Records are read through the operating system's file cache; a set that fits into it is
measured without the disk. Read `mean` beside `median`: a pipeline that works ahead may
hand out its batches in bursts.
"""

from pathlib import Path

import cv2
import numpy as np

from benchmarks.timing import Workload
from vidzoo_data import clips
from vidzoo_data.records import folder, schema
from vidzoo_data.records.read import Records

_NUM_VIDEOS = 8
_NUM_FRAMES = 120
_NUM_DIFFERENT_FRAMES = 8  # repeated to make a video
_JPEG_QUALITY = 95  # as `prepare` writes


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
        data = synthetic_records(scratch, frame_size, seed)
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


def synthetic_records(out, frame_size, seed):
    """Writes and opens records whose frames are an eighth larger than a clip's."""
    generator = np.random.default_rng(seed)
    size = max(16, frame_size * 8 // 7)  # 256 for 224
    height, width = size, size * 4 // 3
    name = folder.shard_name(0, 1)
    ids = [f"class{i % 2}/{i:03d}.avi" for i in range(_NUM_VIDEOS)]
    with folder.ShardWriter(out / name, name) as writer:
        for number, video_id in enumerate(ids):
            jpegs = [
                _texture(generator, height, width) for _ in range(_NUM_DIFFERENT_FRAMES)
            ]
            record = schema.VideoRecord(
                video_id=video_id,
                labels=[number % 2],
                fps=25.0,
                height=height,
                width=width,
                source=video_id,
                jpegs=[jpegs[i % len(jpegs)] for i in range(_NUM_FRAMES)],
            )
            writer.write(record)
    folder.write_index(
        out,
        name="benchmark",
        classes=["class0", "class1"],
        splits={"train": ids},
        made_with={"size": size, "fps": None, "jpeg_quality": _JPEG_QUALITY},
        plan="",
        shards=[folder.describe_shard(out / name, writer)],
    )
    return Records(out)


def _texture(generator, height, width):
    """A JPEG of random blobs with a little noise, about as large as a photograph's."""
    blobs = generator.integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    frame = cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    noise = generator.normal(0, 4, frame.shape)
    frame = np.clip(frame + noise, 0, 255).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", frame, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))
    return jpeg.tobytes()
