"""Two-stream networks: `train` and `evaluate` of both streams at once.

The streams are trained apart, each by its own recipe, into the folders `rgb` and `flow`
of one folder; they are joined when they are tested and exported.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

from vidzoo.atomic import write_text
from vidzoo.errors import UsageError
from vidzoo.evaluation import Scores
from vidzoo.tasks import evaluate as one_stream
from vidzoo.tasks import fuse, run_folder, scores_file
from vidzoo.tasks import train as train_task
from vidzoo.tasks.open_records import open_records

STREAM_WEIGHTS = (1.0, 1.5)  # of RGB and flow (section 5.3.3)
NORMALIZE = "l1"
_log = logging.getLogger("vidzoo")


def train(
    records,
    out,
    *,
    split: str = "train",
    resume: bool = False,
    image_weights=None,
    **options,
) -> None:
    """Trains a network on RGB and one on flow, on one split or on several in turn.

    Args:
        records: a records folder with flow.
        out: the folder to make; with several splits it gets one for each, by its name.
        split: which videos to train on; several names with commas between them.
        resume: go on with a training that was cut short.
        image_weights: of a TDN: the folder of a two-stream TSN; of several splits, a
            folder with one for each.
        **options: of `vidzoo.tasks.train.run`, for both streams.

    Raises:
        RecordError: the records hold no flow.
        VidzooError: as `vidzoo.tasks.train.run`.
    """
    out, splits = Path(out), split.split(",")
    if open_records(records).features:
        raise UsageError(
            f"--modality=two-stream: {records} holds features of one stream. Train on "
            "those of each by itself, and join their scores by `vidzoo fuse`."
        )
    for stream in run_folder.STREAMS:  # both, before hours of the first
        train_task.run(
            records,
            None,
            modality=_modality(stream, options["model"]),
            split=split,
            image_weights=image_weights,
            **options,
        )
    if len(splits) > 1:
        run_folder.claim_parent(out, splits, resume)
    for each in splits:
        folder = out / each if len(splits) > 1 else out
        run_folder.claim_parent(folder, run_folder.STREAMS, resume)
        for stream in run_folder.STREAMS:
            train_task.run(
                records,
                folder / stream,
                modality=_modality(stream, options["model"]),
                split=each,
                resume=resume,
                image_weights=image_weights,
                **options,
            )


def _modality(stream, model):
    """What a stream's network sees: of full-length video, flow as colour images."""
    is_image = stream == "flow" and run_folder.is_full_length(model)
    return "flow_image" if is_image else stream


def evaluate(
    run,
    records,
    *,
    weights: Sequence[float] = STREAM_WEIGHTS,
    normalize: str = NORMALIZE,
    protocol: str = "center",
    split: str | None = None,
    out=None,
    seed: int = 0,
    confusion: bool = False,
    **options,
) -> tuple[Scores, dict]:
    """Scores both streams of a two-stream run, and fuses them.

    Each stream's scores go into its own run folder, as `vidzoo.tasks.evaluate.run`
    writes them; `vidzoo fuse` makes other fusions of them.

    Args:
        run: the folder that `train` made.
        records: a records folder with the run's classes, and flow.
        weights: of RGB and flow.
        normalize: see `vidzoo.evaluation.fuse`.
        protocol: see `vidzoo.tasks.evaluate.run`.
        split: likewise.
        out: the file of fused scores; `RUN/scores-SPLIT-PROTOCOL.npz` unless told.
        seed: of the random clips.
        confusion: also write the confusion matrix of the fused scores.
        **options: of `vidzoo.tasks.evaluate.run`.

    Returns:
        The fused scores, and the metrics by name: those of `vidzoo.tasks.fuse.run`,
        with the streams `rgb` and `flow`.

    Raises:
        VidzooError: as `vidzoo.tasks.evaluate.run` and `vidzoo.tasks.fuse.run`.
    """
    run = Path(run)
    fuse.check_arguments(weights, normalize, "average", len(run_folder.STREAMS))
    data = open_records(records)
    for description in run_folder.read_two_stream(run).values():
        one_stream.check_records(data, description)
        if confusion:
            one_stream.check_confusion(description)
    if out is not None:
        scores_file.check_out(Path(out), confusion=confusion)
    files, measured = [], {}
    for stream in run_folder.STREAMS:
        _log.info("%s", run / stream)
        _, measured = one_stream.run(
            run / stream,
            records,
            protocol=protocol,
            split=split,
            seed=seed,
            **options,
        )
        where = (run / stream, measured["split"], protocol, seed)
        files.append(one_stream.scores_path(*where))
    out = run / files[0].name if out is None else Path(out)
    fused, joined = fuse.run(
        files, weights=weights, normalize=normalize, out=out, confusion=confusion
    )
    same = ("split", "num_views", "seed", "protocol")
    joined |= {name: measured[name] for name in same}
    joined["model"] = f"{measured['model']}, two streams"
    write_text(out.with_suffix(".json"), json.dumps(joined, indent=1) + "\n")
    return fused, joined
