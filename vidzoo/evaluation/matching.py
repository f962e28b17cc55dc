"""Whether scores are of the same videos, and in which order; if not, what differs."""

from collections.abc import Iterator, Sequence

import numpy as np

from vidzoo.errors import VidzooError
from vidzoo.evaluation.scores import Scores

_MOST_LISTED = 3  # of what differs


def matched(scores: Sequence[Scores], names: Sequence[str]) -> list[Scores]:
    """Scores of the same videos, all in the order of the first.

    Args:
        scores: any number, matched by video id.
        names: for messages, such as their files.

    Raises:
        VidzooError: videos, labels or classes differ, and the message lists the first
            that do; or a logit is NaN or infinite.
    """
    first = scores[0]
    faults = []
    for each, name in zip(scores, names, strict=True):
        check_finite(each, name)
        found = [*class_faults(first, each, names[0], name)]
        found += _id_faults(first, each, names[0], name)
        found += _label_faults(first, each, names[0], name)
        if found:
            faults.append(f"{name} does not go with {names[0]}: {'; '.join(found)}.")
    if faults:
        raise VidzooError(
            f"{' '.join(faults)} Give scores of the same videos, as `vidzoo evaluate` "
            "makes them from the same split."
        )
    return [_in_order(each, first.video_ids) for each in scores]


def check_finite(scores: Scores, name) -> None:
    """Checks that logits are numbers.

    Raises:
        VidzooError: one is not; the message has the first video.
    """
    finite = np.isfinite(scores.logits).all(axis=1)
    if not finite.all():
        first = scores.video_ids[np.flatnonzero(~finite)[0]]
        raise VidzooError(
            f"{name}: the logits of {(~finite).sum()} videos hold NaN or infinity, "
            f"first those of {first}. Give scores that are numbers."
        )


def class_faults(first: Scores, other: Scores, first_name, name) -> Iterator[str]:
    """How the classes of two scores differ, in words; nothing if they do not."""
    ours, theirs = first.classes.tolist(), other.classes.tolist()
    if ours == theirs:
        return
    if sorted(ours) == sorted(theirs):
        places = [i for i in range(len(ours)) if ours[i] != theirs[i]]
        pairs = [f"{ours[i]}, {theirs[i]} at {i}" for i in places]
        yield f"the same classes in another order: {first_few(pairs)}"
        return
    yield _sides("class", "classes", ours, theirs, first_name, name)


def _id_faults(first, other, first_name, name):
    ours, theirs = first.video_ids.tolist(), other.video_ids.tolist()
    if set(ours) != set(theirs):
        yield _sides("video", "videos", ours, theirs, first_name, name)


def _label_faults(first, other, first_name, name):
    """Of videos in both."""
    if first.labels.ndim != other.labels.ndim:
        one, several = (name, first_name)[:: 1 if other.labels.ndim == 1 else -1]
        yield f"videos have one label in {one}, several in {several}"
        return
    ours, theirs = _named_labels(first), _named_labels(other)
    differing = [
        f"{video_id} is {labels} and {theirs[video_id]}"
        for video_id, labels in ours.items()
        if theirs.get(video_id, labels) != labels
    ]
    if differing:
        yield (
            f"other labels in {first_name} and in {name} for "
            f"{how_many(differing, 'video', 'videos')}: {first_few(differing)}"
        )


def _named_labels(scores):
    """The label of each video, in words."""
    classes = scores.classes
    if scores.labels.ndim == 1:
        texts = classes[scores.labels].tolist()
    else:
        texts = ["+".join(classes[row == 1]) or "none" for row in scores.labels]
    return dict(zip(scores.video_ids.tolist(), texts, strict=True))


def _sides(one, several, ours, theirs, first_name, name):
    """What is in one of two lists only, for both."""
    texts = []
    for where, here, there in ((first_name, ours, theirs), (name, theirs, ours)):
        there = set(there)
        only = [item for item in here if item not in there]
        listed = f" ({first_few(only)})" if only else ""
        texts.append(f"{how_many(only, one, several)} in {where} only{listed}")
    return ", ".join(texts)


def how_many(items: Sequence, one: str, several: str) -> str:
    """How many there are: `1 video`, `2 videos`."""
    return f"{len(items)} {one if len(items) == 1 else several}"


def first_few(items: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    text = ", ".join(items[:_MOST_LISTED])
    more = len(items) - _MOST_LISTED
    return f"{text} and {more} more" if more > 0 else text


def _in_order(scores, video_ids):
    rows = {video_id: row for row, video_id in enumerate(scores.video_ids.tolist())}
    order = [rows[video_id] for video_id in video_ids.tolist()]
    return Scores(
        video_ids=scores.video_ids[order],
        labels=scores.labels[order],
        logits=scores.logits[order],
        classes=scores.classes,
        protocol=scores.protocol,
        streams={name: logits[order] for name, logits in scores.streams.items()},
    )
