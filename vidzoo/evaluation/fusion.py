"""Fusion: the scores of several networks, on the same videos, as one.

Networks that see different things, RGB and flow say, are trained apart and answer
together. Only a network's prediction takes part, not its several classifiers.

Source: dissertation, section 5.3.3 (weighted average of l1-normalised logits), and
Table 3.7's comparison of averaging with a support vector machine.
"""

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vidzoo import metrics
from vidzoo.errors import VidzooError
from vidzoo.evaluation import matching
from vidzoo.evaluation.scores import Scores

_log = logging.getLogger("vidzoo")


def _l1(logits):
    return logits / _nonzero(np.abs(logits).sum(axis=1, keepdims=True))


def _softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _nonzero(sums):
    return np.where(sums == 0, 1, sums)


# From float64 `(N, K)` logits to what is fused, video by video.
NORMALIZATIONS = {"l1": _l1, "softmax": _softmax, "none": lambda logits: logits}


def fuse(
    scores: Sequence[Scores],
    weights: Sequence[float] | None = None,
    normalize: str = "l1",
    *,
    names: Sequence[str] | None = None,
) -> Scores:
    """The weighted sum of several networks' logits.

    Source: dissertation, section 5.3.3: logits before softmax, each video's divided by
    their l1 norm, RGB:flow = 1:1.5. The sum is not divided by the weights' sum, which
    would change no video's answer.

    Args:
        scores: two or more, of the same videos, which are matched by id.
        weights: one per scores, 0 or from 1e-6 to 1e6, not all 0; 1 each unless told.
        normalize: each video's logits before they are weighted: `"l1"`, divided by the
            sum of their absolute values, zeros staying zeros; `"softmax"`; or `"none"`.
        names: of the streams, all different; `"1"`, `"2"`, … unless told.

    Returns:
        `Scores` with the videos in the order of the first: `logits` `(N, K)`; in
        `streams` each input's own logits, not normalised; and a `protocol` that says
        what was fused.

    Raises:
        ValueError: weights, normalisation or names are not such.
        VidzooError: videos, labels or classes differ, or a logit is NaN or infinite.

    Example:
        >>> def of_one_video(*logits):
        ...     return Scores(
        ...         video_ids=np.array(["v"]),
        ...         labels=np.array([0]),
        ...         logits=np.array([logits], np.float32),
        ...         classes=np.array(["a", "b"]),
        ...         protocol="center",
        ...     )
        >>> fused = fuse([of_one_video(3, 1), of_one_video(-10, 10)], [1, 1.5])
        >>> fused.logits.tolist()  # 3/4 - 1.5 * 10/20, 1/4 + 1.5 * 10/20
        [[0.0, 1.0]]
        >>> fused.protocol
        'l1, 1 x 1 (center) + 1.5 x 2 (center)'
    """
    names = _checked_names(names, len(scores))
    weights = checked_weights(weights, len(scores))
    function = checked_normalization(normalize)
    scores = matching.matched(scores, names)
    terms = [
        weight * function(each.logits.astype(np.float64))
        for weight, each in zip(weights, scores, strict=True)
    ]
    described = [
        f"{weight:g} x {name} ({each.protocol})"
        for weight, name, each in zip(weights, names, scores, strict=True)
    ]
    protocol = f"{normalize}, {' + '.join(described)}"
    return _fused(scores, names, sum(terms), protocol)


def fuse_by_svm(
    scores: Sequence[Scores],
    fit: Sequence[Scores],
    normalize: str = "l1",
    *,
    c: float = 1.0,
    names: Sequence[str] | None = None,
) -> Scores:
    """A linear support vector machine's decision on several networks' logits.

    Source: dissertation, Table 3.7, which quotes Simonyan & Zisserman 2014. Theirs is
    one multi-class problem on stacked softmax scores, each video's of unit l2 norm;
    ours is one class against the rest (scikit-learn's `LinearSVC`), on logits that are
    normalised as for `fuse`.

    Args:
        scores: two or more, of the same videos, of one label each.
        fit: scores of the same networks in the same order, on other videos, from which
            it learns. A network is surer of videos it was trained on than of others, so
            videos that it was not trained on serve better.
        normalize: see `fuse`. After it one number per stream, the same for all videos,
            brings the vectors of `fit` to an l2 norm of 1 (root mean square), so that
            streams weigh the same, and `c` means the same whatever the normalisation
            and the number of classes.
        c: the inverse strength of the regularisation. 1 is scikit-learn's own choice,
            and meant for vectors of about that norm; choosing it by the test videos
            would fit them.
        names: of the streams, all different; `"1"`, `"2"`, … unless told.

    Returns:
        `Scores` as of `fuse`; `logits` are the decision values.

    Raises:
        ValueError: normalisation, `c` or names are not such, there is not one `fit` per
            scores, or videos have several labels.
        VidzooError: as `fuse`, also between `fit` and `scores`; a video is in both; or
            a class has no video to learn from.
    """
    names = _checked_names(names, len(scores))
    function = checked_normalization(normalize)
    if len(fit) != len(scores):
        raise ValueError(
            f"`fit` must be one scores per stream, {len(scores)}. Received: {len(fit)}."
        )
    if not (np.isfinite(c) and c > 0):
        raise ValueError(f"`c` must be a positive number. Received: {c}.")
    fit_names = [f"fit {name}" for name in names]
    scores, fit = matching.matched(scores, names), matching.matched(fit, fit_names)
    check_fit(scores[0], fit[0], names[0], fit_names[0])
    features, scales = _features(fit, function)
    machine = _fitted(features, fit[0].labels, c)
    decisions = machine.decision_function(_features(scores, function, scales)[0])
    if decisions.ndim == 1:  # of two classes, it decides for the second
        decisions = np.stack([-decisions, decisions], axis=1)
    described = [
        f"{name} ({each.protocol})" for name, each in zip(names, scores, strict=True)
    ]
    protocol = f"svm on {normalize}, {' + '.join(described)}"
    return _fused(scores, names, decisions, protocol)


@dataclass(frozen=True)
class Gain:
    """What fusion adds to its best stream.

    Attributes:
        stream: the one of highest top-1 accuracy (Hit@1 of several labels), the first
            of equals. It is chosen by the very videos that are measured, so it is
            rather flattered, and the gain is not.
        gain: of the fused accuracy over that of `stream`.
        low: the lower end of its 95 % interval.
        high: the upper end.
    """

    stream: str
    gain: float
    low: float
    high: float


def gain_over_best(scores: Scores) -> Gain:
    """The accuracy of fused scores minus that of the best stream, on the same videos.

    Args:
        scores: what `fuse` gave.

    Returns:
        The difference with the interval of `metrics.paired_bootstrap`.
    """
    correct = {
        name: _correct(logits, scores.labels) for name, logits in scores.streams.items()
    }
    best = max(correct, key=lambda name: correct[name].mean())
    fused = _correct(scores.logits, scores.labels)
    return Gain(best, *metrics.paired_bootstrap(fused, correct[best]))


def check_fit(scores: Scores, fit: Scores, name: str, fit_name: str) -> None:
    """Checks that a support vector machine can learn from `fit` and answer `scores`.

    Args:
        scores: to be fused.
        fit: to learn from.
        name: of `scores`, for messages, such as its file.
        fit_name: of `fit`, likewise.

    Raises:
        ValueError: videos have several labels.
        VidzooError: the classes differ, one has no video to learn from, or a video is
            in both; the message lists the first.
    """
    if scores.labels.ndim == 2 or fit.labels.ndim == 2:
        raise ValueError(
            "`scores` and `fit` must be of one label a video: a support vector machine "
            "chooses one class. Received: multi-hot labels; average instead."
        )
    faults = list(matching.class_faults(scores, fit, name, fit_name))
    if faults:
        raise VidzooError(
            f"{fit_name} does not go with {name}: {faults[0]}. Fit on scores of the "
            "same networks."
        )
    fitted = set(fit.video_ids.tolist())
    both = [video_id for video_id in scores.video_ids.tolist() if video_id in fitted]
    if both:
        raise VidzooError(
            f"{fit_name} and {name} share {matching.how_many(both, 'video', 'videos')}:"
            f" {matching.first_few(both)}. A video that was learnt from is no test; "
            "fit on others."
        )
    unseen = np.setdiff1d(np.arange(len(fit.classes)), fit.labels)
    if len(unseen):
        names = fit.classes[unseen].tolist()
        raise VidzooError(
            f"{fit_name}: no video of {matching.how_many(names, 'class', 'classes')}: "
            f"{matching.first_few(names)}. Fit on videos of every class."
        )
    if len(fit.classes) < 2:
        raise VidzooError(
            f"{fit_name}: knows one class, {fit.classes[0]}; a support vector machine "
            "chooses among two or more."
        )


def checked_weights(weights: Sequence[float] | None, num_streams: int) -> np.ndarray:
    """float64 `(S,)`, 1 each unless told.

    Raises:
        ValueError: there is not one per stream, or they are no weights.
    """
    weights = np.ones(num_streams) if weights is None else np.asarray(weights, float)
    listed = ",".join(f"{weight:g}" for weight in weights)
    if len(weights) != num_streams:
        raise ValueError(
            f"`weights` must be one number per stream, {num_streams}. "
            f"Received: {len(weights)}, {listed}."
        )
    # Far smaller or larger ones would lose the sum's ranking in float32.
    usable = (weights == 0) | ((weights >= 1e-6) & (weights <= 1e6))
    if not usable.all() or not weights.any():
        raise ValueError(
            "`weights` must be 0, or from 0.000001 to 1000000, and not all of them 0. "
            f"Received: {listed}."
        )
    return weights


def checked_normalization(name: str):
    """The function of that name, of `NORMALIZATIONS`.

    Raises:
        ValueError: there is none.
    """
    if name not in NORMALIZATIONS:
        raise ValueError(
            f"`normalize` must be one of {', '.join(NORMALIZATIONS)}. Received: {name}."
        )
    return NORMALIZATIONS[name]


def _checked_names(names, num_streams):
    if num_streams < 2:
        raise ValueError(f"`scores` must be two or more. Received: {num_streams}.")
    names = names or [str(number + 1) for number in range(num_streams)]
    if len(names) != num_streams or len(set(names)) < num_streams:
        raise ValueError(
            f"`names` must be one per stream, {num_streams}, all different. "
            f"Received: {', '.join(names)}."
        )
    return list(names)


def _fused(scores, names, logits, protocol):
    with np.errstate(over="ignore"):  # found below
        logits = np.asarray(logits).astype(np.float32)
    fused = Scores(
        video_ids=scores[0].video_ids,
        labels=scores[0].labels,
        logits=logits,
        classes=scores[0].classes,
        protocol=protocol,
        streams={n: each.logits for n, each in zip(names, scores, strict=True)},
    )
    matching.check_finite(fused, "the fused scores")
    return fused


def _correct(logits, labels):
    """Bool `(N,)`: whether the highest logit is right."""
    answers = logits.argmax(axis=1)
    if labels.ndim == 1:
        return answers == labels
    return np.take_along_axis(labels, answers[:, None], axis=1)[:, 0] == 1


def _features(scores, normalization, scales=None):
    """float64 `(N, S*K)`, and the number that each stream's part was divided by."""
    parts = [normalization(each.logits.astype(np.float64)) for each in scores]
    if scales is None:
        norms = [np.linalg.norm(part, axis=1) for part in parts]
        scales = [_nonzero(np.sqrt(np.mean(norm**2))) for norm in norms]
    scaled = [part / scale for part, scale in zip(parts, scales, strict=True)]
    return np.concatenate(scaled, axis=1), scales


def _fitted(features, labels, c):
    from sklearn.exceptions import ConvergenceWarning  # scikit-learn takes a second
    from sklearn.svm import LinearSVC

    # In the primal form nothing is drawn, and the optimum is unique: neither seed nor
    # the order of videos matters.
    machine = LinearSVC(C=c, dual=False, max_iter=10_000, random_state=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(features, labels)
    for warning in caught:
        _log.warning("the support vector machine: %s", warning.message)
    return machine
