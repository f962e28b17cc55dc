"""A run folder while it is trained into: made, or found to be the same run; locked."""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from vidzoo.atomic import remove_leftovers
from vidzoo.errors import CheckpointError
from vidzoo.locking import LOCK, locked
from vidzoo.tasks import run_folder

_log = logging.getLogger("vidzoo")
# What a resumed run must have in common with the run it goes on with.
_FIXED = (
    "model",
    "recipe",  # before the arguments, some of which follow from it
    "arguments",
    "classes",
    "initial_weights_sha256",
    "split",
    "seed",
    "precision",
    "data",
)


@contextlib.contextmanager
def claimed(out: Path, description: dict, resume: bool) -> Iterator[None]:
    """Makes the run folder, or checks that it may be used; keeps others out of it.

    The folder of several runs is `run_folder.claim_parent`'s.

    Args:
        out: the folder.
        description: of the run that is to be trained.
        resume: go on with the run that is there.

    Raises:
        CheckpointError: `out` is a file, holds something else or another run, or one
            that must be resumed.
        VidzooError: another process works in it.
    """
    if not (out / run_folder.DESCRIPTION).exists():
        if out.is_file():
            raise CheckpointError(f"{out}: is a file. Choose a folder for --out.")
        _check_empty(out)
        out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        if (out / run_folder.DESCRIPTION).exists():
            run_folder.check_free(out, resume)
            there = run_folder.read_description(out)
            _compare(out, there, json.loads(json.dumps(description)))
            for file in (run_folder.WEIGHTS, "log.jsonl", "checkpoints/step-*.npz"):
                remove_leftovers(out / file)
        else:
            if resume:
                _log.info("%s: nothing to resume there; a new run begins", out)
            _check_empty(out)
            run_folder.write_description(out, description)
        yield


def _check_empty(out):
    """Checks that a folder, if there is one, holds at most what a killed start left."""
    if out.exists():
        remove_leftovers(out / run_folder.DESCRIPTION)
        if any(entry.name != LOCK for entry in out.iterdir()):
            raise CheckpointError(
                f"{out}: not empty, and no run folder. Choose another."
            )


def _compare(out, there, ours):
    """Checks that a run to be resumed was begun as this one would be."""
    for name in _FIXED:
        found, expected = there.get(name), ours[name]
        if found == expected:
            continue
        label = name.replace("_", " ")
        if isinstance(found, dict) and isinstance(expected, dict):
            keys = [*expected, *found]
            key = next(k for k in keys if found.get(k) != expected.get(k))
            label = f"{label} ({key})"
            found, expected = found.get(key), expected.get(key)
        raise CheckpointError(
            f"{out}: its run has another {label}: {found}, not {expected}. Give the "
            "flags of the first run, or another --out."
        )
    for name in ("num_devices", "jit_compile", "onednn"):
        if name in there and there[name] != ours[name]:  # older runs lack `onednn`
            _log.warning(
                "warning: %s: begun with %s %s, goes on with %s; not to the same bits",
                out,
                name.replace("_", " "),
                there[name],
                ours[name],
            )
