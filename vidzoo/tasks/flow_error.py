"""`vidzoo flow-error RUN FOLDER`: how far a run's flow is from the true one."""

import json
import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

import vidzoo
from vidzoo import metrics
from vidzoo.atomic import write_text
from vidzoo.errors import FlowError, UsageError, VidzooError
from vidzoo.progress import Progress
from vidzoo.tasks import flow_pairs, run_folder
from vidzoo_data import clips

_log = logging.getLogger("vidzoo")


def run(run, folder, *, layout: str, split: str = "all", out=None) -> dict:
    """Compares a network on two frames with the true flow of whole pairs.

    The flow, at a quarter of the resolution, is enlarged bilinearly; the error is the
    mean over the pixels that count, at full resolution. A pair's own error is averaged
    over pairs, as usual.

    Args:
        run: a finished run folder of a `flownet2f` or an `actionflownet2f`.
        folder: of FlyingChairs or Sintel.
        layout: a name of `flow_pairs.LAYOUTS`.
        split: of FlyingChairs `"all"`, `"train"` or `"val"`.
        out: the file to write; `RUN/flow-LAYOUT-SPLIT.json` unless told.

    Returns:
        `epe`, in pixels, and `zero_flow_epe`, that of no flow at all; `num_pairs`; and
        `pairs`, the error of each by its name.

    Raises:
        UsageError: the network predicts no flow of two frames, or a name is unknown.
        CheckpointError: `run` is no finished run.
        FlowError: the folder is no such data set, a file of it is damaged, or of a pair
            no pixel's flow counts.
        VidzooError: the network predicts NaN or infinity.
    """
    dataset = flow_pairs.list_pairs(folder, layout, split)
    description = run_folder.read_finished(run)
    _check(run, description)
    _warn(run, description, dataset, split)
    errors = {}
    with Progress("flow-error", len(dataset.pairs), "pairs") as progress:
        batches = clips.whole_pair_batches(dataset, batch_size=1)
        predict = _Predictor(run, description)
        for batch in clips.checked(batches, dataset):
            name = batch["video_id"][0].numpy().decode()
            predicted = predict(batch["rgb"])
            if not np.isfinite(predicted).all():
                raise VidzooError(
                    f"{run}: predicts NaN or infinity as flow. Its training diverged, "
                    "or its weights are damaged; take an earlier checkpoint."
                )
            true = batch["flow_target"].numpy()[0, 0]
            if np.isnan(true).any(axis=-1).all():
                raise FlowError(
                    f"{folder}: of the pair {name} no pixel's flow is known and "
                    "counts, so it has no error. Take it out, or get its files again."
                )
            errors[name] = _errors(predicted, true)
            progress.update(len(errors))
    found = {
        "epe": float(np.mean([each["epe"] for each in errors.values()])),
        "zero_flow_epe": float(np.mean([e["zero_flow_epe"] for e in errors.values()])),
        "num_pairs": len(errors),
        "data_set": dataset.name,
        "notes": list(dataset.notes),
        "model": description["model"],
        "vidzoo": vidzoo.__version__,
        "pairs": errors,
    }
    out = Path(out) if out else Path(run) / f"flow-{layout}-{split}.json"
    write_text(out, json.dumps(found, indent=1) + "\n")
    return found


def _check(run, description):
    network, arguments = description["model"], description["arguments"]
    of_pairs = network in run_folder.ON_PAIRS
    if not (of_pairs and run_folder.predicts_flow(network, arguments)):
        raise UsageError(
            f"{run}: {network} does not predict the flow of two frames. Name a run of "
            "flownet2f, or of actionflownet2f with its decoder."
        )


def _warn(run, description, dataset, split):
    trained = description["split"]
    is_same = description["data"]["source"] == dataset.name
    if is_same and ("all" in (split, trained) or split == trained):
        _log.warning(
            "warning: %s was trained on pairs of %s (split %s), perhaps on these: "
            "their error is no test",
            run,
            dataset.name,
            trained,
        )


class _Predictor:
    """Two frames of any size to their flow; a network for each size."""

    def __init__(self, run, description):
        self._description = description
        self._weights = Path(run) / run_folder.WEIGHTS
        self._networks = {}

    def __call__(self, pair):
        """Uint8 `(1, 1, H, W, 6)` to `(H, W, 2)`."""
        size = tuple(pair.shape[2:4])
        if size not in self._networks:
            arguments = self._description["arguments"] | {"frame_shape": (*size, 6)}
            model = run_folder.build_model(
                self._description["model"], arguments, self._weights
            )
            self._networks[size] = tf.function(
                lambda pair: model(pair, training=False)["flow"][0], autograph=False
            )
        return tf.image.resize(self._networks[size](pair), size).numpy()[0]


def _errors(flow, true) -> dict:
    known = np.isfinite(true).all(axis=-1)
    true = np.where(known[..., None], true, 0)
    return {
        "epe": metrics.endpoint_error(flow, true, known),
        "zero_flow_epe": metrics.endpoint_error(np.zeros_like(flow), true, known),
    }
