"""Timing one thing, step by step."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    """Something to time.

    Attributes:
        step: does it once, and returns only when the devices are done with it.
        loop: what runs it, in words.
        data: what it runs on, in words.
        num_parameters: of the model; None where there is none.
    """

    step: Callable[[], object]
    loop: str
    data: str
    num_parameters: int | None = None


@dataclass(frozen=True)
class Timing:
    """How long the steps took.

    Attributes:
        first_step_seconds: the first warm-up step, tracing and compiling included.
        milliseconds: one number for each step after warm-up.
    """

    first_step_seconds: float
    milliseconds: tuple[float, ...]

    def as_dict(self, batch_size: int) -> dict:
        """Median, spread and throughput, JSON-ready.

        `clips_per_second` comes from the median step.
        """
        low, median, high = np.percentile(self.milliseconds, (10, 50, 90))
        return {
            "first_step_seconds": self.first_step_seconds,
            "ms_per_step": {
                "median": float(median),
                "p10": float(low),
                "p90": float(high),
                "mean": float(np.mean(self.milliseconds)),
            },
            "clips_per_second": batch_size / float(median) * 1000,
        }


def measure(step: Callable[[], object], *, warmup: int, steps: int) -> Timing:
    """Calls `step` `warmup` times, then `steps` times against the clock.

    Args:
        step: as in `Workload`.
        warmup: calls before measuring, 1 or more.
        steps: calls measured, 1 or more.
    """
    unmeasured = [_seconds(step) for _ in range(warmup)]
    measured = [_seconds(step) for _ in range(steps)]
    return Timing(unmeasured[0], tuple(1000 * seconds for seconds in measured))


def _seconds(step):
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def spread(values: Sequence[float]) -> dict:
    """Median, least and largest of some repetitions, JSON-ready."""
    return {
        "median": float(np.median(values)),
        "min": float(np.min(values)),
        "max": float(np.max(values)),
    }
