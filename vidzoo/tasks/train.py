"""`vidzoo train RECORDS --model=… --out=RUN`: records to a trained run folder."""

import contextlib
import logging
from pathlib import Path

import keras
import tensorflow as tf

import vidzoo
from vidzoo import training
from vidzoo.errors import RecordError, UsageError
from vidzoo.progress import Progress
from vidzoo.stopping import StopRequest
from vidzoo.tasks import chosen_network, clip_settings, run_batches, run_folder
from vidzoo.tasks.claimed_run import claimed
from vidzoo.tasks.flow_pairs import FlowPairs
from vidzoo.tasks.initial_weights import InitialWeights
from vidzoo.tasks.open_records import open_records
from vidzoo.training import devices
from vidzoo.weights import save_weights

_log = logging.getLogger("vidzoo")


def run(
    records,
    out,
    *,
    model: str,
    modality: str = "rgb",
    backbone: str | None = None,
    recipe: str | training.Recipe | None = None,
    changes: dict | None = None,
    num_segments: int | None = None,
    frame_size: int | None = None,
    model_options: dict | None = None,
    weights=None,
    weights_num_frames: int | None = None,
    image_weights=None,
    split: str = "train",
    seed: int = 0,
    num_devices: int | None = None,
    mixed_precision: bool = False,
    workers: int | None = None,
    jit_compile: bool = False,
    resume: bool = False,
    accept_license: bool = False,
    layout: str | None = None,
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
        modality: what the network sees: `"rgb"`, `"flow"` or `"flow_image"`. Of no
            interest where the records hold features.
        backbone: a backbone's name; by default `"resnet50"`, of networks of full-length
            video `"alexnet"`; of no interest to a network without one.
        recipe: a key of `vidzoo.training.RECIPES`, or a recipe; `"finetune"` by default
            with initial weights, else `"scratch"`.
        changes: values that replace the recipe's, e.g. `{"epochs": 4}`.
        num_segments: T, snippets in a clip, of networks on snippets; the recipe's by
            default.
        frame_size: height and width of a clip's frames, in pixels; by default 224, of
            networks of full-length video 220, of Slow Fusion 170.
        model_options: further arguments of the builder, e.g. `difference_layers`.
        weights: path of initial weights; or, of the backbone, a preset's name or
            `"imagenet"`. Those for RGB start a network on flow too.
        weights_num_frames: T of the network that the weights are of, where the layers
            of the new one are for another T (`vidzoo.weights.initialize.expanded`).
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
        layout: of a FlowNet on two frames: `records` is then a data set of flow, as
            `flow_pairs.LAYOUTS` has them, and `split` `"all"`, or of FlyingChairs
            `"train"` or `"val"`.

    Raises:
        UsageError: a name is unknown, or there are not so many devices.
        RecordError: the records are damaged or have fewer than two classes.
        WeightsError: the initial weights do not fit, or cannot be fetched.
        CheckpointError: `out` holds another run, or one that must be resumed.
    """
    strategy = devices.strategy(num_devices)
    if jit_compile and strategy.num_replicas_in_sync > 1:
        raise UsageError("--jit_compile works on one device: give --devices=1.")
    if not 0 <= seed < 2**32:
        raise UsageError(f"--seed is {seed}; give a number from 0 to 4294967295.")
    chosen_network.check_names(model, modality, recipe)
    if layout is not None and model != "flownet2f":
        raise UsageError(f"--layout is for --model=flownet2f; {model} needs records.")
    if layout is not None and "crop" in (changes or {}):
        raise UsageError(
            "--crop is for clips; pairs of frames (--layout) are turned, scaled and "
            "moved instead. Leave it out."
        )
    data = FlowPairs(records, layout) if layout else open_records(records)
    shown = modality
    if data.features:
        chosen_network.check_reads_features(model, data, modality)
        shown = "features"
    recipe_name, recipe = chosen_network.recipe_of(
        model, shown, recipe, changes, weights
    )
    devices.check_batch_size(recipe.batch_size, strategy)
    splits = split.split(",")
    run_batches.check_splits(data, splits, recipe)
    if len(data.classes) < 2 and model not in run_folder.FLOWNETS:
        raise RecordError(
            f"{data.path}: one class only ({data.classes[0]}). "
            "A classifier needs videos of two classes or more."
        )
    arguments = chosen_network.arguments_of(
        model,
        data,
        recipe,
        modality=modality,
        backbone=backbone,
        num_segments=num_segments,
        frame_size=frame_size,
    )
    if run_folder.is_full_length(model):
        recipe = recipe.for_frames(arguments["num_frames"])
    chosen_network.warn(recipe_name, model, weights, arguments, data)
    chosen_network.check_frozen(recipe, model, weights, image_weights)
    chosen_network.check_flow_weight(recipe, model, changes)
    starts = {}
    for each in splits:
        starts[each] = InitialWeights(
            *(model, arguments, data.classes, each, accept_license)
        )
        starts[each].find(weights, image_weights, weights_num_frames)
    description = {
        "vidzoo": vidzoo.__version__,
        "model": model,
        "arguments": arguments | (model_options or {}),
        "classes": list(data.classes),
        "recipe": {"name": recipe_name} | recipe.as_dict(),
        "seed": seed,
        "precision": "mixed_bfloat16" if mixed_precision else "float32",
        "num_devices": strategy.num_replicas_in_sync,
        "jit_compile": jit_compile,
        "onednn": devices.onednn(),
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
    for each in splits:  # before a folder is made
        run_batches.check_clips(data, described[each], recipe)
    if out is None:
        return
    out = Path(out)
    if len(splits) > 1:
        run_folder.claim_parent(out, splits, resume)
    for each in splits:
        _train(
            out / each if len(splits) > 1 else out,
            data,
            recipe,
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
    batches_from = run_batches.batches_from(data, description, recipe, workers)
    num_videos = len(data.split(description["split"]))
    num_steps = recipe.num_steps(num_videos)
    with contextlib.ExitStack() as stack:
        stack.enter_context(claimed(folder, description, resume))
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
        network=run_folder.name_in_files(
            description["model"], description["arguments"]
        ),
        backbone=name,
        variant=variant,
    )
    _log.info("wrote %s", file)


@contextlib.contextmanager
def _precision(policy):
    """The dtype policy for a model built inside; bfloat16 needs no loss scaling."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
