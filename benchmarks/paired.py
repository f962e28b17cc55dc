"""Comparing two networks on the same videos, over several runs of each."""

from collections.abc import Mapping, Sequence

import numpy as np

from vidzoo.evaluation import Scores


def per_video(correct: Mapping[str, Mapping[str, bool]], videos: Sequence[str]):
    """What each video adds to the mean over runs, times the number of videos.

    The mean of these numbers is the mean over runs of the accuracies, whichever videos
    each run tests.

    Args:
        correct: run -> `correct_answers`.
        videos: all that a run tests.
    """
    place = {video: i for i, video in enumerate(videos)}
    shares = np.zeros(len(videos))
    for answers in correct.values():
        for video, is_correct in answers.items():
            shares[place[video]] += is_correct * len(videos) / len(answers)
    return shares / len(correct)


def correct_answers(scores: Scores, logits: str | None = None) -> dict[str, bool]:
    """Video id -> whether its first answer is right.

    Args:
        scores: of one run.
        logits: a stream of theirs; the prediction by default.
    """
    logits = scores.logits if logits is None else scores.streams[logits]
    answers = logits.argmax(axis=1) == scores.labels
    return dict(zip(scores.video_ids.tolist(), answers.tolist(), strict=True))
