"""Which frames of a video are stored or shown at a rate: one rule for both.

Frame i at a rate is the source frame nearest to place `i * step`, halves down, or the
last one where that would be past it; i runs on until the last source frame ends.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_TOLERANCE = 1e-6  # of a source frame: rates like 30000/1001 do not divide exactly
_END = object()


def resample(items: Iterable[Item], step: float) -> Iterator[tuple[Item, int]]:
    """Pairs every source frame with the number of times that it is taken.

    Args:
        items: what stands for the source frames, one or more.
        step: source frames, a fraction, from one taken frame to the next.
    """
    items = iter(items)
    item, index, taken = next(items), 0, 0
    while item is not _END:
        following = next(items, _END)
        is_last = following is _END
        # Source frame `index` is the nearest up to half a frame later, the last one
        # for its whole duration.
        until = index + 1 - _TOLERANCE if is_last else index + 0.5 + _TOLERANCE
        repeats = 0
        while (taken + repeats) * step < until:
            repeats += 1
        yield item, repeats
        taken += repeats
        item, index = following, index + 1


def repeated(pairs: Iterable[tuple[Item, int]]) -> Iterator[Item]:
    """Every item as often as it is taken."""
    for item, repeats in pairs:
        yield from itertools.repeat(item, repeats)


def num_within(seconds: float, fps: float) -> int:
    """Frames that begin in the first so many seconds; at least one."""
    return max(math.ceil(seconds * fps - _TOLERANCE), 1)


def may_be_taken(*steps: float) -> Callable[[int], bool]:
    """Which source frames can be taken by `resample`s in a row, before the end is seen.

    Args:
        steps: of each of them, the one that reads the source first.

    Returns:
        To be called with 0, 1, 2 ... in turn: whether some taken frame is that source
        frame, or would be if the source ended about there.
    """
    number, upcoming, wanted = 0, _places(0, steps), set()

    def ask(index):
        nonlocal number, upcoming
        while min(upcoming) <= index:
            wanted.update(upcoming)
            number += 1
            upcoming = _places(number, steps)
        found = index in wanted
        wanted.discard(index)
        return found

    return ask


def _places(number, steps):
    """The source frames that taken frame `number` can be: the nearest, or the last."""
    places = {number}
    for step in reversed(steps):
        # A frame past the last one becomes the last one, which is the one before it.
        places = {
            place
            for middle in (number * step for number in places)
            for place in (
                math.ceil(middle - 0.5 - _TOLERANCE),
                math.floor(middle + _TOLERANCE),
            )
        }
    return places
