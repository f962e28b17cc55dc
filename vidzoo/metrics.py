"""Metrics on scores: NumPy in, numbers out."""

import numpy as np


def top_k_accuracy(logits, labels, k: int = 1) -> float:
    """The share of videos whose label is among the k highest scores.

    Equal scores rank by class number, as `argmax` has it.

    Args:
        logits: `(N, K)`.
        labels: int `(N,)`.
        k: how many answers count; all of them if K is smaller.

    Raises:
        ValueError: there is no video, or the shapes do not fit.
    """
    logits, labels = _checked(logits, labels)
    ranking = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    return float((ranking == labels[:, None]).any(axis=1).mean())


def mean_class_accuracy(logits, labels) -> float:
    """Top-1 accuracy of each class that occurs in `labels`, averaged over classes."""
    logits, labels = _checked(logits, labels)
    correct = logits.argmax(axis=1) == labels
    return float(np.mean([correct[labels == c].mean() for c in np.unique(labels)]))


def wilson_interval(num_correct: int, num_total: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy (Wilson score).

    Args:
        num_correct: videos answered correctly.
        num_total: videos.
    """
    z = 1.959963984540054
    share = num_correct / num_total
    centre = share + z * z / (2 * num_total)
    variance = share * (1 - share) / num_total + z * z / (4 * num_total**2)
    scale = 1 + z * z / num_total
    half = z * variance**0.5
    return (centre - half) / scale, (centre + half) / scale


def summary(logits, labels) -> dict[str, float]:
    """`top1`, `top5`, `mean_class` and the 95 % interval of `top1`, by name."""
    top1 = top_k_accuracy(logits, labels, 1)
    low, high = wilson_interval(round(top1 * len(labels)), len(labels))
    return {
        "top1": top1,
        "top1_low": low,
        "top1_high": high,
        "top5": top_k_accuracy(logits, labels, 5),
        "mean_class": mean_class_accuracy(logits, labels),
        "num_videos": len(labels),
    }


def _checked(logits, labels):
    logits, labels = np.asarray(logits), np.asarray(labels)
    if logits.ndim != 2 or labels.shape != logits.shape[:1] or not len(labels):
        raise ValueError(
            "`logits` must be (N, K) and `labels` (N,), N > 0. "
            f"Received: {logits.shape} and {labels.shape}."
        )
    return logits, labels
