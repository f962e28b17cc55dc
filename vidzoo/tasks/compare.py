"""`vidzoo compare A.npz B.npz`: in which classes one network is better than another."""

from pathlib import Path

from vidzoo import explain
from vidzoo.errors import UsageError
from vidzoo.evaluation import Scores
from vidzoo.tasks import fuse, picture_file


def run(a, b, *, plot=None) -> dict:
    """Compares two scores files of the same videos, over all and class by class.

    Args:
        a: a scores file; `evaluate` and `fuse` write them.
        b: likewise; differences are `a` minus `b`.
        plot: the `.png` of bars to make; none unless told.

    Returns:
        `a` and `b`, each with `name`, `file`, `protocol` and `top1`; `difference` of
        their accuracies with its 95 % interval, `low` and `high`; `num_videos`; and
        `classes`, by name from the largest gain to the largest loss: `num_videos`, `a`,
        `b` and `difference`, None for a class that no video has.

    Raises:
        UsageError: a file is given twice, videos have several labels, or `plot` cannot
            be written or exists.
        VidzooError: a file holds no scores, or they differ in videos, labels or
            classes.
    """
    files = [Path(a), Path(b)]
    if fuse.is_same(*files):
        raise UsageError(f"{b}: is given twice. Give the scores of two networks.")
    if plot is not None:
        picture_file.check_out(Path(plot), "--plot")
    scores = [Scores.load(file) for file in files]
    try:
        found = explain.class_differences(*scores, files)
    except ValueError as error:
        raise UsageError(f"{a}: {error}") from error
    names = fuse.stream_names(files)
    if plot is not None:
        picture_file.write(Path(plot), explain.class_bars(found, *names))
    accuracies = (found.accuracy_a, found.accuracy_b)
    sides = {
        side: {
            "name": name,
            "file": str(file),
            "protocol": each.protocol,
            "top1": accuracy,
        }
        for side, name, file, each, accuracy in zip(
            "ab", names, files, scores, accuracies, strict=True
        )
    }
    rows = zip(
        found.classes,
        found.counts.tolist(),
        found.class_accuracy_a.tolist(),
        found.class_accuracy_b.tolist(),
        found.differences.tolist(),
        strict=True,
    )
    labels = ("num_videos", "a", "b", "difference")
    classes = {name: dict(zip(labels, row, strict=True)) for name, *row in rows}
    nothing = dict(zip(labels, (0, None, None, None), strict=True))
    return {
        **sides,
        "num_videos": found.num_videos,
        "difference": found.difference,
        "low": found.low,
        "high": found.high,
        "classes": classes | {name: dict(nothing) for name in found.absent},
        "plot": None if plot is None else str(plot),
    }
