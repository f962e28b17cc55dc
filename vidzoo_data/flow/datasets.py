"""Data sets of optical flow on disk: frame, next frame and their flow, as paths.

Sources: FlyingChairs, Dosovitskiy et al., "FlowNet: Learning Optical Flow with
Convolutional Networks", ICCV 2015, 22,872 pairs; MPI Sintel, Butler et al., "A
Naturalistic Open Source Movie for Optical Flow Evaluation", ECCV 2012, 23 training
scenes with 1,041 pairs.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vidzoo.errors import FlowError
from vidzoo_data.flow import files, frames

CHAIRS_SPLIT_FILE = "FlyingChairs_train_val.txt"
CHAIRS_SPLITS = ("all", "train", "val")
SINTEL_PASSES = ("clean", "final")

_CHAIRS_CODES = {"1": "train", "2": "val"}
# The release's names, and those of the examples that FlowNet 2.0's code comes with.
_CHAIRS_NAMES = (
    ("_flow.flo", ("_img1.ppm", "_img2.ppm")),
    ("-gt.flo", ("-img0.ppm", "-img1.ppm")),
)


@dataclass(frozen=True)
class FlowPair:
    """Where two adjacent frames and the flow between them are.

    Attributes:
        name: of the pair in its data set, such as `"alley_1/frame_0001"`.
        frame: image file of frame t.
        next_frame: image file of frame t+1.
        flow: .flo file of the flow from t to t+1.
        occlusions: image of frame t's pixels that frame t+1 does not show, not 0; None
            where the data set has none.
        invalid: image of the pixels that do not count, not 0; likewise.
    """

    name: str
    frame: Path
    next_frame: Path
    flow: Path
    occlusions: Path | None = None
    invalid: Path | None = None


@dataclass(frozen=True)
class FlowDataset:
    """A data set of flow.

    Attributes:
        name: such as `"Sintel clean"`.
        pairs: by name.
        notes: plain sentences to show the user, such as what is missing.
    """

    name: str
    pairs: tuple[FlowPair, ...]
    notes: tuple[str, ...] = ()


class FlowSample(NamedTuple):
    """The content of a `FlowPair`.

    Attributes:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.
        flow: `(H, W, 2)` float32, pixels from `frame` to `next_frame`; zero where it
            is unknown.
        valid: bool `(H, W)`, the pixels that count: flow known, and not `invalid`.
        occluded: bool `(H, W)`, not to be seen in `next_frame`; None if not told.
    """

    frame: np.ndarray
    next_frame: np.ndarray
    flow: np.ndarray
    valid: np.ndarray
    occluded: np.ndarray | None


def flying_chairs(root: str | os.PathLike, split: str = "all") -> FlowDataset:
    """Lists FlyingChairs.

    The official split is a file of its own, `FlyingChairs_train_val.txt`: line n is 1
    if pair n is for training and 2 if for validation. It is looked for in `root` and,
    where `root` is the folder `data` of the release, beside it. Without it only
    `"all"` can be asked for.

    Args:
        root: the release's folder, or its folder `data`.
        split: `"all"`, `"train"` or `"val"`.

    Raises:
        ValueError: `split` is unknown.
        FlowError: there is no pair, a file of one is missing, or the split file is, or
            is damaged or of other pairs.
    """
    if split not in CHAIRS_SPLITS:
        raise ValueError(f"`split` must be one of {CHAIRS_SPLITS}. Received: {split}.")
    root = Path(root)
    _check_folder(root, "FlyingChairs")
    folder = root / "data" if (root / "data").is_dir() else root
    pairs = [pair for names in _CHAIRS_NAMES for pair in _chairs(folder, *names)]
    if not pairs:
        raise FlowError(
            f"{folder}: no pair of FlyingChairs (00001_flow.flo beside 00001_img1.ppm "
            f"and 00001_img2.ppm); unpack FlyingChairs.zip there, or give its folder."
        )
    pairs.sort(key=lambda pair: pair.name)
    file = chairs_split_file(root)
    if file is None:
        if split != "all":
            raise FlowError(
                f"{root / CHAIRS_SPLIT_FILE}: there is no such file, which says "
                f"what the split {split} is; get it from FlyingChairs' page, or take "
                f"all pairs."
            )
        note = f"{root} has no {CHAIRS_SPLIT_FILE}: {len(pairs)} pairs without a split"
        return FlowDataset("FlyingChairs", tuple(pairs), (note,))
    by_number = _chairs_split(file, pairs)
    notes = []
    if len(pairs) < len(by_number):
        missing = len(by_number) - len(pairs)
        notes.append(f"{missing} of {len(by_number)} pairs in {file} are not there")
    if split == "all":
        return FlowDataset("FlyingChairs", tuple(pairs), tuple(notes))
    chosen = [pair for pair in pairs if by_number[int(pair.name)] == split]
    if not chosen:
        raise FlowError(f"{folder}: no pair is in the split {split} of {file}.")
    return FlowDataset(f"FlyingChairs {split}", tuple(chosen), tuple(notes))


def chairs_split_file(root: str | os.PathLike) -> Path | None:
    """FlyingChairs' official split file, where `flying_chairs` finds one."""
    root = Path(root)
    folders = [root]
    if root.resolve().name == "data":
        folders.append(root.resolve().parent)
    files_there = (folder / CHAIRS_SPLIT_FILE for folder in folders)
    return next((file for file in files_there if file.is_file()), None)


def sintel(root: str | os.PathLike, pass_: str = "clean") -> FlowDataset:
    """Lists MPI Sintel's training scenes, the ones that come with flow.

    Args:
        root: the folder that holds `training/`.
        pass_: how frames are rendered: `"clean"`, or `"final"` with blur and fog.

    Raises:
        ValueError: `pass_` is unknown.
        FlowError: there is no scene, or a frame, a flow field or, where the data set
            has masks, a mask is missing.
    """
    if pass_ not in SINTEL_PASSES:
        raise ValueError(f"`pass_` must be one of {SINTEL_PASSES}. Received: {pass_}.")
    training = Path(root) / "training"
    for folder in (training, training / "flow", training / pass_):
        _check_folder(folder, "MPI Sintel")
    masks = {
        name: training / name
        for name in ("occlusions", "invalid")
        if (training / name).is_dir()
    }
    scenes = sorted(f.name for f in (training / "flow").iterdir() if f.is_dir())
    pairs = [
        pair
        for scene in scenes
        for pair in _sintel_scene(training, pass_, scene, masks)
    ]
    if not pairs:
        raise FlowError(
            f"{training / 'flow'}: no flow (SCENE/frame_0001.flo); unpack "
            f"MPI-Sintel-complete.zip, and give the folder that holds training/."
        )
    notes = [
        f"{training} has no {name}/, so {what}"
        for name, what in (
            ("occlusions", "matched and unmatched pixels are not told apart"),
            ("invalid", "all pixels of known flow count"),
        )
        if name not in masks
    ]
    return FlowDataset(f"Sintel {pass_}", tuple(pairs), tuple(notes))


def read_sample(pair: FlowPair) -> FlowSample:
    """Reads a pair's files.

    Raises:
        FlowError: a file is missing or damaged, or they differ in size.
    """
    frame, next_frame = frames.read_pair(pair.frame, pair.next_frame)
    flow, valid = files.read_flo(pair.flow)
    _check_size(pair.flow, flow, pair.frame, frame)
    occluded = None
    if pair.occlusions:
        occluded = _read_mask(pair.occlusions, pair.frame, frame)
    if pair.invalid:
        valid &= ~_read_mask(pair.invalid, pair.frame, frame)
    return FlowSample(frame, next_frame, flow, valid, occluded)


def _chairs(folder, flow_ending, frame_endings):
    """The pairs of one way to name files."""
    names = set()
    for ending in (flow_ending, *frame_endings):
        names |= {
            file.name.removesuffix(ending)
            for file in folder.glob(f"*{ending}")
            if file.name.removesuffix(ending).isdecimal()
        }
    for name in sorted(names):
        paths = [folder / f"{name}{e}" for e in (*frame_endings, flow_ending)]
        _check_files(paths, f"the pair {name}")
        yield FlowPair(name, *paths)


def _chairs_split(file, pairs):
    """The split of each pair by its number."""
    by_number = {}
    lines = frames.read_bytes(file).decode("ascii", "replace").split()
    for number, code in enumerate(lines, 1):
        if code not in _CHAIRS_CODES:
            raise FlowError(
                f"{file}, line {number}: found {code}; expected 1 (training) or 2 "
                f"(validation). Take the official file."
            )
        by_number[number] = _CHAIRS_CODES[code]
    for pair in pairs:
        if not pair.flow.name.endswith("_flow.flo"):
            raise FlowError(
                f"{pair.flow}: is not numbered as the release is, so {file} says "
                f"nothing of it; move the one or the other elsewhere."
            )
        if int(pair.name) not in by_number:
            raise FlowError(
                f"{file}: has {len(by_number)} lines, and there is a pair "
                f"{pair.name}; they belong together by number. Take both from one "
                f"release."
            )
    return by_number


def _sintel_scene(training, pass_, scene, masks):
    """A scene's pairs: every frame but the last has flow to the next one."""
    folder = training / pass_ / scene
    _check_folder(folder, f"the scene {scene} of MPI Sintel")
    shown = _numbers(folder, "png")
    numbers = set(_numbers(training / "flow" / scene, "flo")) | set(shown[:-1])
    for number in sorted(numbers):
        name = f"frame_{number:04d}"
        paths = [
            folder / f"{name}.png",
            folder / f"frame_{number + 1:04d}.png",
            training / "flow" / scene / f"{name}.flo",
        ]
        extra = {kind: root / scene / f"{name}.png" for kind, root in masks.items()}
        _check_files([*paths, *extra.values()], f"the pair {scene}/{name}")
        yield FlowPair(f"{scene}/{name}", *paths, **extra)


def _numbers(folder, extension):
    """The numbers of the files `frame_0001.<extension>` in a folder."""
    pattern = re.compile(rf"frame_(\d{{4}})\.{extension}")
    matches = [pattern.fullmatch(file.name) for file in folder.iterdir()]
    return sorted(int(match[1]) for match in matches if match)


def _read_mask(path, frame_path, frame):
    mask = frames.read_frame(path)
    _check_size(path, mask, frame_path, frame)
    return mask.any(axis=2)


def _check_size(path, image, frame_path, frame):
    if image.shape[:2] != frame.shape[:2]:
        raise FlowError(
            f"{path}: is {frames.size_of(image)}, and its frame, {frame_path}, "
            f"{frames.size_of(frame)}; they are of different videos."
        )


def _check_files(paths, what):
    for path in paths:
        if not path.is_file():
            raise FlowError(
                f"{path}: there is no such file, though others of {what} are there; "
                f"unpack the data set again."
            )


def _check_folder(path, what):
    if not path.is_dir():
        found = "is a file, no folder" if path.exists() else "there is no such folder"
        raise FlowError(f"{path}: {found}; expected {what}.")
