"""`vidzoo evaluate RUN RECORDS`: a trained run's scores and metrics on a split."""

import json
from pathlib import Path

import tensorflow as tf

from vidzoo import metrics
from vidzoo.atomic import write_text
from vidzoo.errors import RecordError, UsageError
from vidzoo.evaluation import Scores, classify
from vidzoo.progress import Progress
from vidzoo.tasks import run_folder
from vidzoo_data import clips
from vidzoo_data.records.read import Records

PROTOCOLS = ("center",)


def run(
    run,
    records,
    *,
    protocol: str = "center",
    split: str = "test",
    out=None,
    batch_size: int = 16,
    workers: int | None = None,
) -> tuple[Scores, dict]:
    """Scores one split of a records folder and measures them.

    Args:
        run: a run folder.
        records: a records folder with the run's classes.
        protocol: `"center"`: one clip, the middle frame of each segment, the middle of
            the frame.
        split: which videos.
        out: the scores file; `RUN/scores-SPLIT-PROTOCOL.npz` unless told. The metrics
            go beside it, with the ending `.json`.
        batch_size: clips at once.
        workers: clips decoded at once.

    Returns:
        The scores, and the metrics by name.

    Raises:
        UsageError: protocol or split is unknown, or `out` is no `.npz`.
        VidzooError: `out` exists and holds no scores.
        RecordError: the records have other classes, or were made with another size,
            rate or quality, than those that the run was trained on.
        CheckpointError: `run` is no finished run.
    """
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise UsageError(f"no protocol '{protocol}'. Choose one of: {known}.")
    data = Records(records)
    videos = data.split(split)
    model, description = run_folder.load_trained(run)
    _check_records(data, description)
    file = Path(out) if out else Path(run) / f"scores-{split}-{protocol}.npz"
    _check_out(file)
    batches = clips.center_batches(
        data,
        split,
        sampling=clips.Segments(description["arguments"]["num_segments"]),
        crop=clips.CenterCrop(description["arguments"]["frame_shape"][0]),
        batch_size=batch_size,
        workers=workers,
    )
    clip = tf.TensorSpec((None, *model.input.shape[1:]), tf.uint8)
    forward = tf.function(
        lambda clip: model(clip, training=False),
        input_signature=[clip],  # or the last batch, a smaller one, traces once more
        jit_compile=False,
    )
    with Progress("evaluate", len(videos), "clips") as progress:
        batches = clips.checked(batches, data)
        scores = classify(forward, batches, data.classes, protocol, progress.update)
    measured = metrics.summary(scores.logits, scores.labels)
    measured |= {"protocol": protocol, "split": split, "model": description["model"]}
    scores.save(file)
    write_text(file.with_suffix(".json"), json.dumps(measured, indent=1) + "\n")
    return scores, measured


def _check_out(file):
    """Checks that the scores can be written, and replace at most other scores."""
    if file.suffix != ".npz" or not file.parent.is_dir():
        raise UsageError(
            f"--out is {file}; give the name of a .npz file in a folder that exists."
        )
    if file.exists():
        Scores.load(file)  # an error if it is something else
    elif file.with_suffix(".json").exists():
        raise UsageError(
            f"{file.with_suffix('.json')}: exists, and the metrics would go there. "
            "Choose another name for --out."
        )


def _check_records(data, description):
    """Checks that the records are like those of training, as `predict` makes them."""
    made, trained = data.made_with, description["data"]["made_with"]
    for name in ("size", "fps", "jpeg_quality"):
        if made.get(name) != trained[name]:
            raise RecordError(
                f"{data.path}: made with {name} {made.get(name)}, the run was trained "
                f"with {trained[name]}. Prepare the videos as for training."
            )
    ours, theirs = description["classes"], list(data.classes)
    if ours != theirs:
        differing = [name for name in theirs if name not in ours] or theirs
        raise RecordError(
            f"{data.path}: has {len(theirs)} classes, the model knows {len(ours)}; "
            f"first that differs: {differing[0]}. Evaluate on records of the model's "
            "own classes, in their order."
        )
