"""Motion shapes in memory: frames, exact flow and labels of a split as arrays."""

import csv
import os
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidzoo.errors import FlowError, SourceError
from vidzoo_data import video
from vidzoo_data.synthetic import dataset
from vidzoo_data.synthetic import scene as scenes

_FLOW_TYPES = ("float32", "float16")


class Arrays(NamedTuple):
    """Videos of one split.

    Attributes:
        frames: uint8 `(V, T, H, W, 3)`, RGB, as the video files have them.
        flow: `(V, T-1, H, W, 2)`, pixels from each frame to the next, exact; covered
            pixels have the flow of what they show.
        labels: int32 `(V,)`, places in `MOTIONS`.
    """

    frames: np.ndarray
    flow: np.ndarray
    labels: np.ndarray

    @property
    def num_bytes(self) -> int:
        """What the arrays take in memory: V T H W (3 + 2 * 4), a little less."""
        return sum(array.nbytes for array in self)


def arrays(
    folder: str | os.PathLike,
    split: str,
    *,
    num_videos: int | None = None,
    flow_type: str = "float32",
) -> Arrays:
    """Reads motion shapes that `write` wrote, with their flow, for small experiments.

    Everything is held in memory: 800 videos of 17 frames of 64 pixels are 167 MB of
    frames and 419 MB of flow, half of that as float16, whose steps are at most 1/256
    pixel below 8 pixels. Classes take turns, so the first 8 n videos are n a class.

    Args:
        folder: as `write` made it.
        split: `"train"` or `"test"`.
        num_videos: the first ones only; all of them by default.
        flow_type: `"float32"` or `"float16"`.

    Raises:
        ValueError: `split` or `flow_type` is unknown, or `num_videos` is not from 1 to
            the number of videos.
        SourceError: `folder` holds no motion shapes, or none of that split.
        FlowError: the flow of a video is missing, damaged, or not of its frames.
        VideoError: a video is missing or damaged.
    """
    for name, value, choices in (
        ("split", split, dataset.SPLITS),
        ("flow_type", flow_type, _FLOW_TYPES),
    ):
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {choices}. Received: {value!r}.")
    folder = Path(folder)
    rows = [row for row in _listed(folder) if row["split"] == split]
    if not rows:
        raise SourceError(
            f"{folder / 'motion.csv'}: no video of the split {split}; write more with "
            "`vidzoo_data.synthetic.write`."
        )
    if num_videos is not None and not 1 <= num_videos <= len(rows):
        raise ValueError(
            f"`num_videos` must be from 1 to {len(rows)}, as many as {folder} has for "
            f"{split}. Received: {num_videos}."
        )
    rows = rows[:num_videos]
    first, _ = _video(folder / rows[0]["path"])
    num_frames, height, width, _ = first.shape
    frames = np.empty((len(rows), *first.shape), np.uint8)
    shape = (len(rows), num_frames - 1, height, width, 2)
    flow = np.empty(shape, flow_type)
    for i, row in enumerate(rows):
        frames[i], flow[i] = _video(folder / row["path"])
    labels = [scenes.MOTIONS.index(row["label"]) for row in rows]
    return Arrays(frames, flow, np.array(labels, np.int32))


def _listed(folder):
    """The rows of `motion.csv`."""
    file = folder / "motion.csv"
    if not file.is_file():
        raise SourceError(
            f"{file}: there is no such file, so these are no finished motion shapes; "
            "write them with `vidzoo_data.synthetic.write`."
        )
    with open(file, newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def _video(path):
    """The frames of a video and their flow."""
    with video.open_video(path) as decoded:
        frames = np.stack(list(decoded))
    flow_path = path.with_suffix(".npz")
    again = "write the motion shapes again, with flow"
    try:
        with open(flow_path, "rb") as file, np.load(file) as stored:
            flow = stored["flow"]
    except FileNotFoundError:
        raise FlowError(f"{flow_path}: there is no such file; {again}.") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FlowError(f"{flow_path}: damaged ({error}); {again}.") from error
    expected = (len(frames) - 1, *frames.shape[1:3], 2)
    if flow.shape != expected:
        raise FlowError(
            f"{flow_path}: the flow is {flow.shape}, and that of {path.name} would be "
            f"{expected}; {again}."
        )
    return frames, flow
