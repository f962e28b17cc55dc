"""Protocol `whole-video`: one pass over all frames of each video, chunk by chunk."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vidzoo import streaming
from vidzoo.errors import UsageError, VidzooError
from vidzoo.evaluation import Scores
from vidzoo.evaluation.protocols import WHOLE_VIDEO
from vidzoo.losses import SEVERAL_LABELS
from vidzoo.progress import Progress
from vidzoo.tasks import clip_settings, run_folder
from vidzoo_data import clips
from vidzoo_data.records.read import Records

CHUNK_LENGTH = 32  # frames


def score(run, data: Records, split: str) -> Scores:
    """Scores a split, a video at a time, in memory that does not grow with its length.

    A video with fewer frames than the network needs is repeated from its start.

    Args:
        run: a finished run folder of a network for any number of frames.
        data: an opened records folder.
        split: a name in `data.splits`.

    Raises:
        UsageError: the network is for one number of frames.
        VidzooError: the model answers with NaN or infinity.
        RecordError: the records are damaged, or do not say what sampling needs.
    """
    way, description = load(run)
    stream = streaming.Stream(way)
    videos = data.split(split)
    clips.check_videos(
        data,
        videos,
        clip_settings.whole(clip_settings.settings(description)),
        {clip_settings.modality(description["arguments"]): 1},
        description["recipe"]["loss"] in SEVERAL_LABELS,
    )
    logits, labels = [], []
    with Progress("evaluate", len(videos), "videos") as progress:
        for number, entry in enumerate(videos, 1):
            chunks = _chunks(data, entry, description, way.min_frames)
            logits.append(answer(stream, chunks, entry.video_id))
            labels.append(_label(entry, description))
            progress.update(number)
    return Scores(
        video_ids=np.array([entry.video_id for entry in videos]),
        labels=np.stack(labels),
        logits=np.stack(logits),
        classes=np.array(data.classes),
        protocol=WHOLE_VIDEO.name,
    )


def load(run):
    """The way of a run's network through any video, and the run's description.

    Raises:
        UsageError: the network is for one number of frames.
        CheckpointError: `run` is no finished run.
    """
    description = run_folder.read_finished(run)
    return way_of(run, description, Path(run) / run_folder.WEIGHTS), description


def way_of(run, description, weights):
    """The way of a network through videos of any length.

    Args:
        run: what messages name.
        description: of its run.
        weights: of it, a path or read already.

    Raises:
        UsageError: the network is for one number of frames.
    """
    network, arguments = description["model"], description["arguments"]
    if not streaming.is_open(network, arguments):
        kind = arguments.get("pooling", network)
        raise UsageError(
            f"{run}: a {kind} network is for one number of frames, and cannot see a "
            "whole video at once. Give --protocol=240-random or center."
        )
    model = run_folder.build_model(network, arguments | {"num_frames": None}, weights)
    return streaming.way_through(network, model, arguments)


def answer(
    stream: streaming.Stream, chunks: Iterable[np.ndarray], name: str
) -> np.ndarray:
    """Logits `(K,)` of one video's chunks.

    Raises:
        VidzooError: they are not finite; the message begins with `name`.
    """
    stream.reset()
    for chunk in chunks:
        stream.update(chunk)
    logits = stream.logits()
    if not np.isfinite(logits).all():
        raise VidzooError(
            f"{name}: the model answers with NaN or infinity. Its training diverged, "
            "or its weights are damaged; take an earlier checkpoint."
        )
    return logits.astype(np.float32)


def _chunks(data, entry, description, min_frames):
    arguments = description["arguments"]
    modality = clip_settings.modality(arguments)
    whole = clip_settings.whole(clip_settings.settings(description))
    count = entry.num_flow if modality == "flow" else entry.num_frames
    if len(whole.centered(count, entry.fps)) < min_frames:
        whole = clips.Whole(whole.fps, min_frames)
    return clips.record_chunks(
        data,
        entry,
        sampling=whole,
        crop=clip_settings.crop(arguments),
        chunk_length=CHUNK_LENGTH,
        modality=modality,
    )


def _label(entry, description):
    if description["recipe"]["loss"] not in SEVERAL_LABELS:
        return np.int64(entry.labels[0])
    label = np.zeros(len(description["classes"]), np.uint8)
    label[list(entry.labels)] = 1
    return label
