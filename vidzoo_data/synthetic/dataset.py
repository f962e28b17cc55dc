"""Motion shapes as a data set on disk: video files, exact flow, lists of labels.

A data set is a folder with

- `motion.csv`: path,label,split; the videos labelled by motion,
- `shape.csv`: the same videos labelled by shape,
- `settings.json`: what the files depend on,
- `videos/train/000000.avi`, ..., and `videos/test`,
- `videos/train/000000.npz`, ...: `flow` and `visible` of `exact_flow`.
"""

import csv
import io
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from vidzoo.errors import VideoError
from vidzoo_data import atomic, parallel, video
from vidzoo_data.synthetic import rendering
from vidzoo_data.synthetic import scene as scenes

SPLITS = ("train", "test")
_JPEG_QUALITY = 95
_VERSION = 1  # of scenes and their rendering: to be raised when pixels change


class _Clip(NamedTuple):
    """One video to be written."""

    video_path: Path
    seed: int
    split: str
    index: int
    size: int
    num_frames: int
    fps: float
    with_flow: bool

    def scene(self) -> scenes.Scene:
        rng = np.random.default_rng(
            [self.seed, SPLITS.index(self.split), self.index],
        )
        return scenes.draw_scene(
            rng,
            scenes.MOTIONS[self.index % len(scenes.MOTIONS)],
            scenes.SHAPES[rng.integers(len(scenes.SHAPES))],
            size=self.size,
            num_frames=self.num_frames,
        )


def write(
    out: str | os.PathLike,
    *,
    num_train: int,
    num_test: int,
    size: int = 128,
    num_frames: int = 8,
    fps: float = 10,
    seed: int = 0,
    with_flow: bool = True,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Renders the data set into the folder `out`.

    Video i of a split has motion class i mod 8 and a random shape. It depends on
    `seed`, the split and i only, so a larger data set begins with a smaller one, and
    the number of workers changes no byte. Videos are Motion JPEG of high quality: a
    frame read back is not exactly the frame rendered, in colour above all.

    Files that are already there are kept, so an interrupted call is resumed by the
    same call; the lists are written last.

    Args:
        out: a folder, made if it is missing.
        num_train: number of training videos.
        num_test: number of test videos.
        size: height and width of the frames, in pixels; an even number.
        num_frames: per video.
        fps: frames per second, as the files state it.
        seed: of all scenes, 0 or greater.
        with_flow: whether the exact flow is written beside each video.
        workers: number of processes; by default one per core.
        on_progress: called with the numbers of finished and of all videos.

    Raises:
        ValueError: an argument is out of range, or `out` holds motion shapes of
            other settings.
        VideoError: OpenCV could not write a video that reads back whole.
        OSError: `out` cannot be written.
    """
    scenes.check_format(size, num_frames)
    for name, value, least in (
        ("num_train", num_train, 0),
        ("num_test", num_test, 0),
        ("seed", seed, 0),
        ("workers", 1 if workers is None else workers, 1),
    ):
        if value < least:
            raise ValueError(f"`{name}` must be at least {least}. Received: {value}.")
    if size % 2:  # the files keep colour by blocks of 2 x 2
        raise ValueError(f"`size` must be even. Received: {size}.")
    if fps <= 0:
        raise ValueError(f"`fps` must be above zero. Received: {fps}.")

    out = Path(out)
    settings = {"size": size, "num_frames": num_frames, "fps": fps, "seed": seed}
    _claim(out, {"version": _VERSION, **settings})
    clips = []
    for split, num_videos in zip(SPLITS, (num_train, num_test), strict=True):
        folder = out / "videos" / split
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(num_videos):
            path = folder / f"{index:06d}.avi"
            clips.append(
                _Clip(path, split=split, index=index, with_flow=with_flow, **settings)
            )
    for done, _ in enumerate(_map(_write_clip, clips, workers), start=1):
        if on_progress:
            on_progress(done, len(clips))
    _write_lists(out, clips)


def _claim(out, settings):
    """Marks the folder as made with these settings, or checks that it was."""
    path = out / "settings.json"
    if path.exists():
        found = json.loads(path.read_text())
        if found != settings:
            raise ValueError(
                f"{path} was written with other settings: {found}. "
                f"Received: {settings}. Choose another folder, or delete this one."
            )
        return
    out.mkdir(parents=True, exist_ok=True)
    atomic.write_text(path, json.dumps(settings, indent=2) + "\n")


def _map(function, items, workers):
    """Yields `function(item)` in order, from as many processes."""
    workers = min(workers or os.cpu_count() or 1, len(items))
    if workers <= 1:
        yield from map(function, items)
        return
    with closing(parallel.run_in_order(function, items, workers=workers)) as results:
        for item, result in zip(items, results, strict=True):
            if result == parallel.CRASHED:
                raise VideoError(f"{item.video_path}: the process writing it crashed.")
            yield result


def _write_clip(clip):
    flow_path = clip.video_path.with_suffix(".npz")
    scene = clip.scene()
    if not clip.video_path.exists():
        _write_video(clip.video_path, rendering.render(scene), clip.fps)
    if clip.with_flow and not flow_path.exists():
        flow, visible = rendering.exact_flow(scene)
        with atomic.replacing(flow_path) as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, flow=flow, visible=visible)


def _write_video(path, frames, fps):
    """Writes an AVI, which is there only once it has been read back whole."""
    height, width = frames.shape[1:3]
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder, "clip.avi")  # OpenCV asks for this ending
        writer = cv2.VideoWriter(
            os.fspath(temporary), cv2.CAP_OPENCV_MJPEG, fourcc, fps, (width, height)
        )
        if not writer.isOpened():
            raise VideoError(f"{temporary}: OpenCV cannot write Motion JPEG there.")
        writer.set(cv2.VIDEOWRITER_PROP_QUALITY, _JPEG_QUALITY)
        for frame in frames:
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        writer.release()  # says nothing about a full disk
        with video.open_video(temporary) as decoded:
            num_decoded = sum(1 for _ in decoded)
        if num_decoded != len(frames):
            raise VideoError(
                f"{temporary}: {len(frames)} frames were written and {num_decoded} "
                f"read back; check the space on the disk."
            )
        atomic.write_bytes(path, temporary.read_bytes())


def _write_lists(out, clips):
    """Writes `motion.csv` and `shape.csv`."""
    for labelling in ("motion", "shape"):
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(("path", "label", "split"))
        for clip in clips:
            path = clip.video_path.relative_to(out).as_posix()
            rows.writerow((path, getattr(clip.scene(), labelling), clip.split))
        atomic.write_text(out / f"{labelling}.csv", text.getvalue())
