"""`vidzoo evaluate RUN RECORDS`: a trained run's scores and metrics on a split."""

import json
from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

import vidzoo
from vidzoo.atomic import write_text
from vidzoo.errors import RecordError, UsageError
from vidzoo.evaluation import (
    Scores,
    classify,
    mean_over_splits,
    measure,
    protocols,
)
from vidzoo.losses import SEVERAL_LABELS
from vidzoo.progress import Progress
from vidzoo.tasks import clip_settings, run_folder, scores_file, whole_video
from vidzoo.tasks.open_records import open_records
from vidzoo_data import clips
from vidzoo_data.records.read import Records


def run(
    run,
    records,
    *,
    protocol: str = "center",
    split: str | None = None,
    out=None,
    seed: int = 0,
    batch_size: int = 16,
    workers: int | None = None,
    confusion: bool = False,
) -> tuple[Scores, dict]:
    """Scores one split of a records folder and measures them.

    Args:
        run: a run folder.
        records: a records folder with the run's classes.
        protocol: `"center"`, one clip, the middle frame of each segment, the middle of
            the frame; `"CLIPSxCROPS"`, such as the paper's `"25x10"`;
            `"CLIPS-random"`, such as its `"240-random"` for full-length video; or
            `"whole-video"`, one pass over every video, whatever its length, in constant
            memory.
        split: which videos; by default the test split of the run's training split,
            `"test2"` of `"train2"`.
        out: the scores file; `RUN/scores-SPLIT-PROTOCOL.npz` unless told, with
            `-seedN` before the ending for another seed than 0. The metrics go beside
            it, with the ending `.json`.
        seed: of the random clips.
        batch_size: views at once.
        workers: clips decoded at once.
        confusion: also write the confusion matrix, as JSON and PNG, beside the scores.

    Returns:
        The scores, and the metrics by name.

    Raises:
        UsageError: protocol or split is unknown, no split goes with the run's training
            split, `out` is no `.npz`, or a confusion matrix is asked for where videos
            have several labels.
        VidzooError: `out` exists and holds no scores.
        RecordError: the records have other classes, or were made with another size,
            rate, quality or flow, than those that the run was trained on.
        CheckpointError: `run` is no finished run.
    """
    try:
        views = protocols.parse(protocol)
    except ValueError as error:
        raise UsageError(f"{error} (--protocol)") from error
    data = open_records(records)
    description = run_folder.read_finished(run)
    split = split or _test_split(description["split"], data)
    videos = data.split(split)
    check_records(data, description)
    if confusion:
        check_confusion(description)
    file = Path(out) if out else scores_path(run, split, protocol, seed)
    scores_file.check_out(file, confusion=confusion)
    if views == protocols.WHOLE_VIDEO:
        scores = whole_video.score(run, data, split)
    else:
        model, _ = run_folder.load_classifier(run)
        total = len(videos) * views.num_views
        modality = clip_settings.modality(description["arguments"])
        with Progress("evaluate", total, "views") as progress:
            batches = _batches(
                data, split, views, description, seed, batch_size, workers
            )
            scores = classify(
                _forward(model, modality),
                clips.checked(batches, data),
                data.classes,
                protocol,
                progress.update,
                modality=modality,
                count_clip_hits=views.num_crops == 0,
            )
    measured = measure(scores) | {
        "protocol": protocol,
        "num_views": views.num_views,
        "seed": seed if views.is_drawn else None,
        "split": split,
        "model": description["model"],
        "classes": list(data.classes),
        "vidzoo": vidzoo.__version__,
    }
    scores_file.write(file, scores, measured, confusion=confusion)
    return scores, measured


def run_splits(
    parent, records, *, protocol: str = "center", score: Callable = run, **options
) -> dict:
    """Scores a run for each of several splits, and averages what they measure.

    Args:
        parent: a folder of run folders, as `vidzoo train --split=train1,train2,train3`
            makes it.
        records: a records folder with all of their test splits.
        protocol: see `run`.
        score: what scores one run folder; `two_stream.evaluate` for those of two.
        **options: of `score`.

    Returns:
        `splits`, metrics by split, and `mean`, their averages and standard deviations;
        also written to `PARENT/scores-mean-PROTOCOL.json`.

    Raises:
        UsageError: there is one run only, or two differ in more than their split.
        VidzooError: as `run`.
    """
    folders = run_folder.runs_in(Path(parent))
    _check_alike(parent, folders)
    summaries = {}
    for folder in folders:
        _, measured = score(folder, records, protocol=protocol, **options)
        summaries[measured["split"]] = measured
    result = {"splits": summaries, "mean": mean_over_splits(summaries)}
    file = Path(parent) / f"scores-mean-{protocol}.json"
    write_text(file, json.dumps(result, indent=1) + "\n")
    return result


def _check_alike(parent, folders):
    """Checks, before hours of scoring, that runs differ in their split alone."""
    streams = ("",)
    if run_folder.is_two_stream(folders[0]):
        streams = run_folder.STREAMS
        for folder in folders:
            run_folder.read_two_stream(folder)
    for stream in streams:
        runs = [folder / stream for folder in folders]
        described = [run_folder.read_finished(run) for run in runs]
        splits = [each["split"] for each in described]
        if len(splits) < 2 or len(set(splits)) < len(splits):
            raise UsageError(
                f"{parent}: its runs were trained on {', '.join(splits)}; a mean over "
                "splits needs one run of each. Name one run folder."
            )
        for name in ("model", "arguments", "classes", "recipe", "precision"):
            for run, each in zip(runs, described, strict=True):
                if each[name] != described[0][name]:
                    raise UsageError(
                        f"{run}: another {name} than {runs[0]}; a mean over splits is "
                        "of runs alike. Name one run folder."
                    )


def _test_split(train_split, data):
    """The split that goes with a training split: `test2` with `train2`."""
    split = train_split.replace("train", "test", 1)
    if split == train_split:
        raise UsageError(
            f"the run was trained on the split '{train_split}', which no test split "
            f"goes with by name. Choose one of: {', '.join(data.splits)} (--split)."
        )
    return split


def scores_path(run, split: str, protocol: str, seed: int) -> Path:
    """Where the scores of a run go; another seed's clips have a file of their own."""
    views = protocols.parse(protocol)
    name = f"scores-{split}-{views.name}"
    if views.is_drawn and seed:
        name = f"{name}-seed{seed}"
    return Path(run) / f"{name}.npz"


def check_confusion(description: dict) -> None:
    """Checks that a run's videos have one label each.

    Raises:
        UsageError: they have several.
    """
    if description["recipe"]["loss"] in SEVERAL_LABELS:
        raise UsageError(
            "--confusion: a confusion matrix needs one label a video; this run was "
            "trained with several."
        )


def _batches(data, split, views, description, seed, batch_size, workers):
    arguments, recipe = description["arguments"], description["recipe"]
    options = {
        "sampling": clip_settings.sampling(clip_settings.settings(description)),
        "modalities": clip_settings.modalities(arguments),
        "batch_size": batch_size,
        "workers": workers,
        "multi_label": recipe["loss"] in SEVERAL_LABELS,
    }
    crop = clip_settings.crop(arguments)
    if views == protocols.CENTER:
        return clips.center_batches(data, split, crop=crop, **options)
    options |= {"num_clips": views.num_clips, "seed": seed}
    if crop is None:
        if views.num_crops > 1:
            raise UsageError(
                f"--protocol={views.name}: features have no crops. Give "
                f"{views.num_clips}x1 or {views.num_clips}-random."
            )
        return clips.view_batches(data, split, **options)
    if views.num_crops:
        options |= {"size": crop.size, "num_crops": views.num_crops}
    else:
        options["crop"] = clips.RandomCrop(crop.size, recipe["flip"])
    return clips.view_batches(data, split, **options)


def _forward(model, modality):
    kind = tf.float32 if modality == "features" else tf.uint8
    clip = tf.TensorSpec((None, *model.input.shape[1:]), kind)
    return tf.function(
        lambda clip: model(clip, training=False),
        input_signature=[clip],  # or the last batch, a smaller one, traces once more
        autograph=False,
        jit_compile=False,
    )


def check_records(data: Records, description: dict) -> None:
    """Checks that the records are like those of training, as `predict` makes them.

    Raises:
        RecordError: they have other classes, or were made otherwise.
    """
    made, trained = data.made_with, description["data"]["made_with"]
    names = ["size", "fps", "jpeg_quality"]
    if clip_settings.modality(description["arguments"]) == "features":
        names = sorted({*made.get("features", ()), *trained["features"]} - {"records"})
        made, trained = made.get("features", {}), trained["features"]
    if clip_settings.modality(description["arguments"]) == "flow":
        names.append("flow")
    for name in (*names, "seconds"):
        if made.get(name) != trained.get(name):
            raise RecordError(
                f"{data.path}: made with {name} {made.get(name)}, the run was trained "
                f"with {trained.get(name)}. Prepare the videos as for training."
            )
    ours, theirs = description["classes"], list(data.classes)
    if ours != theirs:
        differing = [name for name in theirs if name not in ours] or theirs
        raise RecordError(
            f"{data.path}: has {len(theirs)} classes, the model knows {len(ours)}; "
            f"first that differs: {differing[0]}. Evaluate on records of the model's "
            "own classes, in their order."
        )
