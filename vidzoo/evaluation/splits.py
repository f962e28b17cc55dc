"""The mean over a data set's splits, as results on UCF101 and HMDB51 are given."""

import statistics
from collections.abc import Mapping

from vidzoo.errors import VidzooError

_SAME = ("protocol", "model", "classes")
_OF_ONE_SPLIT = (
    *("num_videos", "split", "num_views", "seed", "class_ap", "vidzoo"),
    "fusion",
)
_INTERVAL = ("_low", "_high")  # of a mean, it is not the mean of intervals


def mean_over_splits(summaries: Mapping[str, Mapping]) -> dict:
    """The plain mean of every metric, each split weighing the same.

    Args:
        summaries: by split, what `metrics.summary` gave, with the `protocol`, the
            `model` and the `classes` it was measured with.

    Returns:
        For each metric, but for the ends of intervals, its mean under its name, and
        under `<name>_std` the sample standard deviation (of N - 1) over splits;
        `splits`, their names in order; `num_videos`, a dictionary by split; and
        `protocol`, `model` and `classes`.

    Raises:
        VidzooError: there are fewer than two splits, or they differ in protocol,
            model, classes or metrics.

    Example:
        >>> same = {"protocol": "center", "model": "tsn", "classes": ["a", "b"]}
        >>> found = mean_over_splits(
        ...     {
        ...         "test1": {**same, "top1": 0.5, "num_videos": 10},
        ...         "test2": {**same, "top1": 0.7, "num_videos": 20},
        ...     }
        ... )
        >>> round(found["top1"], 3), round(found["top1_std"], 3)
        (0.6, 0.141)
    """
    if len(summaries) < 2:
        raise VidzooError(
            f"a mean over splits needs two or more; there is {len(summaries)}. Run "
            "`vidzoo evaluate` on the other splits first."
        )
    first, *others = summaries
    for split in others:
        _check_alike(first, summaries[first], split, summaries[split])
    result = {}
    for name in summaries[first]:
        if name not in (*_SAME, *_OF_ONE_SPLIT) and not name.endswith(_INTERVAL):
            values = [summary[name] for summary in summaries.values()]
            result[name] = statistics.fmean(values)
            result[f"{name}_std"] = statistics.stdev(values)
    result["splits"] = list(summaries)
    result["num_videos"] = {s: found["num_videos"] for s, found in summaries.items()}
    return result | {name: summaries[first][name] for name in _SAME}


def _check_alike(first, expected, split, found):
    for where, summary in ((first, expected), (split, found)):
        missing = [name for name in _SAME if name not in summary]
        if missing:
            raise VidzooError(
                f"{where}: its metrics do not say the {missing[0]}. Run "
                "`vidzoo evaluate` again."
            )
    for name in ("protocol", "model"):
        if expected[name] != found[name]:
            raise VidzooError(
                f"{split}: measured with the {name} {found[name]}, {first} with "
                f"{expected[name]}. A mean needs the same {name}."
            )
    ours, theirs = list(expected["classes"]), list(found["classes"])
    if ours != theirs:
        pairs = zip(ours, theirs, strict=False)
        differing = next((f"{a}, {b}" for a, b in pairs if a != b), "none")
        raise VidzooError(
            f"{split}: measured with other classes than {first}: {len(ours)} and "
            f"{len(theirs)}, first that differ: {differing}. Splits of one data set "
            "have the same."
        )
    differing = sorted(set(expected) ^ set(found))
    if differing:
        raise VidzooError(
            f"{split}: has other metrics than {first}; {differing[0]} is in one only. "
            "Run `vidzoo evaluate` again."
        )
