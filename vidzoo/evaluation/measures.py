"""What scores measure: the prediction, each stream alone, and class by class."""

import numpy as np

from vidzoo import metrics
from vidzoo.evaluation.scores import Scores


def measure(scores: Scores) -> dict:
    """The metrics of scores, as `evaluate` and `fuse` write them.

    Returns:
        `metrics.summary` of the prediction; under `<stream>_<metric>` that of each
        stream alone; `clip_hit1` and `clip_hit5` where clips were counted, each video
        weighing the same; and `class_ap`, the average precision by class, None for a
        class that no video has.
    """
    measured = metrics.summary(scores.logits, scores.labels)
    for stream, logits in scores.streams.items():
        alone = metrics.summary(logits, scores.labels)
        del alone["num_videos"]
        measured |= {f"{stream}_{name}": value for name, value in alone.items()}
    measured |= {f"clip_hit{k}": float(h.mean()) for k, h in scores.clip_hits.items()}
    by_class = metrics.class_average_precision(scores.logits, scores.labels)
    measured["class_ap"] = {
        name: None if np.isnan(value) else float(value)
        for name, value in zip(scores.classes.tolist(), by_class, strict=True)
    }
    return measured
