"""`vidzoo train RECORDS --model=… --out=RUN`: records to a trained run folder."""

import hashlib
import json
import logging
from pathlib import Path

import keras
import tensorflow as tf

import vidzoo
from vidzoo import training
from vidzoo.atomic import remove_leftovers
from vidzoo.errors import CheckpointError, RecordError, UsageError
from vidzoo.models import backbones
from vidzoo.progress import Progress
from vidzoo.tasks import run_folder
from vidzoo.weights import save_weights
from vidzoo_data import clips
from vidzoo_data.records.read import Records

_log = logging.getLogger("vidzoo")
# What a resumed run must have in common with the run it goes on with.
_FIXED = (
    "model",
    "arguments",
    "classes",
    "initial_weights_sha256",
    "recipe",
    "split",
    "seed",
    "data",
)


def run(
    records,
    out,
    *,
    model: str,
    backbone: str = "resnet50",
    recipe: str | None = None,
    changes: dict | None = None,
    num_segments: int = 3,
    frame_size: int = 224,
    weights=None,
    split: str = "train",
    seed: int = 0,
    workers: int | None = None,
    jit_compile: bool = False,
    resume: bool = False,
) -> None:
    """Trains a network on one split of a records folder.

    Args:
        records: the records folder.
        out: the run folder; it gets `run.json`, `log.jsonl`, `checkpoints/` and, at
            the end, `weights.npz`.
        model: `"tsn"` or `"tdn"`.
        backbone: a backbone's name.
        recipe: a key of `vidzoo.training.RECIPES`; `"finetune"` by default with
            initial weights, else `"scratch"`.
        changes: values that replace the recipe's, e.g. `{"epochs": 4}`.
        num_segments: T, snippets in a clip.
        frame_size: height and width of a clip's frames, in pixels.
        weights: path of initial weights.
        split: which videos to train on.
        seed: of everything random.
        workers: clips decoded at once.
        jit_compile: compile with XLA.
        resume: go on with a run that was cut short.

    Raises:
        UsageError: a name is unknown.
        RecordError: the records are damaged or have fewer than two classes.
        WeightsError: the initial weights do not fit.
        CheckpointError: `out` holds another run, or one that must be resumed.
    """
    recipe = recipe or ("finetune" if weights else "scratch")
    if recipe not in training.RECIPES:
        known = ", ".join(training.RECIPES)
        raise UsageError(f"no recipe '{recipe}'. Choose one of: {known} (--recipe).")
    try:
        chosen = training.RECIPES[recipe].replacing(**changes or {})
    except ValueError as error:
        raise UsageError(str(error)) from error
    data = Records(records)
    num_videos = len(data.split(split))
    if recipe == "finetune" and weights is None:
        _log.warning(
            "warning: the recipe finetune without --weights hardly moves random "
            "weights; consider --recipe=scratch"
        )
    stored = data.made_with["size"]
    if frame_size > (stored if isinstance(stored, int) else min(stored)):
        _log.warning(
            "warning: --frame_size=%d enlarges frames stored at %s; a smaller one is "
            "faster and shows as much",
            frame_size,
            stored,
        )
    if len(data.classes) < 2:
        raise RecordError(
            f"{data.path}: one class only ({data.classes[0]}). "
            "A classifier needs videos of two classes or more."
        )
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed is {seed}; give a number from 0 to 4294967295.")
    keras.utils.set_random_seed(seed)
    arguments = {
        "num_classes": len(data.classes),
        "num_segments": num_segments,
        "backbone": backbone,
        "frame_shape": (frame_size, frame_size, 3),
        "dropout": chosen.dropout,
    }
    network = run_folder.build_model(model, arguments, weights)
    description = {
        "vidzoo": vidzoo.__version__,
        "model": model,
        "arguments": arguments,
        "classes": list(data.classes),
        "initial_weights_sha256": _fingerprint(weights),
        "recipe": {"name": recipe} | chosen.as_dict(),
        "split": split,
        "seed": seed,
        "jit_compile": jit_compile,
        "data": {
            "source": data.name,
            "plan": data.plan,
            "made_with": dict(data.made_with),
        },
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
    out = Path(out)
    _claim(out, description, resume)

    def batches_from(first_step, num_steps):
        batches = clips.training_batches(
            data,
            split,
            sampling=clips.Segments(num_segments),
            crop=_crop(chosen, frame_size),
            batch_size=chosen.batch_size,
            num_steps=num_steps,
            first_step=first_step,
            seed=seed,
            workers=workers,
        )
        return clips.checked(batches, data)

    epochs = sum(phase.epochs for phase in chosen.phases)
    num_steps = epochs * training.epoch_length(num_videos, chosen)
    _log.info(
        "training %s on %s: %d videos, %d classes, %d epochs, %d steps of %d clips",
        model,
        backbone,
        num_videos,
        len(data.classes),
        epochs,
        num_steps,
        chosen.batch_size,
    )
    with Progress(f"train {model}", num_steps) as progress:
        training.train(
            network,
            batches_from,
            chosen,
            num_videos=num_videos,
            run_folder=out,
            resume=resume,
            jit_compile=jit_compile,
            on_step=progress.update,
        )
    file = out / run_folder.WEIGHTS
    variant = backbones.get(backbone).variant
    save_weights(file, network, network=model, backbone=backbone, variant=variant)
    _log.info("wrote %s", file)


def _claim(out, description, resume):
    """Makes the run folder, or checks that it may be used."""
    if (out / run_folder.DESCRIPTION).exists():
        if not resume:
            raise CheckpointError(
                f"{out}: holds a run already. Give --resume to go on with it, or "
                "choose another --out."
            )
        there = run_folder.read_description(out)
        _compare(out, there, json.loads(json.dumps(description)))
        for file in (run_folder.WEIGHTS, "log.jsonl", "checkpoints/epoch-*.npz"):
            remove_leftovers(out / file)
        return
    if resume:
        _log.info("%s: nothing to resume there; a new run begins", out)
    if out.is_file():
        raise CheckpointError(f"{out}: is a file. Choose a folder for --out.")
    out.mkdir(parents=True, exist_ok=True)
    remove_leftovers(out / run_folder.DESCRIPTION)
    if any(out.iterdir()):
        raise CheckpointError(f"{out}: not empty, and no run folder. Choose another.")
    run_folder.write_description(out, description)


def _compare(out, there, ours):
    """Checks that a run to be resumed was begun as this one would be."""
    for name in _FIXED:
        found, expected = there.get(name), ours[name]
        if found == expected:
            continue
        label = name.replace("_", " ")
        if isinstance(found, dict) and isinstance(expected, dict):
            key = next(k for k in expected if found.get(k) != expected[k])
            label, found, expected = f"{label} ({key})", found.get(key), expected[key]
        raise CheckpointError(
            f"{out}: its run has another {label}: {found}, not {expected}. Give the "
            "flags of the first run, or another --out."
        )


def _fingerprint(weights):
    """SHA-256 of the initial weights' file; None without any."""
    if weights is None:
        return None
    with open(weights, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _crop(recipe, frame_size):
    if recipe.crop == "corner":
        return clips.CornerCrop(frame_size, recipe.crop_scales, recipe.flip)
    return clips.RandomCrop(frame_size, recipe.flip)
