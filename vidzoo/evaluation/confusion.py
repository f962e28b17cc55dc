"""Which classes a network takes for which: counts as JSON, and a picture of them."""

import json
import os
import warnings
from pathlib import Path

import numpy as np

from vidzoo import metrics
from vidzoo.atomic import replacing, write_text
from vidzoo.evaluation.scores import Scores

_MOST_COUNTED = 20  # classes, for which each cell says its count
_MOST_NAMED = 120  # classes, for which the axes name them
_LONGEST_NAME = 24  # characters


def write_confusion(scores: Scores, path: str | os.PathLike) -> np.ndarray:
    """Writes `<path>.json` and `<path>.png`, each atomically.

    The JSON holds `classes`, `matrix` (one row per true class, one column per answered
    class, counts of videos) and, for those who read it alone, `rows` and `columns`.
    The picture shows the share of each true class; with 20 classes or fewer it says
    the counts too, with more than 120 the axes have numbers in place of names.

    Args:
        scores: of videos with one label each.
        path: without an ending; the folder must exist.

    Returns:
        int64 `(K, K)`, the matrix.

    Raises:
        ValueError: the labels are multi-hot.
    """
    classes = [str(name) for name in scores.classes]
    matrix = metrics.confusion_matrix(scores.logits, scores.labels, len(classes))
    described = {
        "rows": "true class",
        "columns": "answered class",
        "classes": classes,
        "matrix": matrix.tolist(),
    }
    path = Path(path)
    text = json.dumps(described, ensure_ascii=False)
    write_text(path.with_name(f"{path.name}.json"), text + "\n")
    with replacing(path.with_name(f"{path.name}.png")) as file:
        _draw(matrix, classes, file)
    return matrix


def _draw(matrix, classes, file):
    from matplotlib.colors import PowerNorm  # half a second
    from matplotlib.figure import Figure

    num_classes = len(classes)
    side = min(max(4.5, 2.5 + 0.35 * num_classes), 16.0)  # inches
    figure = Figure(figsize=(side + 1.0, side), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    # The square root, or rare mistakes, as there are with many classes, would not show.
    norm = PowerNorm(0.5, vmin=0, vmax=1)
    image = axes.imshow(shares, cmap="Blues", norm=norm, interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, shrink=0.8, fraction=0.04, aspect=30)
    bar.set_label("share of the true class")
    num_videos = matrix.sum()
    axes.set_title(f"{num_videos} videos, top-1 {matrix.trace() / num_videos:.1%}")
    axes.set_xlabel("answered class")
    axes.set_ylabel("true class")
    if num_classes <= _MOST_NAMED:
        _name_classes(axes, classes)
    if num_classes <= _MOST_COUNTED:
        _write_counts(axes, matrix, shares)
    with warnings.catch_warnings():
        # A name in a script that the font lacks is drawn as boxes; the JSON has it.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(file, format="png")


def _name_classes(axes, classes):
    names = [_shortened(name) for name in classes]
    places = range(len(names))
    if len(names) <= _MOST_COUNTED:
        size = 9
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    else:
        size = 7 if len(names) <= 60 else 5.5
        slanted = {"rotation": 90}
    # Class names are no formulas, whatever dollar signs they hold.
    plain = {"fontsize": size, "parse_math": False}
    axes.set_xticks(places, names, **slanted, **plain)
    axes.set_yticks(places, names, **plain)


def _write_counts(axes, matrix, shares):
    for row, column in np.argwhere(matrix):
        axes.text(
            column,
            row,
            f"{matrix[row, column]}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[row, column] > 0.35 else "black",
        )


def _shortened(name):
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
