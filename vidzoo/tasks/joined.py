"""Runs on stored features as runs on frames: with the network that made these."""

from collections.abc import Mapping
from pathlib import Path

from vidzoo.errors import UsageError, WeightsError
from vidzoo.tasks import clip_settings, run_folder
from vidzoo.tasks.initial_weights import fingerprint, located
from vidzoo.weights import WeightsFile, initialize, open_weights


def is_on_features(description: Mapping) -> bool:
    """Whether a run's network sees stored features."""
    return clip_settings.modality(description["arguments"]) == "features"


def joined(run, description: Mapping, backbone_weights) -> tuple[dict, WeightsFile]:
    """A run on features as it would be on frames, and its weights.

    Args:
        run: the run folder.
        description: of it.
        backbone_weights: the file, or the preset's name, that `vidzoo features` was
            given.

    Raises:
        UsageError: no such weights are named, or the features are not what a network
            on that backbone has of frames.
        WeightsError: they are other weights than those that made the features.
    """
    made = description["data"]["made_with"]["features"]
    if not {"weights_sha256", "made_with"} <= made.keys():
        raise UsageError(
            f"{run}: its features were not made by `vidzoo features`, so no network is "
            "known that makes them of frames."
        )
    parts = run_folder.backbone(made["backbone"])
    if not _is_what_it_reads(description, parts, made["layer"]):
        raise UsageError(
            f"{run}: its features are {made['layer'] or parts.frame_features} of "
            f"{made['backbone']}; on frames a {description['model']} reads something "
            "else of it, so the run cannot be served (docs/training.md)."
        )
    if description["recipe"]["fps"] not in (None, made["fps"]):
        raise UsageError(
            f"{run}: was trained at {description['recipe']['fps']:g} frames a second "
            f"of features at {made['fps'] or 'their own rate'}; of frames these would "
            "be others. Train without --fps, on features made with it."
        )
    if backbone_weights is None:
        raise UsageError(
            f"{run}: was trained on features. Name the weights that made them, "
            f"{made['weights']} (--backbone_weights)."
        )
    _, file = located(backbone_weights, parts.name, parts.variant)
    _check_same(file, made)
    channels = clip_settings.channels(made["modality"], 1)
    backbone_file = initialize.for_modality(
        open_weights(file), made["modality"], channels
    )
    size = made["frame_size"]
    arguments = {
        "backbone": made["backbone"],
        "modality": made["modality"],
        "frame_shape": (size, size, channels),
    }
    data = description["data"] | {"made_with": made["made_with"]}
    on_frames = {
        **description,
        "arguments": description["arguments"] | arguments,
        "recipe": description["recipe"] | {"fps": made["fps"]},
        "data": data,
    }
    head = open_weights(Path(run) / run_folder.WEIGHTS)
    return on_frames, initialize.with_backbone(head, backbone_file, made["layer"])


def _is_what_it_reads(description, parts, layer):
    """Whether a network on this backbone reads these features of frames."""
    network = description["model"]
    if network == "feature_pooling":
        is_map = parts.frame_features == "map"
        needs_map = description["arguments"].get("pooling") == "time_domain_conv"
        return layer is None and (is_map or not needs_map)
    if parts.hidden:
        return layer == parts.hidden[-1]
    return network == "lstm_classifier" or parts.frame_features == "average"


def _check_same(file, made):
    digest = fingerprint(file)
    if digest != made["weights_sha256"]:
        raise WeightsError(
            f"{file}: are not the weights that made the features, {made['weights']} "
            f"with SHA-256 {made['weights_sha256'][:16]}…; this file's is "
            f"{digest[:16]}…. Give that file (--backbone_weights)."
        )
