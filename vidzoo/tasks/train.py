"""`vidzoo train RECORDS --model=… --out=RUN`: records to a trained run folder."""

import contextlib
import dataclasses
import json
import logging
from pathlib import Path

import keras
import tensorflow as tf

import vidzoo
from vidzoo import training
from vidzoo.atomic import remove_leftovers
from vidzoo.errors import CheckpointError, RecordError, UsageError
from vidzoo.locking import LOCK, locked
from vidzoo.models.modalities import CHANNELS as MODALITIES
from vidzoo.progress import Progress
from vidzoo.stopping import StopRequest
from vidzoo.tasks import clip_settings, run_folder
from vidzoo.tasks.initial_weights import InitialWeights
from vidzoo.tasks.open_records import open_records
from vidzoo.training import devices
from vidzoo.weights import save_weights
from vidzoo_data import clips

_log = logging.getLogger("vidzoo")
# Recipes that start from weights trained on images.
_FROM_WEIGHTS = ("finetune", "hmdb51", "act", "ucf101")
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


def run(
    records,
    out,
    *,
    model: str,
    modality: str = "rgb",
    backbone: str = "resnet50",
    recipe: str | training.Recipe | None = None,
    changes: dict | None = None,
    num_segments: int | None = None,
    frame_size: int = 224,
    model_options: dict | None = None,
    weights=None,
    image_weights=None,
    split: str = "train",
    seed: int = 0,
    num_devices: int | None = None,
    mixed_precision: bool = False,
    workers: int | None = None,
    jit_compile: bool = False,
    resume: bool = False,
    accept_license: bool = False,
) -> None:
    """Trains a network on one split of a records folder, or on several in turn.

    Ctrl-C and SIGTERM stop it after the current step, which is saved.

    Args:
        records: the records folder.
        out: the run folder; it gets `run.json`, `log.jsonl`, `tensorboard/`,
            `checkpoints/` and, at the end, `weights.npz`. With several splits it gets a
            run folder for each, by its name. None only checks what can be checked
            before a folder is made.
        model: a key of `run_folder.MODELS`.
        modality: what the network sees: `"rgb"`, `"flow"` or `"flow_image"`.
        backbone: a backbone's name; of no interest to a network without one.
        recipe: a key of `vidzoo.training.RECIPES`, or a recipe; `"finetune"` by default
            with initial weights, else `"scratch"`.
        changes: values that replace the recipe's, e.g. `{"epochs": 4}`.
        num_segments: T, snippets in a clip; the recipe's by default.
        frame_size: height and width of a clip's frames, in pixels.
        model_options: further arguments of the builder, e.g. `difference_layers`.
        weights: path of initial weights; or, of the backbone, a preset's name or
            `"imagenet"`. Those for RGB start a network on flow too.
        image_weights: of a TDN: run folder of a trained TSN, or path of its weights,
            for the image subnetwork; `weights` are then for the difference subnetwork.
            Of several splits, a folder with a run for each.
        split: which videos to train on; several names with commas between them.
        seed: of everything random.
        num_devices: how many GPUs (or CPU devices) share each batch; all by default.
        mixed_precision: compute in bfloat16, with weights in float32.
        workers: clips decoded at once.
        jit_compile: compile with XLA.
        resume: go on with a run that was cut short.
        accept_license: accept a preset's licence that forbids commercial use.

    Raises:
        UsageError: a name is unknown, or there are not so many devices.
        RecordError: the records are damaged or have fewer than two classes.
        WeightsError: the initial weights do not fit, or cannot be fetched.
        CheckpointError: `out` holds another run, or one that must be resumed.
    """
    name, chosen = _recipe(model, modality, recipe, changes, weights)
    strategy = devices.strategy(num_devices)
    devices.check_batch_size(chosen.batch_size, strategy)
    if jit_compile and strategy.num_replicas_in_sync > 1:
        raise UsageError("--jit_compile works on one device: give --devices=1.")
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed is {seed}; give a number from 0 to 4294967295.")
    data = open_records(records)
    splits = split.split(",")
    _check_splits(data, splits, chosen)
    if len(data.classes) < 2:
        raise RecordError(
            f"{data.path}: one class only ({data.classes[0]}). "
            "A classifier needs videos of two classes or more."
        )
    _warn(name, weights, frame_size, data.made_with["size"])
    arguments = {
        "num_classes": len(data.classes),
        "num_segments": chosen.num_segments if num_segments is None else num_segments,
        "modality": modality,
        "frame_shape": (
            *(frame_size, frame_size),
            clip_settings.channels(modality, chosen.snippet_length),
        ),
        "dropout": chosen.dropout,
    }
    if run_folder.has_backbone(model):
        arguments["backbone"] = backbone
    _check_frozen(chosen, model, image_weights)
    starts = {}
    for each in splits:
        starts[each] = InitialWeights(
            *(model, arguments, data.classes, each, accept_license)
        )
        starts[each].find(weights, image_weights)
    description = {
        "vidzoo": vidzoo.__version__,
        "model": model,
        "arguments": arguments | (model_options or {}),
        "classes": list(data.classes),
        "recipe": {"name": name} | chosen.as_dict(),
        "seed": seed,
        "precision": "mixed_bfloat16" if mixed_precision else "float32",
        "num_devices": strategy.num_replicas_in_sync,
        "jit_compile": jit_compile,
        "data": {
            "source": data.name,
            "plan": data.plan,
            "made_with": dict(data.made_with),
        },
        "versions": {"tensorflow": tf.__version__, "keras": keras.__version__},
    }
    described = {
        each: description
        | {
            "split": each,
            "initial_weights_sha256": starts[each].fingerprint(),
            "inputs": {"records": str(records)} | starts[each].given,
        }
        for each in splits
    }
    for each in splits:  # the videos, before a folder is made
        _batches_from(data, described[each], chosen, workers)(0, 0)
    if out is None:
        return
    out = Path(out)
    if len(splits) > 1:
        run_folder.claim_parent(out, splits, resume)
    for each in splits:
        _train(
            out / each if len(splits) > 1 else out,
            data,
            chosen,
            described[each],
            initial=starts[each],
            workers=workers,
            strategy=strategy,
            resume=resume,
        )


def _train(
    folder, data, recipe, description, *, initial, workers, strategy, resume
) -> None:
    """Trains on one split, from the initial weights to the run's own."""
    keras.utils.set_random_seed(description["seed"])
    with _precision(description["precision"]), strategy.scope():
        network = run_folder.build_model(
            description["model"], description["arguments"], initial.weights()
        )
    batches_from = _batches_from(data, description, recipe, workers)
    num_videos = len(data.split(description["split"]))
    num_steps = recipe.num_steps(num_videos)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_claimed(folder, description, resume))
        _log.info(
            "training %s into %s: %d videos, %d steps of %d clips",
            network.name,
            folder,
            num_videos,
            num_steps,
            recipe.batch_size,
        )
        stop = stack.enter_context(StopRequest())
        shown = stack.enter_context(Progress(f"train {network.name}", num_steps))
        try:
            training.train(
                network,
                batches_from,
                recipe,
                num_videos=num_videos,
                run_folder=folder,
                modality=clip_settings.modality(description["arguments"]),
                strategy=strategy,
                resume=resume,
                jit_compile=description["jit_compile"],
                on_step=shown.update,
                should_stop=stop,
            )
        except training.Stopped as stopped:
            _log.info("%s: %s; the same command with --resume goes on", folder, stopped)
            stop.obey()
        _save_weights(network, folder, description)
        stop.obey()  # asked to stop in the last step, or since


def _save_weights(network, folder, description):
    name, variant = run_folder.parts(description["model"], description["arguments"])
    file = folder / run_folder.WEIGHTS
    save_weights(
        file,
        network,
        network=description["model"],
        backbone=name,
        variant=variant,
    )
    _log.info("wrote %s", file)


def _recipe(model, modality, recipe, changes, weights):
    """The recipe and its name."""
    if model not in run_folder.MODELS:
        known = ", ".join(run_folder.MODELS)
        raise UsageError(f"no model '{model}'. Choose one of: {known} (--model).")
    if modality not in MODALITIES:
        known = ", ".join((*MODALITIES, "two-stream"))
        raise UsageError(f"no modality '{modality}'. Choose one of: {known}.")
    recipe = recipe or ("finetune" if weights else "scratch")
    name = recipe if isinstance(recipe, str) else "own"
    if isinstance(recipe, str):
        recipe = _named_recipe(recipe, model, modality)
    try:
        return name, recipe.replacing(**changes or {})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _check_frozen(recipe, model, image_weights):
    """A classifier that does not train must have been trained."""
    if model == "tdn" and image_weights is None:
        if "image_head" in recipe.phases[0].frozen:
            raise UsageError(
                "this recipe freezes the image subnetwork, classifier included, which "
                "must be trained before: give the run folder of a TSN on the same "
                "modality and split (--image_weights), or another --recipe."
            )


def _named_recipe(name, model, modality):
    if name not in training.RECIPES:
        known = ", ".join(training.RECIPES)
        raise UsageError(f"no recipe '{name}'. Choose one of: {known} (--recipe).")
    if model not in training.RECIPES[name]:
        known = [n for n, recipes in training.RECIPES.items() if model in recipes]
        raise UsageError(
            f"no recipe '{name}' for {model}. Choose one of: {', '.join(known)} "
            "(--recipe)."
        )
    recipes = training.RECIPES[name][model]
    if modality == "flow_image":  # one field a snippet
        return dataclasses.replace(recipes["flow"], snippet_length=1)
    return recipes[modality]


def _check_splits(data, splits, recipe):
    if len(set(splits)) < len(splits):
        raise UsageError(f"--split is {','.join(splits)}; name each split once.")
    for split in splits:
        for video in data.split(split):
            if len(video.labels) > 1 and recipe.loss != "sigmoid":
                raise RecordError(
                    f"{data.path}: {video.video_id} has {len(video.labels)} labels, "
                    "and a softmax expects one. Give --loss=sigmoid."
                )


def _warn(recipe, weights, frame_size, stored):
    if recipe in _FROM_WEIGHTS and weights is None:
        _log.warning(
            "warning: the recipe %s without --weights hardly moves random weights; "
            "consider --recipe=scratch",
            recipe,
        )
    if frame_size > (stored if isinstance(stored, int) else min(stored)):
        _log.warning(
            "warning: --frame_size=%d enlarges frames stored at %s; a smaller one is "
            "faster and shows as much",
            frame_size,
            stored,
        )


@contextlib.contextmanager
def _precision(policy):
    """The dtype policy for a model built inside; bfloat16 needs no loss scaling."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _batches_from(data, description, recipe, workers):
    arguments = description["arguments"]
    frame_size = arguments["frame_shape"][0]

    def batches_from(first_step, num_steps):
        batches = clips.training_batches(
            data,
            description["split"],
            sampling=clip_settings.sampling(arguments),
            modalities=clip_settings.modalities(arguments),
            crop=_crop(recipe, frame_size),
            color=clips.ColorJitter() if recipe.color_jitter else None,
            multi_label=recipe.loss == "sigmoid",
            batch_size=recipe.batch_size,
            num_steps=num_steps,
            first_step=first_step,
            seed=description["seed"],
            workers=workers,
        )
        return clips.checked(batches, data)

    return batches_from


def _crop(recipe, frame_size):
    if recipe.crop == "corner":
        return clips.CornerCrop(frame_size, recipe.crop_scales, recipe.flip)
    if recipe.crop == "multi-scale":
        return clips.MultiScaleCrop(frame_size, recipe.crop_scales, recipe.flip)
    return clips.RandomCrop(frame_size, recipe.flip)


@contextlib.contextmanager
def _claimed(out, description, resume):
    """Makes the run folder, or checks that it may be used; keeps others out of it."""
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
    for name in ("num_devices", "jit_compile"):
        if there.get(name) != ours[name]:
            _log.warning(
                "warning: %s: begun with %s %s, goes on with %s; not to the same bits",
                out,
                name.replace("_", " "),
                there.get(name),
                ours[name],
            )
