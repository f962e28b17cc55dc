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
from vidzoo.losses import SEVERAL_LABELS
from vidzoo.models.frame_network import FRAME_SIZE
from vidzoo.models.modalities import CHANNELS as MODALITIES
from vidzoo.progress import Progress
from vidzoo.stopping import StopRequest
from vidzoo.tasks import clip_settings, run_folder
from vidzoo.tasks.flow_pairs import FlowPairs
from vidzoo.tasks.initial_weights import InitialWeights
from vidzoo.tasks.open_records import open_records
from vidzoo.training import devices
from vidzoo.weights import save_weights
from vidzoo_data import clips

_log = logging.getLogger("vidzoo")
# Recipes that start from weights trained on images.
_FROM_WEIGHTS = ("finetune", "hmdb51", "act", "ucf101", "sports1m")
# Of these, those by which chapter 4 trains its own networks from nothing.
_FROM_NOTHING = ("hmdb51", "ucf101")
_OF_CHAPTER_4 = (*run_folder.ON_WINDOWS, *run_folder.ON_PAIRS)
# Pixels of a frame unless told: the networks' own sizes, others have 224.
_FRAME_SIZES = {"slow_fusion": 170}
# Unless told, and other than TSN's.
_BACKBONES = dict.fromkeys(run_folder.ON_WINDOWS, "resnet3d") | dict.fromkeys(
    run_folder.ON_PAIRS, "resnet18"
)
# A recipe's values for networks of full-length video alone.
_OF_FULL_LENGTH = ("num_frames", "fps", "first")
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
    _check_names(model, modality, recipe)
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
        _check_reads_features(model, data, modality)
        shown = "features"
    name, chosen = _recipe(model, shown, recipe, changes, weights)
    devices.check_batch_size(chosen.batch_size, strategy)
    splits = split.split(",")
    _check_splits(data, splits, chosen)
    if len(data.classes) < 2 and model not in run_folder.FLOWNETS:
        raise RecordError(
            f"{data.path}: one class only ({data.classes[0]}). "
            "A classifier needs videos of two classes or more."
        )
    arguments = _arguments(
        model,
        data,
        chosen,
        modality=modality,
        backbone=backbone,
        num_segments=num_segments,
        frame_size=frame_size,
    )
    if run_folder.is_full_length(model):
        chosen = chosen.for_frames(arguments["num_frames"])
    _warn(name, model, weights, arguments, data)
    _check_frozen(chosen, model, weights, image_weights)
    _check_flow_weight(chosen, model, changes)
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
    for each in splits:  # before a folder is made
        _check_videos(data, described[each], chosen)
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
        network=run_folder.name_in_files(
            description["model"], description["arguments"]
        ),
        backbone=name,
        variant=variant,
    )
    _log.info("wrote %s", file)


def _check_names(model, modality, recipe):
    """Names that are known before the records are read."""
    if model not in run_folder.MODELS:
        known = ", ".join(run_folder.MODELS)
        raise UsageError(f"no model '{model}'. Choose one of: {known} (--model).")
    if modality not in MODALITIES:
        known = ", ".join((*MODALITIES, "two-stream"))
        raise UsageError(f"no modality '{modality}'. Choose one of: {known}.")
    if isinstance(recipe, str):
        _recipes_by_modality(recipe, model)


def _recipe(model, modality, recipe, changes, weights):
    """The recipe and its name."""
    changes = changes or {}
    if not run_folder.is_full_length(model):
        known = run_folder.options(model)
        strange = [n for n in _OF_FULL_LENGTH if n in changes and n not in known]
        if strange:
            raise UsageError(
                f"--{strange[0]} is no option of {model}. Leave it out, or choose "
                "another --model."
            )
    if recipe is None:
        recipe = "finetune" if weights else "scratch"
        recipe = "features" if modality == "features" else recipe
    name = recipe if isinstance(recipe, str) else "own"
    if isinstance(recipe, str):
        recipe = _named_recipe(recipe, model, modality)
    try:
        return name, recipe.replacing(**changes)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _arguments(
    model, data, recipe, *, modality, backbone, num_segments, frame_size
) -> dict:
    """The arguments of the network's builder that data and recipe give."""
    known = run_folder.options(model)
    full_length = run_folder.is_full_length(model)
    if "num_segments" not in known and num_segments is not None:
        have = "--num_frames" if "num_frames" in known else "two frames"
        raise UsageError(
            f"--num_segments is no option of {model}; its clips have {have}."
        )
    arguments = {
        "num_classes": len(data.classes),
        "num_segments": num_segments or recipe.num_segments,
        "num_frames": recipe.num_frames,
        "modality": modality,
        "dropout": recipe.dropout,
        "decoder": recipe.flow_weight > 0,
    }
    if data.features:
        arguments |= _of_features(data, backbone, frame_size)
    else:
        default = _BACKBONES.get(model, "alexnet" if full_length else "resnet50")
        size = frame_size or _FRAME_SIZES.get(model, FRAME_SIZE if full_length else 224)
        channels = clip_settings.channels(modality, recipe.snippet_length)
        arguments["backbone"] = backbone or default
        arguments["frame_shape"] = (size, size, channels)
    if model == "lstm_classifier" and recipe.loss == "sigmoid":
        arguments["activation"] = "sigmoid"
    return {name: value for name, value in arguments.items() if name in known}


def _check_reads_features(model, data, modality):
    if modality != "rgb" and modality != data.features.get("modality"):
        raise UsageError(
            f"--modality is {modality}; {data.path} holds features. Leave it out, or "
            "name the records that they were made of."
        )
    if not run_folder.is_full_length(model) or not run_folder.has_backbone(model):
        raise RecordError(
            f"{data.path}: holds features, no frames, which {model} needs. Name the "
            "records that they were made of, or another --model."
        )


def _of_features(data, backbone, frame_size):
    """The arguments of a network on stored features."""
    for flag, value in (("backbone", backbone), ("frame_size", frame_size)):
        if value is not None:
            raise UsageError(
                f"--{flag}: {data.path} holds features, which no backbone has to make. "
                "Leave it out."
            )
    return {"backbone": None, "frame_shape": data.feature_shape}


def _check_frozen(recipe, model, weights, image_weights):
    """What does not train must have been trained."""
    frozen = recipe.phases[0].frozen
    if model == "stacked_flow" and weights is None and "flownet" in frozen:
        raise UsageError(
            "stacked_flow learns from the flow of a FlowNet that stays as it is, and "
            "so must have been trained before: give its weights (--weights), of a run "
            "of --model=flownet2f."
        )
    if model == "tdn" and image_weights is None:
        if "image_head" in frozen:
            raise UsageError(
                "this recipe freezes the image subnetwork, classifier included, which "
                "must be trained before: give the run folder of a TSN on the same "
                "modality and split (--image_weights), or another --recipe."
            )


def _check_flow_weight(recipe, model, changes):
    if model in run_folder.FLOWNETS and not recipe.flow_weight:
        raise UsageError(
            f"--flow_weight is 0, and {model} learns nothing but flow. Leave it out."
        )
    has_decoder = {"decoder": "decoder" in run_folder.options(model)}
    predicts_flow = run_folder.predicts_flow(model, has_decoder)
    if "flow_weight" in (changes or {}) and not predicts_flow:
        raise UsageError(
            f"--flow_weight is no option of {model}, which predicts no flow. Leave it "
            "out, or choose another --model."
        )


def _named_recipe(name, model, modality):
    recipes = _recipes_by_modality(name, model)
    if modality == "flow_image" and "flow" in recipes:  # one field a snippet
        return dataclasses.replace(recipes["flow"], snippet_length=1)
    if modality not in recipes:
        raise UsageError(
            f"--modality is {modality}; {model} sees {' or '.join(recipes)}."
        )
    return recipes[modality]


def _recipes_by_modality(name, model):
    if name not in training.RECIPES:
        known = ", ".join(training.RECIPES)
        raise UsageError(f"no recipe '{name}'. Choose one of: {known} (--recipe).")
    if model not in training.RECIPES[name]:
        known = [n for n, recipes in training.RECIPES.items() if model in recipes]
        raise UsageError(
            f"no recipe '{name}' for {model}. Choose one of: {', '.join(known)} "
            "(--recipe)."
        )
    return training.RECIPES[name][model]


def _check_splits(data, splits, recipe):
    if len(set(splits)) < len(splits):
        raise UsageError(f"--split is {','.join(splits)}; name each split once.")
    if isinstance(data, FlowPairs):
        return
    for split in splits:
        for video in data.split(split):
            if len(video.labels) > 1 and recipe.loss not in SEVERAL_LABELS:
                raise RecordError(
                    f"{data.path}: {video.video_id} has {len(video.labels)} labels, "
                    "and a softmax expects one. Give --loss=sigmoid or "
                    "--loss=shared-softmax."
                )


def _warn(recipe, model, weights, arguments, data):
    trains_all = recipe in _FROM_NOTHING and model in _OF_CHAPTER_4
    if recipe in _FROM_WEIGHTS and weights is None and not trains_all:
        _log.warning(
            "warning: the recipe %s without --weights hardly moves random weights; "
            "consider --recipe=scratch",
            recipe,
        )
    if data.features or isinstance(data, FlowPairs):
        return
    frame_size, stored = arguments["frame_shape"][0], data.made_with["size"]
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


def _check_videos(data, description, recipe):
    if isinstance(data, FlowPairs):
        _batches_from(data, description, recipe, None)(0, 0)
        return
    clips.check_videos(
        data,
        data.split(description["split"]),
        clip_settings.sampling(clip_settings.settings(description)),
        clip_settings.learned(description),
        recipe.loss in SEVERAL_LABELS,
    )


def _batches_from(data, description, recipe, workers):
    arguments = description["arguments"]
    features = clip_settings.modality(arguments) == "features"
    if isinstance(data, FlowPairs):
        return lambda first_step, num_steps: data.training_batches(
            description["split"],
            recipe=recipe,
            size=arguments["frame_shape"][0],
            num_steps=num_steps,
            first_step=first_step,
            seed=description["seed"],
            workers=workers,
        )

    def batches_from(first_step, num_steps):
        batches = clips.training_batches(
            data,
            description["split"],
            sampling=clip_settings.sampling(clip_settings.settings(description)),
            modalities=clip_settings.learned(description),
            crop=None if features else _crop(recipe, arguments["frame_shape"][0]),
            color=clips.ColorJitter() if recipe.color_jitter else None,
            multi_label=recipe.loss in SEVERAL_LABELS,
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
