"""Metrics on scores, and on optical flow: NumPy in, numbers out.

Labels are class numbers `(N,)`, or multi-hot `(N, K)` where a video may have several.
"""

import numpy as np


def top_k_accuracy(logits, labels, k: int = 1) -> float:
    """The share of videos whose label is among the k highest scores.

    Equal scores rank by class number, as `argmax` has it.

    Args:
        logits: `(N, K)`.
        labels: int `(N,)`.
        k: how many answers count; all of them if K is smaller.

    Raises:
        ValueError: there is no video, or the values do not fit.
    """
    logits, labels = _checked_single(logits, labels)
    return hit_at_k(logits, labels, k)


def hit_at_k(logits, labels, k: int) -> float:
    """The share of videos of which at least one label is among the k highest scores.

    Source: dissertation, section 3.4. Equal scores rank by class number. A video
    without a label cannot be hit, and counts.

    Args:
        logits: `(N, K)`.
        labels: int `(N,)`, or multi-hot `(N, K)`.
        k: how many answers count; all of them if K is smaller.

    Raises:
        ValueError: there is no video, or the values do not fit.

    Example:
        >>> hit_at_k([[3, 2, 1], [3, 2, 1]], [[0, 1, 1], [0, 0, 1]], k=2)
        0.5
    """
    return float(is_hit(logits, labels, k).mean())


def is_hit(logits, labels, k: int) -> np.ndarray:
    """Of which rows at least one label is among the k highest scores: bool `(N,)`.

    What `hit_at_k` is the mean of; of clips in place of videos the clip-level Hit@k
    (section 3.4.1). Args and errors: as there.
    """
    logits, labels = _checked(logits, labels)
    if k < 1:
        raise ValueError(f"`k` must be at least 1. Received: {k}.")
    ranking = np.argsort(-logits, axis=1, kind="stable")[:, :k]
    hits = np.take_along_axis(_multi_hot(labels, logits), ranking, axis=1)
    return hits.any(axis=1)


def mean_class_accuracy(logits, labels) -> float:
    """Top-1 accuracy of each class that occurs in `labels`, averaged over classes."""
    logits, labels = _checked_single(logits, labels)
    correct = logits.argmax(axis=1) == labels
    return float(np.mean([correct[labels == c].mean() for c in np.unique(labels)]))


def average_precision(scores, positives) -> float:
    """Non-interpolated average precision of one ranking.

    The precision at every distinct score, weighted by the share of the positives that
    has this score. So equal scores form one rank, at which all of them count, and the
    order of the rows says nothing; scikit-learn's `average_precision_score` agrees.

    Args:
        scores: `(N,)`; higher ranks first.
        positives: `(N,)`, true or 1 where a row is to be found.

    Raises:
        ValueError: there is no positive, or the values do not fit.

    Example:
        >>> average_precision([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0])  # (1/1 + 2/3) / 2
        0.8333333333333333
    """
    scores, positives = np.asarray(scores, np.float64), np.asarray(positives)
    if scores.ndim != 1 or positives.shape != scores.shape:
        raise ValueError(
            "`scores` and `positives` must both be (N,). "
            f"Received: {scores.shape} and {positives.shape}."
        )
    _check_no_nan("scores", scores)
    _check_zero_or_one("positives", positives)
    if not positives.any():
        raise ValueError("`positives` must hold at least one. Received: none.")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(scores) - 1)
    found = np.cumsum(positives[order], dtype=np.int64)[last]  # down to each score
    precision = found / (last + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


def ranking_average_precision(
    is_positive, num_positives: int | None = None, *, trapezoidal: bool = False
) -> float:
    """Average precision of a ranking that is given as such, without scores.

    Where there are no equal scores, that of `average_precision` unless `trapezoidal`.

    Args:
        is_positive: bool `(N,)`, from the first rank on, whether what stands there is
            to be found. What does not count, such as junk, is left out beforehand.
        num_positives: how many there are to be found; those that the ranking lacks
            count as never found. By default all are in the ranking.
        trapezoidal: whether the precision of a positive is the mean of that at its rank
            and that at the rank before it, which is 1 at the start. So do the programs
            of Oxford and Paris (`compute_ap.cpp`) and of Holidays (`holidays_map.py`)
            integrate the curve of precision over recall.

    Raises:
        ValueError: there is no positive, or the values do not fit.

    Example:
        >>> ranking_average_precision([True, False, True])  # (1/1 + 2/3) / 2
        0.8333333333333333
        >>> ranking_average_precision([False, True], trapezoidal=True)  # (0 + 1/2) / 2
        0.25
    """
    is_positive = np.asarray(is_positive)
    if is_positive.ndim != 1:
        raise ValueError(f"`is_positive` must be (N,). Received: {is_positive.shape}.")
    _check_zero_or_one("is_positive", is_positive)
    places = np.flatnonzero(is_positive)  # from 0
    total = len(places) if num_positives is None else num_positives
    if total < max(len(places), 1):
        raise ValueError(
            "`num_positives` must be at least 1, and the number of positives in the "
            f"ranking, {len(places)}. Received: {total}."
        )
    found = np.arange(1, len(places) + 1)
    precision = found / (places + 1)
    if trapezoidal:
        before = np.where(places, (found - 1) / np.maximum(places, 1), 1)
        precision = (before + precision) / 2
    return float(precision.sum() / total)


def class_average_precision(logits, labels) -> np.ndarray:
    """Average precision of each class, videos ranked by their score for it.

    The values are compared between videos as they are. Softmax scores may rank the
    videos otherwise than the logits they are made from.

    Args:
        logits: `(N, K)`.
        labels: int `(N,)`, or multi-hot `(N, K)`.

    Returns:
        float64 `(K,)`; NaN for a class that no video has.

    Raises:
        ValueError: there is no video, or the values do not fit.
    """
    logits, labels = _checked(logits, labels)
    positives = _multi_hot(labels, logits)
    precisions = np.full(logits.shape[1], np.nan)
    for c in np.flatnonzero(positives.any(axis=0)):
        precisions[c] = average_precision(logits[:, c], positives[:, c])
    return precisions


def mean_average_precision(logits, labels) -> float:
    """`class_average_precision`, averaged over the classes that occur (mAP).

    Raises:
        ValueError: no video has a label, or the values do not fit.
    """
    precisions = class_average_precision(logits, labels)
    if np.isnan(precisions).all():
        raise ValueError("`labels` must hold at least one label. Received: none.")
    return float(np.nanmean(precisions))


def confusion_matrix(logits, labels, num_classes: int) -> np.ndarray:
    """Counts of videos by true class (row) and answered class (column).

    Args:
        logits: `(N, K)`.
        labels: int `(N,)`.
        num_classes: K.

    Returns:
        int64 `(K, K)`.

    Raises:
        ValueError: the labels are multi-hot, or the values do not fit.
    """
    logits, labels = _checked_single(logits, labels)
    if logits.shape[1] != num_classes:
        raise ValueError(
            f"`logits` must have `num_classes` columns, {num_classes}. "
            f"Received: {logits.shape[1]}."
        )
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (labels, logits.argmax(axis=1)), 1)
    return matrix


def wilson_interval(num_correct: int, num_total: int) -> tuple[float, float]:
    """The 95 % interval of an accuracy (Wilson score).

    Args:
        num_correct: videos answered correctly.
        num_total: videos.
    """
    z = 1.959963984540054
    share = num_correct / num_total
    centre = share + z * z / (2 * num_total)
    variance = share * (1 - share) / num_total + z * z / (4 * num_total**2)
    scale = 1 + z * z / num_total
    half = z * variance**0.5
    return (centre - half) / scale, (centre + half) / scale


def paired_bootstrap(
    correct_a, correct_b, *, num_samples: int = 10000, seed: int = 0
) -> tuple[float, float, float]:
    """The difference of two accuracies on the same videos, with its 95 % interval.

    Videos are drawn with replacement, each with both of its answers. Several runs
    are averaged video by video first: they say more of each video, but are no further
    videos, so they do not narrow the interval as such.

    Args:
        correct_a: `(N,)`, or `(S, N)` for S runs: whether each answer is right, or
            what each video adds to the accuracy, times N, where videos weigh
            differently.
        correct_b: likewise, of the same N videos; its S may differ.
        num_samples: how often the N videos are drawn.
        seed: of the draws.

    Returns:
        The accuracy of a minus that of b, and the ends of the interval (percentiles
        2.5 and 97.5).

    Raises:
        ValueError: the shapes do not fit, there is no video, or a value is NaN.

    Example:
        >>> paired_bootstrap([True, True], [False, False])
        (1.0, 1.0, 1.0)
    """
    means = []
    for name, correct in (("correct_a", correct_a), ("correct_b", correct_b)):
        correct = np.asarray(correct)
        if correct.ndim not in (1, 2) or not correct.size:
            raise ValueError(
                f"`{name}` must be (N,) or (S, N), not empty. "
                f"Received: {correct.shape}."
            )
        if np.isnan(correct.astype(np.float64)).any():
            raise ValueError(f"`{name}` must be numbers. Received: NaN among them.")
        means.append(np.atleast_2d(correct).mean(axis=0))
    if len(means[0]) != len(means[1]):
        raise ValueError(
            "`correct_a` and `correct_b` must have the same videos. "
            f"Received: {len(means[0])} and {len(means[1])}."
        )
    differences = means[0] - means[1]  # (N,)
    # Drawing N videos is drawing how often each distinct difference occurs among them.
    values, counts = np.unique(differences, return_counts=True)
    num_videos = len(differences)
    draws = np.random.default_rng(seed).multinomial(
        num_videos, counts / num_videos, size=num_samples
    )
    low, high = np.percentile(draws @ values / num_videos, (2.5, 97.5))
    return float(differences.mean()), float(low), float(high)


def endpoint_error(flow, expected, valid=None) -> float:
    """Mean length of the difference between two flow fields, in pixels (EPE).

    Source: Baker et al., "A Database and Evaluation Methodology for Optical Flow"
    (IJCV 2011); dissertation, section 4.4.3.

    Args:
        flow: `(..., H, W, 2)`, pixels.
        expected: same shape and unit.
        valid: bool `(..., H, W)`, the pixels that count; all of them by default. Where
            it is false, `expected` may hold anything.

    Returns:
        Pixels.

    Raises:
        ValueError: the shapes do not fit, no pixel counts, or one that counts is not
            finite.

    Example:
        >>> endpoint_error([[[3, 4], [0, 0]]], [[[0, 0], [0, 0]]])
        2.5
        >>> endpoint_error([[[3, 4], [0, 0]]], [[[0, 0], [9, 9]]], [[True, False]])
        5.0
    """
    return float(endpoint_errors(flow, expected, valid).mean())


def endpoint_errors(flow, expected, valid=None) -> np.ndarray:
    """The lengths that `endpoint_error` is the mean of, for medians and shares.

    Args:
        flow: `(..., H, W, 2)`, pixels.
        expected: same shape and unit.
        valid: bool `(..., H, W)`, the pixels that count; all of them by default.

    Returns:
        `(P,)` float64, pixels: one length for each of the P pixels that count.

    Raises:
        ValueError: as `endpoint_error`.
    """
    flow, expected = np.asarray(flow, np.float64), np.asarray(expected, np.float64)
    if flow.shape != expected.shape or flow.ndim < 3 or flow.shape[-1] != 2:
        raise ValueError(
            "`flow` and `expected` must both be (..., H, W, 2). "
            f"Received: {flow.shape} and {expected.shape}; enlarge the smaller first."
        )
    valid = np.ones(flow.shape[:-1], bool) if valid is None else np.asarray(valid)
    if valid.shape != flow.shape[:-1] or valid.dtype != bool:
        raise ValueError(
            f"`valid` must be bool {flow.shape[:-1]}, as the flow is {flow.shape}. "
            f"Received: {valid.dtype} {valid.shape}."
        )
    if not valid.any():
        raise ValueError("`valid` must be true somewhere. Received: no such pixel.")
    flow, expected = flow[valid], expected[valid]  # (P, 2)
    for name, values in (("flow", flow), ("expected", expected)):
        if not np.isfinite(values).all():
            raise ValueError(
                f"`{name}` must be finite where it is valid. Received: "
                f"{int((~np.isfinite(values)).any(axis=1).sum())} pixels that are not."
            )
    return np.hypot(*(flow - expected).T)


def summary(logits, labels) -> dict[str, float]:
    """The metrics of a set of videos, by name.

    Args:
        logits: `(N, K)`.
        labels: int `(N,)`, or multi-hot `(N, K)`.

    Returns:
        `top1` with its 95 % interval `top1_low` and `top1_high`, `top5`, `mean_class`,
        `map` (of softmax scores) and `num_videos`; of multi-hot labels `hit1`, `hit5`,
        `map` (of logits, which rank as their sigmoids do) and `num_videos`.

    Raises:
        ValueError: there is no video, or the values do not fit.
    """
    logits, labels = _checked(logits, labels)
    if labels.ndim == 2:
        return {
            "hit1": hit_at_k(logits, labels, 1),
            "hit5": hit_at_k(logits, labels, 5),
            "map": mean_average_precision(logits, labels),
            "num_videos": len(labels),
        }
    top1 = top_k_accuracy(logits, labels, 1)
    low, high = wilson_interval(round(top1 * len(labels)), len(labels))
    return {
        "top1": top1,
        "top1_low": low,
        "top1_high": high,
        "top5": top_k_accuracy(logits, labels, 5),
        "mean_class": mean_class_accuracy(logits, labels),
        "map": mean_average_precision(_softmax(logits), labels),
        "num_videos": len(labels),
    }


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _checked_single(logits, labels):
    logits, labels = np.asarray(logits), np.asarray(labels)
    if labels.ndim == 2 and labels.shape == logits.shape:
        raise ValueError(
            "`labels` must be class numbers (N,), one label a video. "
            f"Received: multi-hot {labels.shape}; this metric has no meaning for them."
        )
    return _checked(logits, labels)


def _checked(logits, labels):
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    fits = labels.shape in (logits.shape[:1], logits.shape)
    if logits.ndim != 2 or not logits.size or not fits:
        raise ValueError(
            "`logits` must be (N, K) and `labels` (N,) or (N, K), N > 0. "
            f"Received: {logits.shape} and {labels.shape}."
        )
    _check_no_nan("logits", logits)
    if labels.ndim == 2:
        _check_zero_or_one("labels", labels)
        return logits, labels
    if labels.dtype.kind not in "iu":
        raise ValueError(f"`labels` must be integers. Received: {labels.dtype}.")
    num_classes = logits.shape[1]
    beyond = labels[(labels < 0) | (labels >= num_classes)]
    if beyond.size:
        raise ValueError(
            f"`labels` must be 0 to {num_classes - 1}, as `logits` have {num_classes} "
            f"classes. Received: {beyond[0]}."
        )
    return logits, labels


def _check_no_nan(name, values):
    if np.isnan(values).any():
        raise ValueError(f"`{name}` must be numbers. Received: NaN, which has no rank.")


def _check_zero_or_one(name, values):
    odd = values[(values != 0) & (values != 1)]
    if odd.size:
        raise ValueError(f"`{name}` must be 0 or 1. Received: {odd[0]}.")


def _multi_hot(labels, logits):
    """Bool `(N, K)`, of labels of either kind."""
    if labels.ndim == 2:
        return labels.astype(bool)
    return labels[:, None] == np.arange(logits.shape[1])
