"""`vidzoo fuse SCORES SCORES`: several networks' scores as one, measured."""

import os
from collections.abc import Sequence
from pathlib import Path

import vidzoo
from vidzoo.errors import UsageError
from vidzoo.evaluation import Scores, fusion, matching, measure
from vidzoo.tasks import scores_file

METHODS = ("average", "svm")


def run(
    files: Sequence,
    *,
    weights: Sequence[float] | None = None,
    normalize: str = "l1",
    method: str = "average",
    fit: Sequence | None = None,
    out=None,
    confusion: bool = False,
) -> tuple[Scores, dict]:
    """Fuses scores files and measures the streams alone, and together.

    Args:
        files: two or more scores files of the same videos; `evaluate` writes them.
        weights: one per file, 1 each unless told; not with `"svm"`.
        normalize: `"l1"`, `"softmax"` or `"none"`: see `vidzoo.evaluation.fuse`.
        method: `"average"`, or `"svm"`: see `vidzoo.evaluation.fuse_by_svm`.
        fit: for `"svm"`, a scores file of other videos for each of `files`, in their
            order.
        out: the scores file to write, with the metrics beside it, with the ending
            `.json`; nothing is written unless told.
        confusion: also write the confusion matrix, as JSON and PNG, beside `out`.

    Returns:
        The fused scores, and the metrics by name: as `evaluate` has them, each file
        being a stream; `gain`, the fused accuracy minus that of the best stream, with
        `gain_low` and `gain_high`; and under `fusion` how it was made.

    Raises:
        UsageError: weights, normalisation or method are not such, files are too few,
            one is given twice or would be replaced, `out` is no `.npz`, or videos have
            several labels where only one will do.
        VidzooError: a file holds no scores, or they differ in videos, labels or
            classes; or, with `"svm"`, a video is both fitted on and tested.
    """
    files = [Path(file) for file in files]
    fit = [Path(file) for file in fit or ()]
    _check_files(files, fit, method)
    check_arguments(weights, normalize, method, len(files))
    if out is not None:
        out = Path(out)
        _check_no_input(out, files + fit)
        scores_file.check_out(out, confusion=confusion)
    elif confusion:
        raise UsageError("--confusion: is written beside the scores; give --out too.")
    scores = matching.matched([Scores.load(file) for file in files], files)
    _check_single(files[0], scores[0], method, confusion)
    names = stream_names(files)
    if method == "svm":
        others = matching.matched([Scores.load(file) for file in fit], fit)
        _check_single(fit[0], others[0], method, confusion)
        fusion.check_fit(scores[0], others[0], files[0], fit[0])
        fused = fusion.fuse_by_svm(scores, others, normalize, names=names)
        how = {"fit": [str(file) for file in fit], "num_fit": len(others[0].labels)}
    else:
        fused = fusion.fuse(scores, weights, normalize, names=names)
        used = fusion.checked_weights(weights, len(files)).tolist()
        how = {"weights": dict(zip(names, used, strict=True))}
    gain = fusion.gain_over_best(fused)
    measured = measure(fused) | {
        "gain": gain.gain,
        "gain_low": gain.low,
        "gain_high": gain.high,
        "protocol": fused.protocol,
        "model": " + ".join(names),
        "classes": fused.classes.tolist(),
        "fusion": {
            "best": gain.stream,
            "method": method,
            "normalize": normalize,
            "files": {n: str(file) for n, file in zip(names, files, strict=True)},
            **how,
        },
        "vidzoo": vidzoo.__version__,
    }
    if out is not None:
        scores_file.write(out, fused, measured, confusion=confusion)
    return fused, measured


def stream_names(files: Sequence[Path]) -> list[str]:
    """Short names that tell files apart: their own, or else what differs in their path.

    Example:
        >>> stream_names([Path("rgb.npz"), Path("runs/flow.npz")])
        ['rgb', 'flow']
        >>> stream_names([Path("rgb/1/scores.npz"), Path("flow/1/scores.npz")])
        ['rgb', 'flow']
    """
    stems = [file.stem for file in files]
    if len(set(stems)) == len(stems):
        return stems
    paths = [file.absolute().with_suffix("").parts for file in files]
    # One path may be the start or end of another, so a part of each is left.
    while len({p[0] for p in paths}) == 1 and min(map(len, paths)) > 1:
        paths = [parts[1:] for parts in paths]
    while len({p[-1] for p in paths}) == 1 and min(map(len, paths)) > 1:
        paths = [parts[:-1] for parts in paths]
    names = ["/".join(parts) for parts in paths]
    return names if len(set(names)) == len(names) else [str(file) for file in files]


def _check_files(files, fit, method):
    if method not in METHODS:
        raise UsageError(
            f"no method '{method}'. Choose one of: {', '.join(METHODS)} (--method)."
        )
    if len(files) < 2:
        raise UsageError(f"only {files[0]} is given; fusion is of two files or more.")
    for number, file in enumerate(files):
        twice = [other for other in files[:number] if is_same(file, other)]
        if twice:
            raise UsageError(f"{file}: is given twice. Give each stream once.")
    if method == "average" and fit:
        raise UsageError("--fit is for --method=svm; averaging learns nothing.")
    if method == "svm" and len(fit) != len(files):
        raise UsageError(
            f"--fit has {len(fit)} files; --method=svm learns from one for each of "
            f"{len(files)} streams, of other videos, such as "
            "--fit=rgb_train.npz,flow_train.npz."
        )


def check_arguments(weights, normalize: str, method: str, num_files: int) -> None:
    """Checks how so many files are to be fused; arguments as in `run`.

    Raises:
        UsageError: weights or normalisation are not such.
    """
    if method == "svm" and weights is not None:
        raise UsageError(
            "--weights is for --method=average; a support vector machine finds its own."
        )
    try:
        fusion.checked_weights(weights, num_files)
    except ValueError as error:
        raise UsageError(f"{error} (--weights)") from error
    try:
        fusion.checked_normalization(normalize)
    except ValueError as error:
        raise UsageError(f"{error} (--normalize)") from error


def _check_no_input(out, inputs):
    for file in inputs:
        if is_same(file, out):
            raise UsageError(f"--out is {out}, an input. Choose another name.")


def is_same(file: Path, other: Path) -> bool:
    """Whether two paths are of one file, be it there or not."""
    if file.exists() and other.exists():
        return os.path.samefile(file, other)
    return file.absolute() == other.absolute()


def _check_single(file, scores, method, confusion):
    if scores.labels.ndim == 1:
        return
    if method == "svm":
        raise UsageError(
            f"{file}: its videos have several labels; --method=svm chooses one class a "
            "video. Take --method=average."
        )
    if confusion:
        raise UsageError(
            f"{file}: its videos have several labels; --confusion needs one a video."
        )
