"""The batches that a network is trained on: clips of records, or pairs with flow."""

from collections.abc import Callable, Sequence

from vidzoo.errors import RecordError, UsageError
from vidzoo.losses import SEVERAL_LABELS
from vidzoo.tasks import clip_settings
from vidzoo.tasks.flow_pairs import FlowPairs
from vidzoo.training import Recipe
from vidzoo_data import clips


def check_splits(data, splits: Sequence[str], recipe: Recipe) -> None:
    """Checks that splits of records are there, and that their labels fit the loss.

    Args:
        data: `Records` or `FlowPairs`, of which the names alone are checked.
        splits: their names.
        recipe: by which they are trained on.

    Raises:
        UsageError: a split is named twice, or there is no such split.
        RecordError: a split is empty, or a softmax would have several labels.
    """
    if len(set(splits)) < len(splits):
        raise UsageError(f"--split is {','.join(splits)}; name each split once.")
    if isinstance(data, FlowPairs):
        return
    for split in splits:
        for video in data.split(split):
            if len(video.labels) > 1 and recipe.loss not in SEVERAL_LABELS:
                raise RecordError(
                    f"{data.path}: {video.video_id} has {len(video.labels)} labels, "
                    "and a softmax expects one. Give --loss=sigmoid or "
                    "--loss=shared-softmax."
                )


def check_clips(data, description: dict, recipe: Recipe) -> None:
    """Checks that every video of a run's split gives the clips that it learns from.

    Raises:
        UsageError: there is no such split of a data set of flow.
        RecordError: a video does not, or the records lack what is asked of them.
        FlowError: a data set of flow lacks files.
    """
    if isinstance(data, FlowPairs):
        batches_from(data, description, recipe, None)(0, 0)
        return
    clips.check_videos(
        data,
        data.split(description["split"]),
        clip_settings.sampling(clip_settings.settings(description)),
        clip_settings.learned(description),
        recipe.loss in SEVERAL_LABELS,
    )


def batches_from(
    data, description: dict, recipe: Recipe, workers: int | None
) -> Callable:
    """What gives `training.train` its batches: `(first_step, num_steps)` to batches.

    Args:
        data: `Records` or `FlowPairs`.
        description: of the run.
        recipe: by which it is trained.
        workers: clips decoded at once.
    """
    arguments = description["arguments"]
    features = clip_settings.modality(arguments) == "features"
    if isinstance(data, FlowPairs):
        return lambda first_step, num_steps: data.training_batches(
            description["split"],
            recipe=recipe,
            size=arguments["frame_shape"][0],
            num_steps=num_steps,
            first_step=first_step,
            seed=description["seed"],
            workers=workers,
        )

    def of_clips(first_step, num_steps):
        batches = clips.training_batches(
            data,
            description["split"],
            sampling=clip_settings.sampling(clip_settings.settings(description)),
            modalities=clip_settings.learned(description),
            crop=None if features else _crop(recipe, arguments["frame_shape"][0]),
            color=clips.ColorJitter() if recipe.color_jitter else None,
            multi_label=recipe.loss in SEVERAL_LABELS,
            batch_size=recipe.batch_size,
            num_steps=num_steps,
            first_step=first_step,
            seed=description["seed"],
            workers=workers,
        )
        return clips.checked(batches, data)

    return of_clips


def _crop(recipe, frame_size):
    if recipe.crop == "corner":
        return clips.CornerCrop(frame_size, recipe.crop_scales, recipe.flip)
    if recipe.crop == "multi-scale":
        return clips.MultiScaleCrop(frame_size, recipe.crop_scales, recipe.flip)
    return clips.RandomCrop(frame_size, recipe.flip)
