"""Which regions a classifier looks at: occlusion sensitivity (Fig. 4.4).

Source: dissertation, section 4.4.3.1, after Zeiler & Fergus, "Visualizing and
Understanding Convolutional Networks" (ECCV 2014).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vidzoo.errors import VidzooError
from vidzoo.explain.sheet import Panel, sheet

_DEFAULT_SHARE = 5  # of a frame's short side, of which the square has one
_SMALLEST_LIMIT = 0.01  # of the colours, so that rounding does not look like a finding
_LESS_SURE = np.array([220, 20, 20])
_SURER = np.array([20, 60, 230])
_STRONGEST = 0.85  # share of colour, the rest being the frame
_PALE = 0.4  # share of white in a grey frame, or colours would not show on dark parts
_BAR_WIDTH = 16  # pixels


@dataclass(frozen=True)
class Occlusion:
    """How a classifier's confidence drops where a square covers its clip.

    Attributes:
        class_number: of which the confidence is.
        confidence: of the clip as it is.
        size: pixels of the square's sides.
        tops: int `(R,)`, its places: where its first row of pixels lies.
        lefts: int `(C,)`, likewise its first column.
        drops: float64 `(R, C)`: (confidence - covered confidence) / confidence. 1 where
            nothing is left of it; below 0 where covering makes the classifier surer.
        frame_size: H and W of the clip.
    """

    class_number: int
    confidence: float
    size: int
    tops: np.ndarray
    lefts: np.ndarray
    drops: np.ndarray
    frame_size: tuple[int, int]

    def heat(self) -> np.ndarray:
        """`(H, W)`: at each pixel, the mean drop of the squares that cover it."""
        sums, counts = np.zeros((2, *self.frame_size))
        for top, row in zip(self.tops, self.drops, strict=True):
            for left, drop in zip(self.lefts, row, strict=True):
                square = np.s_[top : top + self.size, left : left + self.size]
                sums[square] += drop
                counts[square] += 1
        # Beyond squares that lie apart, none covers a pixel, and nothing is known.
        return sums / np.maximum(counts, 1)


def occlude(
    scores: Callable[[np.ndarray], np.ndarray],
    clip: np.ndarray,
    *,
    class_number: int | None = None,
    size: int | None = None,
    stride: int | None = None,
    fill: int = 0,
    batch_size: int = 16,
    on_progress: Callable[[int, int], None] | None = None,
) -> Occlusion:
    """Covers a clip with a black square, place by place, and asks the classifier.

    The square lies at the same place in all frames. Its places are a grid from the top
    left corner; where the last square does not end at the frame's edge, one more does.
    The source gives neither size nor step of the square: here a fifth of the frame's
    short side, and half the square.

    Args:
        scores: from clips `(N, T, H, W, C)` to confidences `(N, K)`, after softmax.
        clip: `(T, H, W, C)`.
        class_number: whose confidence; the classifier's answer unless told.
        size: of the square's sides, in pixels.
        stride: pixels from one place to the next.
        fill: the value of the square: 0 is black; of flow in bytes 128 is no motion.
        batch_size: covered clips that are classified at once.
        on_progress: called with the number of squares done, and of all.

    Raises:
        ValueError: the square is larger than the frame, there is no such class, or a
            number is below 1.
        VidzooError: the confidence is 0, of which nothing can drop, or not a number.
    """
    clip = np.asarray(clip)
    height, width = clip.shape[1:3]
    size = max(round(min(height, width) / _DEFAULT_SHARE), 1) if size is None else size
    stride = max(size // 2, 1) if stride is None else stride
    _check_counts(size=size, stride=stride, batch_size=batch_size)
    if size > min(height, width):
        raise ValueError(
            f"`size` must be at most the frame's short side, {min(height, width)}. "
            f"Received: {size}."
        )
    found = np.asarray(scores(clip[None]), np.float64)[0]
    class_number = int(found.argmax()) if class_number is None else class_number
    if not 0 <= class_number < len(found):
        raise ValueError(
            f"`class_number` must be 0 to {len(found) - 1}. Received: {class_number}."
        )
    confidence = float(found[class_number])
    if not confidence > 0:
        raise VidzooError(
            f"the classifier's confidence in class {class_number} is {confidence:g}, "
            "of which nothing can drop. Choose another class."
        )
    tops, lefts = (_places(length, size, stride) for length in (height, width))
    corners = [(top, left) for top in tops for left in lefts]
    covered = []
    for start in range(0, len(corners), batch_size):
        batch = corners[start : start + batch_size]
        clips = np.repeat(clip[None], len(batch), axis=0)
        for copy, (top, left) in zip(clips, batch, strict=True):
            copy[:, top : top + size, left : left + size] = fill
        covered.extend(np.asarray(scores(clips), np.float64)[:, class_number])
        if on_progress:
            on_progress(len(covered), len(corners))
    drops = (confidence - np.reshape(covered, (len(tops), len(lefts)))) / confidence
    if not np.isfinite(drops).all():
        raise VidzooError(
            "the classifier answers a covered clip with NaN or infinity. Its training "
            "diverged, or its weights are damaged; take an earlier checkpoint."
        )
    return Occlusion(
        class_number, confidence, size, tops, lefts, drops, (height, width)
    )


def overlay(frame: np.ndarray, heat: np.ndarray, limit: float) -> np.ndarray:
    """A frame in pale grey, coloured where covering it matters.

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        heat: `(H, W)`: above 0 red, below 0 blue, 0 neither.
        limit: the size at which colours are strongest, above 0.

    Returns:
        `(H, W, 3)` uint8, RGB.
    """
    grey = np.repeat(frame.mean(axis=2, keepdims=True), 3, axis=2)
    pale = (1 - _PALE) * grey + _PALE * 255
    return _coloured(pale, np.clip(heat / limit, -1, 1))


def occlusion_picture(
    panels: Mapping[str, tuple[np.ndarray, Occlusion]], *, caption: str = "frame"
) -> np.ndarray:
    """A frame and, beside it, where each of several classifiers looks (Fig. 4.4).

    Colours mean the same in all panels; at their strongest, the largest mean drop of
    any, or 1 % if that is more.

    Args:
        panels: by what stands above it, a frame of the clip, `(H, W, 3)` uint8, RGB,
            and what `occlude` found.
        caption: above the frame, the first panel's, as it is.

    Returns:
        `(H', W', 3)` uint8, RGB.

    Raises:
        ValueError: there is no panel.
    """
    if not panels:
        raise ValueError("`panels` must hold one or more. Received: none.")
    heats = {name: found.heat() for name, (_, found) in panels.items()}
    limit = max(_SMALLEST_LIMIT, *(np.abs(heat).max() for heat in heats.values()))
    first, _ = next(iter(panels.values()))
    row = [Panel(first, caption)]
    for name, (frame, _) in panels.items():
        row.append(Panel(overlay(frame, heats[name], limit), name))
    ramp = np.linspace(1, -1, len(first))[:, None].repeat(_BAR_WIDTH, axis=1)
    bar = _coloured(np.full((*ramp.shape, 3), 205.0), ramp)
    ticks = ((1, f"−{limit:.0%}"), (0.5, "0"), (0, f"+{limit:.0%}"))
    row.append(Panel(bar, "confidence", ticks=ticks))
    return sheet([row])


def _coloured(grey, shares):
    shares = shares[..., None]
    colours = np.where(shares > 0, _LESS_SURE, _SURER)
    weights = _STRONGEST * np.abs(shares)
    return np.rint((1 - weights) * grey + weights * colours).astype(np.uint8)


def _places(length, size, stride):
    """Starts of squares along one side."""
    places = np.arange(0, length - size + 1, stride)
    last = length - size
    return places if places[-1] == last else np.append(places, last)


def _check_counts(**counts):
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"`{name}` must be 1 or more. Received: {count}.")
