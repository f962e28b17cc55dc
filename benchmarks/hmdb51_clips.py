"""Clips of some of HMDB51's classes, such as JHMDB's, with the official splits."""

import argparse
import csv
import hashlib
import io
from collections import defaultdict
from pathlib import Path

from vidzoo.errors import SourceError

NUM_FOLDS = 5
_PURPOSES = {"1": "train", "2": "test"}  # of HMDB51's codes; 0 is unused


def clips_parser(name: str, *, has_weights: bool = True) -> argparse.ArgumentParser:
    """The flags that all benchmarks on such clips have.

    Args:
        name: of the benchmark's module.
        has_weights: whether its networks start from GoogLeNet's.
    """
    flags = argparse.ArgumentParser(prog=f"benchmarks.{name}")
    flags.add_argument("videos", type=Path, help="folder of classes of clips")
    flags.add_argument("splits", type=Path, help="HMDB51's folder of split files")
    flags.add_argument("out", type=Path, help="folder for all that is made")
    if has_weights:
        flags.add_argument(
            "--weights", required=True, help="GoogLeNet's: file or preset"
        )
    flags.add_argument("--seeds", default="0,1,2", help="of training (0,1,2)")
    flags.add_argument(
        "--held_out", action="store_true", help="choose settings: no test video"
    )
    return flags


def rows_of(videos: Path, splits: Path) -> list[tuple[str, str, str]]:
    """`(path, label, split)` rows: the official splits, and split 1's training folds.

    The splits of fold i are `fit1-i`, to train on, and `val1-i`.

    Raises:
        SourceError: no class folder of `videos` has a split file in `splits`.
    """
    rows = []
    for file in sorted(splits.glob("*_test_split[123].txt")):
        label, number = file.stem.split("_test_split")
        for line in file.read_text(encoding="utf-8").splitlines():
            name, code = line.split()
            path = Path(label, name)
            if code in _PURPOSES and (videos / path).is_file():
                rows.append((path.as_posix(), label, _PURPOSES[code] + number))
    if not rows:
        raise SourceError(
            f"{videos}: holds no clip that {splits} lists. Give HMDB51's clips in a "
            "folder per class, and its folder of split files."
        )
    trained = [(path, label) for path, label, split in rows if split == "train1"]
    fold_of = assign_folds(trained)
    for path, label in trained:
        for fold in range(NUM_FOLDS):
            purpose = "val1" if fold_of[path] == fold else "fit1"
            rows.append((path, label, f"{purpose}-{fold}"))
    return rows


def assign_folds(clips: list[tuple[str, str]], num_folds=NUM_FOLDS) -> dict[str, int]:
    """Path -> fold, each with about as many clips of a class, recordings kept whole.

    The largest recording goes first, each into its class's smallest fold; hashes break
    ties. HMDB51 names a clip `RECORDING_CLASS_…`.

    Args:
        clips: `(path, label)`.
        num_folds: F.
    """
    recordings = defaultdict(lambda: defaultdict(list))
    for path, label in clips:
        recording = Path(path).name.split(f"_{label}_")[0]
        recordings[label][recording].append(path)
    fold_of = {}
    for label, by_recording in recordings.items():
        sizes = [0] * num_folds
        order = sorted(
            by_recording,
            key=lambda name: (-len(by_recording[name]), _digest(label, name)),
        )
        for recording in order:
            fold = min(
                range(num_folds), key=lambda i: (sizes[i], _digest(label, recording, i))
            )
            sizes[fold] += len(by_recording[recording])
            fold_of |= dict.fromkeys(by_recording[recording], fold)
    return fold_of


def as_csv(rows) -> str:
    """The rows as the layout `csv` of `vidzoo prepare` wants them."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("path", "label", "split"))
    writer.writerows(rows)
    return text.getvalue()


def _digest(*parts):
    return hashlib.sha256(repr(parts).encode()).digest()
