"""A run folder: what was trained, on what, how; and the model rebuilt from it."""

import inspect
import json
from collections.abc import Sequence
from pathlib import Path

from vidzoo import models
from vidzoo.atomic import write_text
from vidzoo.errors import CheckpointError, UsageError
from vidzoo.models import backbones
from vidzoo.models.backbone import Backbone

MODELS = {"tsn": models.TSN, "tdn": models.TDN}
DESCRIPTION = "run.json"
WEIGHTS = "weights.npz"
_SMALLEST_FRAME = 32  # pixels: backbones halve the resolution five times
_KEYS = (*("model", "arguments", "classes", "recipe", "split", "precision", "data"),)


def build_model(network: str, arguments: dict, weights=None):
    """Builds a network by name.

    Raises:
        UsageError: the network or its backbone is unknown; the message lists those
            there are.
    """
    if network not in MODELS:
        known = ", ".join(MODELS)
        raise UsageError(f"no model '{network}'. Choose one of: {known} (--model).")
    backbone(arguments["backbone"])
    strange = set(arguments) - set(inspect.signature(MODELS[network]).parameters)
    if strange:
        raise UsageError(
            f"--{min(strange)} is no option of {network}. Leave it out, or choose "
            "another --model."
        )
    arguments = arguments | {"frame_shape": tuple(arguments["frame_shape"])}
    smallest = _SMALLEST_FRAME
    if min(arguments["frame_shape"][:2]) < smallest:
        raise UsageError(
            f"--frame_size is {arguments['frame_shape'][0]}; give {smallest} or more."
        )
    try:
        return MODELS[network](**arguments, weights=weights)
    except ValueError as error:
        raise UsageError(str(error)) from error


def backbone(name: str) -> Backbone:
    """The backbone of that name.

    Raises:
        UsageError: it is unknown; the message lists those there are.
    """
    if name not in backbones.BACKBONES:
        known = ", ".join(backbones.BACKBONES)
        raise UsageError(f"no backbone '{name}'. Choose one of: {known} (--backbone).")
    return backbones.BACKBONES[name]


def write_description(run: Path, description: dict) -> None:
    """Writes `run.json`."""
    write_text(run / DESCRIPTION, json.dumps(description, indent=1) + "\n")


def read_description(run: Path) -> dict:
    """Reads `run.json`.

    Raises:
        CheckpointError: the folder is no run folder, or its description is damaged.
    """
    file = run / DESCRIPTION
    if not file.is_file():
        raise CheckpointError(
            f"{run}: no run folder (no {DESCRIPTION} in it). "
            "Make one with `vidzoo train RECORDS --model=tdn --out=RUN`."
        )
    try:
        described = json.loads(file.read_text(encoding="utf-8"))
        missing = [name for name in _KEYS if name not in described]
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{file}: damaged ({error}).") from error
    if missing:
        raise CheckpointError(f"{file}: damaged (no {', '.join(missing)}).")
    return described


def check_free(run: Path, resume: bool) -> None:
    """Checks that a run folder, if it is one already, is to be resumed.

    Raises:
        CheckpointError: it holds a run, and `resume` is false.
    """
    if (run / DESCRIPTION).exists() and not resume:
        raise CheckpointError(
            f"{run}: holds a run already. Give --resume to go on with it, or choose "
            "another --out."
        )


def claim_parent(out: Path, splits: Sequence[str], resume: bool) -> None:
    """Makes the folder of several runs, one per split, or checks that it is one.

    Raises:
        CheckpointError: it holds something else, or runs that must be resumed.
    """
    if out.is_file():
        raise CheckpointError(f"{out}: is a file. Choose a folder for --out.")
    out.mkdir(parents=True, exist_ok=True)
    for split in splits:
        check_free(out / split, resume)
    others = [
        entry.name
        for entry in sorted(out.iterdir())
        if entry.name not in splits
        and not (entry / DESCRIPTION).is_file()  # of another split
        and not entry.name.startswith(("scores-mean-", "."))
    ]
    if others:
        raise CheckpointError(
            f"{out}: holds {others[0]}; a folder for the runs of {', '.join(splits)} "
            "was expected. Choose another --out."
        )


def is_single(folder) -> bool:
    """Whether a folder is one run's, rather than one of several runs."""
    return runs_in(Path(folder)) == [Path(folder)]


def runs_in(folder: Path) -> list[Path]:
    """The run folders of a folder: itself, or one per split that it was trained on.

    Raises:
        CheckpointError: there is none.
    """
    if not (folder / DESCRIPTION).is_file():
        inner = sorted(file.parent for file in folder.glob(f"*/{DESCRIPTION}"))
        if inner:
            return inner
    read_description(folder)
    return [folder]


def read_finished(run) -> dict:
    """The description of a run whose training has finished.

    Raises:
        CheckpointError: no run folder, or training has not finished.
    """
    run = Path(run)
    description = read_description(run)
    if not (run / WEIGHTS).is_file():
        raise CheckpointError(
            f"{run}: training has not finished (no {WEIGHTS}). "
            "Run the same `vidzoo train` with --resume."
        )
    return description


def load_trained(run):
    """The trained model of a run folder, and the run's description.

    Raises:
        CheckpointError: no run folder, or training has not finished.
    """
    description = read_finished(run)
    model = build_model(
        description["model"], description["arguments"], weights=Path(run) / WEIGHTS
    )
    return model, description
