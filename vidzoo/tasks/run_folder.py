"""A run folder: what was trained, on what, how; and the model rebuilt from it."""

import dataclasses
import inspect
import json
from collections.abc import Sequence
from pathlib import Path

from vidzoo import models
from vidzoo.atomic import write_text
from vidzoo.errors import CheckpointError, UsageError
from vidzoo.models import (
    actionflownet,
    backbones,
    feature_pooling,
    frame_network,
    slow_fusion,
)
from vidzoo.models.backbone import Backbone
from vidzoo.training import Phase, Recipe

MODELS = {
    "tsn": models.TSN,
    "tdn": models.TDN,
    "cnn_m_2048": models.CNNM2048,
    "feature_pooling": models.FeaturePooling,
    "lstm_classifier": models.LSTMClassifier,
    "single_frame": models.SingleFrame,
    "slow_fusion": models.SlowFusion,
    "actionflownet": models.ActionFlowNet,
    "actionflownet2f": models.ActionFlowNet2F,
    "flownet3d": models.FlowNet3D,
    "flownet2f": models.FlowNet2F,
    "stacked_flow": models.StackedFlowClassifier,
}
# Networks on consecutive frames, and on two of them (chapter 4).
ON_WINDOWS = ("actionflownet", "flownet3d")
ON_PAIRS = ("actionflownet2f", "flownet2f", "stacked_flow")
FLOWNETS = ("flownet3d", "flownet2f")  # which classify nothing
_CLASSIFIERS = {"flownet3d": "actionflownet", "flownet2f": "actionflownet2f"}
STREAMS = ("rgb", "flow")  # the run folders in that of a two-stream network
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
    if arguments.get("backbone") is not None:
        backbone(arguments["backbone"], network)
    strange = set(arguments) - options(network)
    if strange:
        raise UsageError(
            f"--{min(strange)} is no option of {network}. Leave it out, or choose "
            "another --model."
        )
    arguments = arguments | {"frame_shape": tuple(arguments["frame_shape"])}
    smallest = _SMALLEST_FRAME
    reads_features = arguments.get("backbone", "") is None
    if not reads_features and min(arguments["frame_shape"][:2]) < smallest:
        raise UsageError(
            f"--frame_size is {arguments['frame_shape'][0]}; give {smallest} or more."
        )
    try:
        return MODELS[network](**arguments, weights=weights)
    except ValueError as error:
        raise UsageError(str(error)) from error


def has_backbone(network: str) -> bool:
    """Whether a network of `MODELS` is built on a backbone."""
    return "backbone" in options(network)


def is_full_length(network: str) -> bool:
    """Whether a network of `MODELS` sees the frames of a video one after the other."""
    return "num_frames" in options(network) and network not in ON_WINDOWS


def predicts_flow(network: str, arguments: dict) -> bool:
    """Whether a network has flow among its outputs."""
    return network in FLOWNETS or arguments.get("decoder", False)


def options(network: str) -> frozenset[str]:
    """The arguments of a network's builder; none of an unknown one."""
    if network not in MODELS:
        return frozenset()
    return frozenset(inspect.signature(MODELS[network]).parameters)


def name_in_files(network: str, arguments: dict) -> str:
    """What weights files call a network: a feature-pooling network by its pooling."""
    if network != "feature_pooling":
        return network
    return feature_pooling.network_name(**feature_pooling.pooling_of(arguments))


def parts(network: str, arguments: dict) -> tuple[str, str]:
    """Name and variant of a network's backbone, or of itself, as weights files have it.

    Raises:
        UsageError: the backbone is unknown.
    """
    if network == "slow_fusion":
        return network, slow_fusion.VARIANT
    if not has_backbone(network):
        return network, arguments["modality"]
    if arguments["backbone"] is None:
        return frame_network.FEATURES, frame_network.FEATURES
    found = backbone(arguments["backbone"], network)
    return found.name, found.variant


def backbone(name: str, network: str = "") -> Backbone:
    """The backbone of that name, over space and time if the network's is.

    Raises:
        UsageError: it is unknown; the message lists those there are.
    """
    name = backbones.ALIASES.get(name, name)
    known = backbones.BACKBONES
    if network in ON_WINDOWS:
        known = backbones.BACKBONES_3D
    if name not in known:
        whose = f" for {network}" if network in ON_WINDOWS else ""
        raise UsageError(
            f"no backbone '{name}'{whose}. Choose one of: {', '.join(known)} "
            "(--backbone)."
        )
    return known[name]


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
    # Not said by runs from before there was flow, or full-length video.
    if "modality" in options(described["model"]):
        described["arguments"].setdefault("modality", "rgb")
    recipe = described["recipe"]
    recipe.setdefault("snippet_length", 1)
    for name in ("num_frames", "fps", "first", "flow_weight", "resolution_weights"):
        recipe.setdefault(name, _default(Recipe, name))
    for phase in recipe["phases"]:
        for name in ("decay_rate", "per_frame"):
            phase.setdefault(name, _default(Phase, name))
    return described


def _default(kind, name):
    """A dataclass's value where none is given, as JSON has it."""
    value = {field.name: field.default for field in dataclasses.fields(kind)}[name]
    return json.loads(json.dumps(value))


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
        for run in (split, *(f"{split}/{stream}" for stream in STREAMS)):
            check_free(out / run, resume)
    others = [
        entry.name
        for entry in sorted(out.iterdir())
        if entry.name not in splits
        and not (entry / DESCRIPTION).is_file()  # of another split
        and not is_two_stream(entry)
        and not entry.name.startswith(("scores-", "."))
    ]
    if others:
        raise CheckpointError(
            f"{out}: holds {others[0]}; a folder for the runs of {', '.join(splits)} "
            "was expected. Choose another --out."
        )


def is_two_stream(folder) -> bool:
    """Whether a folder is that of a two-stream network, be it half trained."""
    return any((Path(folder) / name / DESCRIPTION).is_file() for name in STREAMS)


def read_two_stream(folder) -> dict[str, dict]:
    """The description of each stream of a two-stream run, both finished and alike.

    Raises:
        CheckpointError: a stream is missing or not finished, or the two differ in
            classes, split, loss, or in how their frames were stored.
    """
    runs = {name: Path(folder) / name for name in STREAMS}
    found = {name: read_finished(run) for name, run in runs.items()}

    def settings(name):
        each = found[name]
        made = each["data"]["made_with"]
        return {
            "classes": each["classes"],
            "split": each["split"],
            "loss": each["recipe"]["loss"],
            **{key: made[key] for key in ("size", "fps", "jpeg_quality")},
        }

    rgb, of_flow = map(settings, STREAMS)
    for key, value in rgb.items():
        if value != of_flow[key]:
            raise CheckpointError(
                f"{runs['flow']}: its {key} is {of_flow[key]}, but {value} in "
                f"{runs['rgb']}; two streams are of one data set and split. Train one "
                "of them again."
            )
    return found


def runs_in(folder: Path) -> list[Path]:
    """The run folders of a folder: itself, or one per split that it was trained on.

    The folder of a two-stream network counts as one run.

    Raises:
        CheckpointError: there is none.
    """
    if (folder / DESCRIPTION).is_file() or is_two_stream(folder):
        return [folder]
    inner = {file.parent for file in folder.glob(f"*/{DESCRIPTION}")}
    inner |= {each for each in folder.glob("*/") if is_two_stream(each)}
    if not inner:
        read_description(folder)  # says that it is none
    return sorted(inner)


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


def load_classifier(run):
    """As `load_trained`, without what a network predicts beside classes.

    Raises:
        CheckpointError: likewise, or the network has no classifier.
    """
    model, description = load_trained(run)
    return classifier_of(run, model, description), description


def classifier_of(run, model, description):
    """What of a run's model predicts classes: all of it, or an ActionFlowNet's encoder.

    Raises:
        CheckpointError: nothing does; the message begins with `run`.
    """
    network = description["model"]
    if network in FLOWNETS:
        raise CheckpointError(
            f"{run}: {network} predicts flow, no classes. Train a classifier from it: "
            f"`vidzoo train RECORDS --model={_CLASSIFIERS[network]} "
            f"--weights={Path(run) / WEIGHTS}`."
        )
    if predicts_flow(network, description["arguments"]):
        return actionflownet.classifier(model)
    return model
