"""Evaluation: a model's scores on a protocol's views, one row per video."""

from vidzoo.evaluation.scores import Scores, classify

__all__ = ["Scores", "classify"]
