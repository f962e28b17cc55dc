"""Network expansion: networks for more and more frames, each from the one before.

Source: dissertation, section 3.3.3. The networks are trained one after the other into
the folders `frames-1`, `frames-30`, `frames-120` of one folder; each starts from the
weights of the one before (`vidzoo.weights.initialize.expanded`).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from vidzoo.errors import UsageError
from vidzoo.tasks import run_folder
from vidzoo.tasks import train as train_task

_log = logging.getLogger("vidzoo")


def train(
    records,
    out,
    *,
    num_frames: Sequence[int],
    changes: dict | Sequence[dict] | None = None,
    weights=None,
    split: str = "train",
    resume: bool = False,
    **options,
) -> None:
    """Trains a network for each number of frames, in their order.

    Args:
        records: the records folder.
        out: the folder to make, with a run folder for each number.
        num_frames: of clips, e.g. 1, 30 and 120.
        changes: as `vidzoo.tasks.train.run` has it, for every one of them; or one for
            each.
        weights: of the first network, likewise.
        split: one split.
        resume: go on with a training that was cut short.
        **options: of `vidzoo.tasks.train.run`.

    Raises:
        UsageError: the numbers do not grow, the network cannot be expanded, or there
            are several splits.
        VidzooError: as `vidzoo.tasks.train.run`.
    """
    model = options.get("model")
    if model == "slow_fusion" or (
        model in run_folder.MODELS and not run_folder.is_full_length(model)
    ):
        raise UsageError(
            f"--num_frames: a {model} cannot be expanded. Give one number, or "
            "--model=feature_pooling, lstm_classifier or single_frame."
        )
    if list(num_frames) != sorted(set(num_frames)):
        raise UsageError(
            f"--num_frames is {','.join(map(str, num_frames))}; networks are expanded: "
            "give growing numbers."
        )
    if "," in split:
        raise UsageError("--num_frames: give one number for several splits.")
    names = [name_of(number) for number in num_frames]
    if changes is None or isinstance(changes, dict):
        changes = [changes or {}] * len(num_frames)
    stages = [
        each | {"num_frames": number}
        for number, each in zip(num_frames, changes, strict=True)
    ]
    options |= {"split": split}
    for each in stages:  # all of them, before hours of the first
        train_task.run(records, None, changes=each, weights=weights, **options)
    out = Path(out)
    run_folder.claim_parent(out, names, resume)
    before = None
    for number, name, each in zip(num_frames, names, stages, strict=True):
        start = {"weights": weights}
        if before is not None:
            _log.info("%s: expanded from %s", out / name, out / name_of(before))
            start["weights"] = out / name_of(before) / run_folder.WEIGHTS
            start["weights_num_frames"] = before
        train_task.run(
            records, out / name, changes=each, resume=resume, **start, **options
        )
        before = number


def name_of(num_frames: int) -> str:
    """The run folder of a network for so many frames, below that of the expansion."""
    return f"frames-{num_frames}"
