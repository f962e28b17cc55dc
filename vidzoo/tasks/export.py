"""`vidzoo export RUN OUT`: a trained run as a SavedModel."""

import functools

from vidzoo.export import export_saved_model
from vidzoo.tasks import run_folder
from vidzoo_data import clips


def run(run, out) -> None:
    """Writes the model of a run folder as a SavedModel.

    Args:
        run: a finished run folder.
        out: the folder to make.

    Raises:
        CheckpointError: `run` is no finished run.
        VidzooError: `out` exists already.
    """
    model, description = run_folder.load_trained(run)
    arguments, made_with = description["arguments"], description["data"]["made_with"]
    how = {
        "vidzoo": description["vidzoo"],
        "model": description["model"],
        "backbone": arguments["backbone"],
        "num_segments": arguments["num_segments"],
        "frame_size": arguments["frame_shape"][0],
        "prepare": {name: made_with[name] for name in ("size", "fps", "jpeg_quality")},
    }
    size = made_with["size"]
    clips_from_jpegs = functools.partial(
        clips.jpeg_clips,
        sampling=clips.Segments(how["num_segments"]),
        crop=clips.CenterCrop(how["frame_size"]),
        stored_size=size if isinstance(size, int) else tuple(size),
    )
    export_saved_model(
        model,
        description["classes"],
        how,
        out,
        clips_from_jpegs=clips_from_jpegs,
        activation=description["recipe"]["loss"],
    )
