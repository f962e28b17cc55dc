"""In which classes one network is better than another (section 4.4.3.3)."""

from dataclasses import dataclass

import numpy as np

from vidzoo import metrics
from vidzoo.evaluation import Scores, matching


@dataclass(frozen=True)
class ClassDifferences:
    """Two networks' accuracies on the same videos, over all and class by class.

    Classes that no video has are left out.

    Attributes:
        num_videos: N.
        accuracy_a: top-1 of the first network.
        accuracy_b: top-1 of the second.
        difference: `accuracy_a` minus `accuracy_b`.
        low: the lower end of the difference's 95 % interval, of a paired bootstrap over
            videos.
        high: the upper end.
        classes: K names, from the first network's largest gain to its largest loss;
            equal ones in the order of the scores.
        counts: int `(K,)`, videos of each.
        class_accuracy_a: `(K,)`.
        class_accuracy_b: `(K,)`.
        absent: names of the classes that no video has.
    """

    num_videos: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    low: float
    high: float
    classes: tuple[str, ...]
    counts: np.ndarray
    class_accuracy_a: np.ndarray
    class_accuracy_b: np.ndarray
    absent: tuple[str, ...]

    @property
    def differences(self) -> np.ndarray:
        """`(K,)`: the first network's accuracy minus the second's, class by class."""
        return self.class_accuracy_a - self.class_accuracy_b


def class_differences(a: Scores, b: Scores, names=("a", "b")) -> ClassDifferences:
    """Compares two networks' scores of the same videos, matched by id.

    Args:
        a: scores of videos with one label each.
        b: likewise.
        names: of both, for messages, such as their files.

    Raises:
        ValueError: videos have several labels.
        VidzooError: videos, labels or classes differ, and the message lists the first
            that do.
    """
    a, b = matching.matched([a, b], names)
    if a.labels.ndim == 2:
        raise ValueError(
            "accuracy by class needs one label a video. Received: scores of videos "
            "with several."
        )
    correct = np.stack([each.logits.argmax(axis=1) == each.labels for each in (a, b)])
    counts = np.bincount(a.labels, minlength=len(a.classes))
    hits = [np.bincount(a.labels, each, len(a.classes)) for each in correct]
    present = np.flatnonzero(counts)
    # Of whole numbers, so that equal differences are equal.
    gains = ((hits[0] - hits[1]) / np.maximum(counts, 1))[present]
    order = present[np.argsort(-gains, kind="stable")]
    difference, low, high = metrics.paired_bootstrap(*correct)
    return ClassDifferences(
        num_videos=len(a.labels),
        accuracy_a=float(correct[0].mean()),
        accuracy_b=float(correct[1].mean()),
        difference=difference,
        low=low,
        high=high,
        classes=tuple(a.classes[order].tolist()),
        counts=counts[order],
        class_accuracy_a=hits[0][order] / counts[order],
        class_accuracy_b=hits[1][order] / counts[order],
        absent=tuple(a.classes[counts == 0].tolist()),
    )
