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
        UsageError: protocol or split is unknown.
        RecordError: the records' classes are not the run's.
        CheckpointError: `run` is no finished run.
    """
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise UsageError(f"no protocol '{protocol}'. Choose one of: {known}.")
    data = Records(records)
    videos = data.split(split)
    model, description = run_folder.load_trained(run)
    _check_classes(data, description)
    batches = clips.center_batches(
        data,
        split,
        sampling=clips.Segments(description["arguments"]["num_segments"]),
        crop=clips.CenterCrop(description["arguments"]["frame_shape"][0]),
        batch_size=batch_size,
        workers=workers,
    )
    forward = tf.function(lambda clip: model(clip, training=False), jit_compile=False)
    with Progress("evaluate", len(videos), "clips") as progress:
        batches = clips.checked(batches, data)
        scores = classify(forward, batches, data.classes, protocol, progress.update)
    measured = metrics.summary(scores.logits, scores.labels)
    measured |= {"protocol": protocol, "split": split, "model": description["model"]}
    file = Path(out) if out else Path(run) / f"scores-{split}-{protocol}.npz"
    scores.save(file)
    write_text(file.with_suffix(".json"), json.dumps(measured, indent=1) + "\n")
    return scores, measured


def _check_classes(data, description):
    ours, theirs = description["classes"], list(data.classes)
    if ours != theirs:
        differing = [name for name in theirs if name not in ours] or theirs
        raise RecordError(
            f"{data.path}: has {len(theirs)} classes, the model knows {len(ours)}; "
            f"first that differs: {differing[0]}. Evaluate on records of the model's "
            "own classes, in their order."
        )
