"""Evaluation: a model's scores on a protocol's views, one row per video."""

from vidzoo.evaluation.confusion import write_confusion
from vidzoo.evaluation.fusion import fuse, fuse_by_svm
from vidzoo.evaluation.measures import measure
from vidzoo.evaluation.scores import Scores, classify
from vidzoo.evaluation.splits import mean_over_splits

__all__ = [
    "Scores",
    "classify",
    "fuse",
    "fuse_by_svm",
    "mean_over_splits",
    "measure",
    "write_confusion",
]
