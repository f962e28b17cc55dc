"""`vidzoo export RUN OUT`: a trained run, of one stream or two, as a SavedModel."""

from collections.abc import Sequence
from pathlib import Path

from vidzoo import models, streaming
from vidzoo.errors import UsageError
from vidzoo.export import ACTIVATIONS, export_saved_model
from vidzoo.models.two_stream import fused_scores
from vidzoo.tasks import clip_settings, joined, run_folder, two_stream, whole_video
from vidzoo_data import clips

_IMAGES = {"rgb": ("jpegs",), "flow": ("flow_x", "flow_y")}


def run(
    run,
    out,
    *,
    weights: Sequence[float] | None = None,
    normalize: str | None = None,
    backbone_weights=None,
) -> None:
    """Writes the model of a run folder as a SavedModel.

    Args:
        run: a finished run folder, or that of a two-stream network.
        out: the folder to make.
        weights: two-stream: of RGB and flow; 1 and 1.5 unless told.
        normalize: two-stream: see `vidzoo.models.TwoStream`; `"l1"` unless told.
        backbone_weights: of a run on stored features: the weights that made them, with
            which it is served on frames.

    Raises:
        UsageError: an option is not such, or not for this kind of run.
        WeightsError: `backbone_weights` are others than those that made the features.
        CheckpointError: `run` is no finished run.
        VidzooError: `out` exists already.
    """
    scores_from = way = None
    if run_folder.is_two_stream(run):
        weights = two_stream.STREAM_WEIGHTS if weights is None else weights
        normalize = normalize or two_stream.NORMALIZE
        described = run_folder.read_two_stream(run)
        model = _joined(Path(run), weights, normalize)
        activation = ACTIVATIONS[described["rgb"]["recipe"]["loss"]]

        def scores_from(outputs):
            return fused_scores(outputs, weights, normalize, activation)
    else:
        if weights is not None or normalize is not None:
            raise UsageError(
                f"--weights and --normalize are for two-stream runs; {run} has one "
                "stream. Leave them out."
            )
        model, way, description = _load(run, backbone_weights)
        described = {"clip": description}
    description = next(reversed(described.values()))  # flow's knows more
    made_with = description["data"]["made_with"]
    names = ["size", "fps", "jpeg_quality"]
    names += ["seconds"] if "seconds" in made_with else []
    if _needs_flow(described):
        names.append("flow")
    how = {
        "vidzoo": description["vidzoo"],
        "model": description["model"],
        "backbone": description["arguments"].get("backbone"),
        "inputs": {name: _clip_of(each) for name, each in described.items()},
        "prepare": {name: made_with[name] for name in names},
    }
    if way is not None:
        how["whole_video"] = {"min_frames": way.min_frames}
    export_saved_model(
        model,
        description["classes"],
        how,
        out,
        image_names=[
            name
            for each in how["inputs"].values()
            for name in _IMAGES[each["modality"]]
        ],
        clips_from_images=_Clips(how),
        activation=description["recipe"]["loss"],
        scores_from=scores_from,
        way=way,
    )


def _load(run, backbone_weights):
    """The model, its way through videos of any length, and the run's description."""
    description = run_folder.read_finished(run)
    weights = Path(run) / run_folder.WEIGHTS
    if joined.is_on_features(description):
        description, weights = joined.joined(run, description, backbone_weights)
    elif backbone_weights is not None:
        raise UsageError(
            f"--backbone_weights is for runs on features; {run} sees frames. Leave it "
            "out."
        )
    network, arguments = description["model"], description["arguments"]
    if not streaming.is_open(network, arguments):
        model = run_folder.build_model(network, arguments, weights)
        return run_folder.classifier_of(run, model, description), None, description
    way = whole_video.way_of(run, description, weights)
    return way.model, way, description


def _joined(run, weights, normalize):
    """The two-stream model of a run folder."""
    loaded = [run_folder.load_trained(run / name)[0] for name in run_folder.STREAMS]
    try:
        return models.TwoStream(*loaded, stream_weights=weights, normalize=normalize)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _needs_flow(described):
    kinds = (clip_settings.modality(each["arguments"]) for each in described.values())
    return "flow" in kinds


def _clip_of(description):
    """What `predict`, and the graph, must know of one input's clips."""
    arguments = description["arguments"]
    ((kind, length),) = clip_settings.modalities(arguments).items()
    return {
        "modality": kind,
        "snippet_length": length,
        "frame_size": arguments["frame_shape"][0],
    } | clip_settings.settings(description)


class _Clips:
    """From encoded images to the model's input, in TensorFlow."""

    def __init__(self, how):
        self._inputs = how["inputs"]
        size = how["prepare"]["size"]
        self._stored_size = size if isinstance(size, int) else tuple(size)

    def __call__(self, *images):
        images = list(images)
        made = {}
        for name, how in self._inputs.items():
            taken = [images.pop(0) for _ in _IMAGES[how["modality"]]]
            make = clips.jpeg_clips if how["modality"] == "rgb" else clips.flow_clips
            made[name] = make(
                *taken,
                # Of full-length video, images come at the rate that it is seen at.
                sampling=clip_settings.sampling(how | {"fps": None}),
                crop=clips.CenterCrop(how["frame_size"]),
                stored_size=self._stored_size,
            )
        return made["clip"] if "clip" in made else made
