"""The recipe and the builder's arguments that flags and data give; checks of both."""

import dataclasses
import logging

from vidzoo import training
from vidzoo.errors import RecordError, UsageError
from vidzoo.models.frame_network import FRAME_SIZE
from vidzoo.models.modalities import CHANNELS as MODALITIES
from vidzoo.tasks import clip_settings, run_folder
from vidzoo.tasks.flow_pairs import FlowPairs

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


def check_names(model: str, modality: str, recipe) -> None:
    """Checks the names that are known before the records are read.

    Raises:
        UsageError: one is unknown; the message lists those there are.
    """
    if model not in run_folder.MODELS:
        known = ", ".join(run_folder.MODELS)
        raise UsageError(f"no model '{model}'. Choose one of: {known} (--model).")
    if modality not in MODALITIES:
        known = ", ".join((*MODALITIES, "two-stream"))
        raise UsageError(f"no modality '{modality}'. Choose one of: {known}.")
    if isinstance(recipe, str):
        _recipes_by_modality(recipe, model)


def recipe_of(
    model: str, modality: str, recipe, changes: dict | None, weights
) -> tuple[str, training.Recipe]:
    """The recipe's name, `"own"` of one that has none, and the recipe.

    Args:
        model: a key of `run_folder.MODELS`.
        modality: what it sees: `"rgb"`, `"flow"`, `"flow_image"` or `"features"`.
        recipe: a name, a recipe, or None for what suits the data and weights.
        changes: values that replace the recipe's.
        weights: initial ones; None if there are none.

    Raises:
        UsageError: there is none of that name, or a change does not fit.
    """
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


def arguments_of(
    model: str,
    data,
    recipe: training.Recipe,
    *,
    modality: str,
    backbone: str | None,
    num_segments: int | None,
    frame_size: int | None,
) -> dict:
    """The arguments of the network's builder that data and recipe give.

    Args:
        model: a key of `run_folder.MODELS`.
        data: `Records` or `FlowPairs`.
        recipe: by which it is trained.
        modality: `"rgb"`, `"flow"` or `"flow_image"`.
        backbone: its name, or None for the network's own.
        num_segments: T, or None for the recipe's.
        frame_size: in pixels, or None for the network's own.

    Raises:
        UsageError: the network, or the data, has no use for a value that is given.
    """
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


def check_reads_features(model: str, data, modality: str) -> None:
    """Checks that a network reads stored features, of that modality unless it is RGB.

    Raises:
        UsageError: the features are of another modality.
        RecordError: the network needs frames.
    """
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


def check_frozen(recipe: training.Recipe, model: str, weights, image_weights) -> None:
    """Checks that what does not train has been trained.

    Raises:
        UsageError: its weights are not given.
    """
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


def check_flow_weight(
    recipe: training.Recipe, model: str, changes: dict | None
) -> None:
    """Checks that the weight of flow's loss is for a network that predicts flow.

    Raises:
        UsageError: the network predicts none, or nothing else and the weight is 0.
    """
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


def warn(recipe_name: str, model: str, weights, arguments: dict, data) -> None:
    """Logs what may disappoint: random weights hardly moved, frames enlarged."""
    trains_all = recipe_name in _FROM_NOTHING and model in _OF_CHAPTER_4
    if recipe_name in _FROM_WEIGHTS and weights is None and not trains_all:
        _log.warning(
            "warning: the recipe %s without --weights hardly moves random weights; "
            "consider --recipe=scratch",
            recipe_name,
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
