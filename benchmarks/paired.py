"""Comparing two networks on the same videos, over several runs of each."""

import sys
from collections.abc import Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.table import Table

from vidzoo import metrics
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


def compared(
    scores: Mapping[str, Mapping[str, Scores]], pairs: Sequence[tuple[str, str]]
) -> dict:
    """Accuracies by run, their means, and differences with their intervals.

    Args:
        scores: network -> run, a test split and a seed -> its scores.
        pairs: networks to compare, of each the first minus the second.

    Returns:
        What `show` takes; `differences` are `(difference, low, high)`.
    """
    correct = {
        name: {run: correct_answers(each) for run, each in by.items()}
        for name, by in scores.items()
    }
    first = next(iter(correct.values()))
    videos = sorted({video for answers in first.values() for video in answers})
    shares = {name: per_video(by, videos) for name, by in correct.items()}
    return {
        "accuracies": {
            name: {run: float(np.mean(list(each.values()))) for run, each in by.items()}
            for name, by in correct.items()
        },
        "means": {name: float(each.mean()) for name, each in shares.items()},
        "differences": {
            f"{one} - {other}": metrics.paired_bootstrap(shares[one], shares[other])
            for one, other in pairs
        },
        "num_test": {run: len(each) for run, each in first.items()},
        "num_videos": len(videos),
    }


def show(results: Mapping, title: str, first_column: str, differences: Mapping) -> None:
    """Prints a row of accuracies for each network, and the differences below.

    Args:
        results: with `num_test`, run -> videos; `accuracies`, network -> run ->
            accuracy; `means`, by network; and `num_videos`.
        title: of the table.
        first_column: what its rows are.
        differences: name -> `(difference, low, high)`.
    """
    counts = results["num_test"]
    table = Table(title=title)
    table.add_column(first_column)
    for run, count in counts.items():
        table.add_column(f"{run} ({count})", justify="right")
    table.add_column("mean", justify="right")
    for name, by_run in results["accuracies"].items():
        row = [f"{by_run[run]:.3f}" for run in counts]
        table.add_row(name, *row, f"{results['means'][name]:.3f}")
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False)
    console.print(table)
    for name, (difference, low, high) in differences.items():
        console.print(
            f"{name}: {difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f} "
            f"(paired bootstrap over {results['num_videos']} test videos)"
        )
