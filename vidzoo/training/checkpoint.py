"""Checkpoints: everything that training needs to go on, in one `.npz`, atomically."""

import json
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError, read_npz
from vidzoo.atomic import replacing
from vidzoo.errors import CheckpointError

_STATE = "__state__"


def save(path: Path, model, optimizer, state: dict) -> None:
    """Writes the model, its random states, the optimizer and `state`.

    Args:
        path: the file; a file of that name is replaced once the new one is whole.
        model: a Keras model.
        optimizer: its optimizer.
        state: JSON-ready; where training stands.
    """
    arrays = {name: np.asarray(v) for name, v in _variables(model, optimizer).items()}
    arrays[_STATE] = np.array(json.dumps(state))
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        np.savez(file, **arrays)


def restore(path: Path, model, optimizer) -> dict:
    """Sets `model` and `optimizer` from a checkpoint and returns its state.

    Raises:
        CheckpointError: the file is damaged or of another model or optimizer; both are
            then as they were.
    """
    try:
        arrays = read_npz(path)
        state = json.loads(str(arrays.pop(_STATE)))
    except (UnreadableError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{path}: not a readable checkpoint ({error}). Remove it; --resume then "
            "goes on from the one before, or from the start."
        ) from error
    variables = _variables(model, optimizer)
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    found = {name: array.shape for name, array in arrays.items()}
    if wanted != found:
        differing = sorted(
            name
            for name in wanted.keys() | found.keys()
            if wanted.get(name) != found.get(name)
        )
        first = differing[0]
        raise CheckpointError(
            f"{path}: is of another model or recipe: {len(differing)} variables "
            f"differ; first: {first}, {found.get(first)} there, {wanted.get(first)} "
            "here. Give the flags of the first run, or another --out."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return state


def name_of(step: int) -> str:
    """The file name of the checkpoint after so many steps."""
    return f"step-{step:08d}.npz"


def step_of(file: Path) -> int:
    """The number of steps after which a checkpoint was taken."""
    return int(file.stem.removeprefix("step-"))


def latest(folder: Path) -> Path | None:
    """The newest whole checkpoint of a folder, or None."""
    return max(folder.glob("step-*.npz"), default=None)


def remove_all_but(folder: Path, count: int) -> None:
    """Removes all but the newest checkpoints of a folder."""
    for old in sorted(folder.glob("step-*.npz"))[:-count]:
        old.unlink()


def _variables(model, optimizer):
    # By place and own name: Keras numbers paths anew for every model of a process.
    return {
        f"{owner}/{i}/{variable.name}": variable
        for owner, variables in (
            ("model", model.variables),
            ("optimizer", optimizer.variables),
        )
        for i, variable in enumerate(variables)
    }
