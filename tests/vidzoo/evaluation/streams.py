"""Scores of made-up streams, which tests fuse."""

import dataclasses

import numpy as np

from vidzoo.evaluation import Scores

CLASSES = ("run", "walk", "sit")


def scores(logits, labels=None, *, ids=None, classes=CLASSES, protocol="center"):
    logits = np.array(logits, np.float32)
    ids = [f"v{i}" for i in range(len(logits))] if ids is None else ids
    labels = np.zeros(len(logits), int) if labels is None else labels
    return Scores(np.array(ids), np.array(labels), logits, np.array(classes), protocol)


def drawn(seed=0, num_videos=40, prefix="v"):
    """Two streams of noisy answers on the same videos."""
    random = np.random.default_rng(seed)
    labels = random.permutation(np.arange(num_videos) % 3)
    ids = [f"{prefix}{i}" for i in range(num_videos)]
    return [
        scores(
            1.5 * np.eye(3)[labels] + random.normal(0, noise, (num_videos, 3)),
            labels,
            ids=ids,
        )
        for noise in (1.0, 1.3)
    ]


def reordered(given, order):
    return dataclasses.replace(
        given,
        video_ids=given.video_ids[order],
        labels=given.labels[order],
        logits=given.logits[order],
    )
