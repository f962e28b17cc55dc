"""A network's accuracy on photographs with labels, beside its score on ImageNet."""

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from vidzoo import metrics
from vidzoo.errors import SourceError
from vidzoo.tasks import known_network
from vidzoo.weights.preset import Accuracy

_TABLE = "labels.csv"
_LABELS = ("label", "index_0based_sorted_wnid")
_SIDE = 256  # to which photographs are resized before the crop
_BATCH = 20
_FEWEST = 20  # Of fewer, a network that knows nothing is not told from bad luck.
_UNLIKELY = 0.01
# Photographs that a network should like less than those it is meant for. If it likes
# them better, its preprocessing is wrong in just that.
_WRONG = {
    "red and blue swapped": lambda pixels: pixels[..., ::-1],
    "the mean colour subtracted once more": lambda pixels: (
        pixels - (124.0, 117.0, 104.0)
    ),
}


def compared(model, folder, expected: Accuracy) -> dict:
    """What a network answers to photographs, beside its published score, JSON-ready.

    It passes if so few correct answers as it gives, or fewer, have a probability of 1 %
    at least under the published score; and if it does not like the photographs better
    that are wrong on purpose, in a sign test at 1 %.

    Args:
        model: an image classifier on RGB pixels.
        folder: photographs, and `labels.csv`: see `read`.
        expected: the published score.

    Raises:
        SourceError: the folder is not laid out so, or holds too few.
    """
    _, *size, _ = model.input.shape
    num_photographs, hits, better = 0, {1: 0, 5: 0}, dict.fromkeys(_WRONG, 0)
    for pixels, labels in read(folder, expected.resize, size):
        logits, is_answer = _answers(model, pixels)
        if labels.max() >= logits.shape[1]:
            raise SourceError(
                f"{folder}/{_TABLE}: class {labels.max()}; the network has "
                f"{logits.shape[1]}. Number them from 0."
            )
        num_photographs += len(labels)
        for k in hits:
            hits[k] += int((metrics.is_hit(logits, labels, k) & is_answer).sum())
        liking = _log_likelihood(logits, labels)
        for name, spoil in _WRONG.items():
            spoilt, _ = _answers(model, spoil(pixels.astype(np.float32)))
            better[name] += int((_log_likelihood(spoilt, labels) > liking).sum())
    if num_photographs < _FEWEST:
        raise SourceError(
            f"{folder}/{_TABLE}: {num_photographs} photographs; give {_FEWEST} or "
            "more, since fewer tell nothing."
        )
    chances = {
        f"top{k}": metrics.binomial_tail(hits[k], num_photographs, score / 100)
        for k, score in ((1, expected.top1), (5, expected.top5))
        if score is not None
    } | {
        name: metrics.binomial_tail(num_photographs - count, num_photographs, 0.5)
        for name, count in better.items()
    }
    return {
        "kind": "photographs",
        "expected": vars(expected).copy(),
        "answer": {
            "num_photographs": num_photographs,
            "top1": hits[1],
            "top5": hits[5],
            "better_if_wrong": better,
            "chances": chances,
        },
        "unlikely": [name for name, chance in chances.items() if chance < _UNLIKELY],
        "passed": min(chances.values()) >= _UNLIKELY,
    }


def _answers(model, pixels):
    """Logits, and which of them are finite; the others are 0."""
    logits = known_network.logits(model, pixels)
    is_answer = np.isfinite(logits).all(axis=1)
    return np.where(is_answer[:, None], logits, 0), is_answer


def _log_likelihood(logits, labels):
    logits = logits.astype(np.float64)
    highest = logits.max(axis=1)
    total = np.log(np.exp(logits - highest[:, None]).sum(axis=1))
    return logits[np.arange(len(labels)), labels] - highest - total


def read(folder, resize: str, size) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Reads photographs as networks are shown ImageNet's validation set, in batches.

    Args:
        folder: photographs, and `labels.csv` with the columns `file` and `label` (or
            `index_0based_sorted_wnid`): the class, from 0, in the order of WordNet IDs.
        resize: see `Accuracy`.
        size: `(H, W)` of the middle that is cut out then.

    Returns:
        Batches of uint8 RGB `(N, H, W, 3)` and their labels `(N,)`.

    Raises:
        SourceError: the folder is not laid out so, or a photograph cannot be read.
    """
    rows = _rows(Path(folder))
    for start in range(0, len(rows), _BATCH):
        paths, labels = zip(*rows[start : start + _BATCH], strict=True)
        pixels = np.stack([_crop(_image(path), resize, size) for path in paths])
        yield pixels, np.array(labels)


def _rows(folder):
    table = folder / _TABLE
    if not table.is_file():
        raise SourceError(
            f"{table}: no such file. --input takes a folder of photographs whose "
            f"{_TABLE} has the columns file and {_LABELS[0]}."
        )
    with table.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    for number, row in enumerate(rows, start=2):
        label = next((row[name] for name in _LABELS if row.get(name)), None)
        if not row.get("file") or label is None or not label.isdecimal():
            raise SourceError(
                f"{table}, line {number}: no file and class. Expected the columns "
                f"file and {' or '.join(_LABELS)}, a number from 0."
            )
        rows[number - 2] = folder / row["file"], int(label)
    return rows


def _image(path):
    if not path.is_file():
        raise SourceError(f"{path}: no such file, but {_TABLE} names it.")
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise SourceError(f"{path}: cannot be read as a photograph.")
    return image[..., ::-1]


def _crop(image, resize, size):
    height, width = image.shape[:2]
    if resize == "warp":  # as Caffe's tools do, bilinear without antialiasing
        image = cv2.resize(image, (_SIDE, _SIDE))
    else:
        scale = _SIDE / min(height, width)
        to = round(width * scale), round(height * scale)
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, to, interpolation=method)
    top, left = ((n - m) // 2 for n, m in zip(image.shape[:2], size, strict=True))
    return image[top : top + size[0], left : left + size[1]]
