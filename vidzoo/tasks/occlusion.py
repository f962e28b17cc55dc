"""`vidzoo explain RUN VIDEO OUT --picture=occlusion`: where classifiers look."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from vidzoo import explain
from vidzoo.errors import UsageError, VidzooError
from vidzoo.export import ACTIVATIONS
from vidzoo.losses import prediction
from vidzoo.progress import Progress
from vidzoo.tasks import clip_settings, fuse, one_video, picture_file

_FILL = {"rgb": 0, "flow": 128}  # black; of flow in bytes, no motion
_MOST_LISTED = 10  # classes


def run(
    runs: Sequence,
    video,
    out,
    *,
    class_name: str | None = None,
    size: int | None = None,
    stride: int | None = None,
    batch_size: int = 16,
    records=None,
) -> dict:
    """Covers a video's clip place by place, and draws how confidence drops.

    The clip is that of protocol `center`, and so is the answer that is looked into.

    Args:
        runs: run folders of classifiers, one or several to be seen beside each other.
        video: a file; or, with `records`, the id of a video in them.
        out: the `.png` to make.
        class_name: whose confidence; each network's own answer unless told.
        size: see `vidzoo.explain.occlude`.
        stride: likewise.
        batch_size: likewise.
        records: a folder of records like those that the runs were trained on.

    Returns:
        How it was made, and under `runs`, by name, `class`, `confidence`, `size`,
        `tops`, `lefts` and `drops` as `vidzoo.explain.Occlusion` has them, and `frame`,
        the number of the frame that is shown.

    Raises:
        UsageError: a run cannot be explained so, there is no such class, the square is
            larger than the frame, or `out` cannot be written or exists.
        VidzooError: the video cannot be read, or a run not loaded.
    """
    runs, out = [Path(each) for each in runs], Path(out)
    picture_file.check_out(out, "OUT")
    panels, answers = {}, {}
    for name, each in zip(fuse.stream_names(runs), runs, strict=True):
        model, description = one_video.load(each)
        scores = _scores(each, model, description)
        classes = description["classes"]
        number = None if class_name is None else _number_of(class_name, classes, each)
        record = one_video.read(video, description, records)
        clip, frame, frame_number = one_video.center_clip(record, description)
        modality = clip_settings.modality(description["arguments"])
        options = {"size": size, "stride": stride, "batch_size": batch_size}
        try:
            found = _occluded(scores, clip, number, _FILL[modality], options)
        except ValueError as error:
            raise UsageError(f"{error} (--size, --stride)") from error
        except VidzooError as error:
            raise VidzooError(f"{each}: {error}") from error
        answer = classes[found.class_number]
        panels[f"{name}: {answer} {found.confidence:.2f}"] = (frame, found)
        answers[name] = {
            "class": answer,
            "confidence": found.confidence,
            "frame": frame_number,
            "size": found.size,
            "tops": found.tops.tolist(),
            "lefts": found.lefts.tolist(),
            "drops": found.drops.tolist(),
        }
    shown = next(iter(answers.values()))["frame"]
    caption = f"frame {shown} of {Path(video).name}"
    picture_file.write(out, explain.occlusion_picture(panels, caption=caption))
    return {"picture": str(out), "video": str(video), "runs": answers}


def _occluded(scores, clip, class_number, fill, options):
    with contextlib.ExitStack() as stack:
        shown = []

        def on_progress(done, total):
            if not shown:
                progress = Progress("occlusion", total, "squares")
                shown.append(stack.enter_context(progress))
            shown[0].update(done)

        return explain.occlude(
            scores,
            clip,
            class_number=class_number,
            fill=fill,
            on_progress=on_progress,
            **options,
        )


def _scores(run, model, description):
    """From clips to confidences, by the part of the network that classifies."""
    if isinstance(model.output, dict) and "logits" not in model.output:
        raise UsageError(
            f"{run}: a {description['model']} does not classify. --picture=flow shows "
            "the flow that it predicts."
        )
    classifier = keras.Model(model.input, prediction(model.output))
    activation = ACTIVATIONS[description["recipe"]["loss"]]
    clips = tf.TensorSpec((None, *model.input.shape[1:]), tf.uint8)
    logits = tf.function(
        lambda clips: classifier(clips, training=False),
        input_signature=[clips],  # or the last batch, a smaller one, traces once more
        autograph=False,
        jit_compile=False,
    )
    # In 64 bits, a confidence is 0 far later than in 32.
    return lambda clips: np.asarray(activation(tf.cast(logits(clips), tf.float64)))


def _number_of(class_name, classes, run):
    if class_name not in classes:
        listed = ", ".join(classes[:_MOST_LISTED])
        more = len(classes) - _MOST_LISTED
        listed += f" and {more} more" if more > 0 else ""
        raise UsageError(
            f"{run}: no class '{class_name}'. Choose one of: {listed} (--class)."
        )
    return classes.index(class_name)
