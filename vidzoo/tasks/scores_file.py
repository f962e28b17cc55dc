"""A scores file and what goes beside it: metrics as JSON, the confusion matrix."""

import json
import os
from pathlib import Path

from vidzoo.atomic import write_text
from vidzoo.errors import UsageError
from vidzoo.evaluation import Scores, write_confusion


def check_out(file: Path, *, confusion: bool) -> None:
    """Checks that results can be written, and replace at most other such results.

    Args:
        file: of the scores.
        confusion: whether the confusion matrix is written too.

    Raises:
        UsageError: it is no `.npz`, cannot be written, or something else is where
            metrics or matrix go.
        VidzooError: it exists and holds no scores.
    """
    if file.suffix != ".npz" or not file.parent.is_dir():
        raise UsageError(
            f"--out is {file}; give the name of a .npz file in a folder that exists."
        )
    if not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"{file.parent}: cannot be written. Give --out, a .npz file elsewhere."
        )
    if file.exists():
        Scores.load(file)  # an error if it is something else
        return
    beside = [file.with_suffix(".json")]
    if confusion:
        matrix = _confusion_file(file)
        beside += [Path(f"{matrix}.json"), Path(f"{matrix}.png")]
    for other in beside:
        if other.exists():
            raise UsageError(
                f"{other}: exists, and results would go there. Choose another name "
                "for --out."
            )


def write(file: Path, scores: Scores, measured: dict, *, confusion: bool) -> None:
    """Writes the scores, the metrics and, if asked for, the confusion matrix.

    Each file is written atomically.
    """
    scores.save(file)
    write_text(file.with_suffix(".json"), json.dumps(measured, indent=1) + "\n")
    if confusion:
        write_confusion(scores, _confusion_file(file))


def _confusion_file(file):
    return file.with_name(f"{file.stem}-confusion")
