"""What training minimises."""

from collections.abc import Callable, Mapping, Sequence

import keras
from keras import ops

KINDS = ("softmax", "sigmoid", "shared-softmax")
SEVERAL_LABELS = ("sigmoid", "shared-softmax")
# Of flow at four resolutions, the lowest first. Our decision: the source names no
# values; these are FlowNet-S's, 0.08, 0.02, 0.01 and 0.005 for sums over pixels, as
# weights of means, with 1 for the highest resolution.
RESOLUTION_WEIGHTS = (0.25, 0.25, 0.5, 1.0)


def classification_loss(outputs, labels, kind: str = "softmax", mask=None):
    """Mean cross-entropy, of every classifier of a network.

    A network with several classifiers (a TDN's `image` and `difference`) is trained by
    the sum of one cross-entropy each; the averaged `logits`, its prediction,
    then have none of their own. A classifier of every frame (an LSTM's `frames`) has
    the video's label at each, its cross-entropy weighted by the gain g(t) (section
    3.3.3); the mean over frames is taken, for which the source's learning rate is one
    per frame.

    Args:
        outputs: `(N, K)` logits, or a dictionary of them, or of logits of every frame,
            `(N, T, K)`.
        labels: int `(N,)`; but for `"softmax"` also multi-hot `(N, K)`.
        kind: `"softmax"`; or, for videos with several labels, `"sigmoid"`, one yes or
            no per class, summed over classes, so that a logit's gradient is as large as
            that of a softmax; or `"shared-softmax"`, a softmax whose target is divided
            evenly among a video's labels.
        mask: bool `(N, T)`, true for real frames; None if all are. Of interest to
            logits of every frame alone.

    Returns:
        A scalar.

    Raises:
        ValueError: `kind` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {KINDS}. Received: {kind!r}.")
    if not isinstance(outputs, dict):
        return _cross_entropy(outputs, labels, kind, mask)
    heads = [x for x in sorted(outputs) if x != "logits" and not is_flow(outputs[x])]
    heads = heads or ["logits"]  # of an ActionFlowNet
    return sum(_cross_entropy(outputs[name], labels, kind, mask) for name in heads)


def multitask_loss(
    outputs: Mapping,
    labels,
    flow_true,
    *,
    flow_weight: float = 1.0,
    resolution_weights: Sequence[float] = RESOLUTION_WEIGHTS,
    kind: str = "softmax",
    mean_count: Callable = lambda count: count,
):
    """Classification and flow together (Eqs. 4.2 and 4.4).

    Args:
        outputs: with `logits`, and with `flow`, at one resolution or several; of a
            FlowNet without `logits`, of which the flow loss alone is left; of a
            classifier without `flow`.
        labels: as `classification_loss` takes them.
        flow_true: as `flow_loss` takes it; of no interest with a weight of 0.
        flow_weight: lambda; 0 for the classification loss alone. Our decision: the
            source sums the endpoint error over frames and pixels, and names no value;
            here it is averaged, so that lambda does not depend on sizes.
        resolution_weights: as `flow_loss` takes them.
        kind: as `classification_loss` takes it.
        mean_count: as `endpoint_error` takes it.

    Returns:
        A scalar.
    """
    loss = 0.0
    if not all(map(is_flow, outputs.values())):
        loss = classification_loss(outputs, labels, kind)
    if flow_weight and any(map(is_flow, outputs.values())):
        flow = flow_loss(outputs, flow_true, resolution_weights, mean_count)
        loss = loss + flow_weight * flow
    return loss


def flow_loss(
    outputs: Mapping,
    flow_true,
    resolution_weights: Sequence[float] = RESOLUTION_WEIGHTS,
    mean_count: Callable = lambda count: count,
):
    """Endpoint error of predicted flow, at all resolutions (Eqs. 4.1 and 4.3).

    Args:
        outputs: with `flow`, `(N, T, h, w, 2)`, and perhaps with `flow_<stage>`, of
            lower resolutions; others are of no interest. All are in pixels of the input
            frames.
        flow_true: `(N, T, H, W, 2)`, likewise, NaN where it is not known. Each output
            is compared with its average over areas (`shrunk`).
        resolution_weights: alpha, the lowest resolution first; their last ones where
            there are fewer resolutions.
        mean_count: as `endpoint_error` takes it.

    Returns:
        A scalar: sums over resolutions of the mean over known places, T and N. NaN if
        no place is known.

    Raises:
        ValueError: there are more resolutions than weights, or as in `shrunk`.
    """
    flows = [output for output in outputs.values() if is_flow(output)]
    flows.sort(key=lambda flow: flow.shape[2])
    if len(flows) > len(resolution_weights):
        raise ValueError(
            f"`resolution_weights` must be at least {len(flows)}, one for each "
            f"resolution of the flow. Received: {tuple(resolution_weights)}."
        )
    weights = resolution_weights[len(resolution_weights) - len(flows) :]
    return sum(
        weight * endpoint_error(flow_true, flow, mean_count)
        for weight, flow in zip(weights, flows, strict=True)
    )


def endpoint_error(flow_true, flow_pred, mean_count: Callable = lambda count: count):
    """Mean distance between predicted and true flow, where the latter is known.

    Source: Eq. 4.1, with the mean over frames and pixels in place of their sum. Its
    gradient at a perfect prediction is zero.

    Args:
        flow_true: `(N, T, H, W, 2)`, NaN where it is not known.
        flow_pred: `(N, T, h, w, 2)`, at that resolution or a lower one.
        mean_count: where several devices share a batch, a device's count of known
            places to the mean of their counts. The mean of the devices' answers is then
            that of the whole batch, however the known places are spread over them.

    Returns:
        A scalar, in pixels of the input; NaN if no place is known.

    Raises:
        ValueError: as in `shrunk`.
    """
    flow_pred = ops.cast(flow_pred, "float32")
    flow_true, known = shrunk(flow_true, tuple(flow_pred.shape[2:4]))
    squares = ops.sum(ops.square(flow_true - flow_pred), axis=-1)
    squares = ops.where(known, squares, 0.0)
    # The root's slope at 0 is infinite, so it is not taken there.
    is_off = squares > 0
    distances = ops.where(is_off, ops.sqrt(ops.where(is_off, squares, 1.0)), 0.0)
    return ops.sum(distances) / mean_count(ops.sum(ops.cast(known, "float32")))


def shrunk(flow_true, size: tuple[int, int]):
    """Flow averaged over areas, without the places where it is not known.

    The vectors keep their unit, pixels of the frames.

    Args:
        flow_true: `(N, T, H, W, 2)`, NaN where it is not known.
        size: `(h, w)`, which divide H and W.

    Returns:
        `(N, T, h, w, 2)`, zero where nothing is known, and bool `(N, T, h, w)`, true
        where a part of the area is known.

    Raises:
        ValueError: h and w do not divide H and W by one number.
    """
    _, num_frames, *full, _ = flow_true.shape
    factors = {a / b for a, b in zip(full, size, strict=True)}
    if len(factors) != 1 or (factor := factors.pop()) != int(factor) or factor < 1:
        raise ValueError(
            f"`flow_true` must have the clip's size, a multiple of the prediction's, "
            f"{size}. Received: {tuple(full)}; the flow is of other frames."
        )
    factor = int(factor)
    flow_true = ops.cast(flow_true, "float32")
    known = ops.all(flow_true == flow_true, axis=-1, keepdims=True)  # NaN differs
    flow_true = ops.where(known, flow_true, 0.0)
    # (N, T, H, W, C) -> (N, T, h, factor, w, factor, C)
    shape = (-1, num_frames, size[0], factor, size[1], factor)
    known = ops.cast(ops.reshape(known, (*shape, 1)), "float32")
    counts = ops.sum(known, axis=(3, 5))
    total = ops.sum(ops.reshape(flow_true, (*shape, 2)), axis=(3, 5))
    return total / ops.maximum(counts, 1.0), counts[..., 0] > 0


def share_unknown(flow_true):
    """The share of a true flow's places that are not known: a scalar."""
    is_unknown = ops.any(flow_true != flow_true, axis=-1)
    return ops.mean(ops.cast(is_unknown, "float32"))


def is_flow(output) -> bool:
    """Whether an output is flow, `(N, T, h, w, 2)`; a stream named so has logits."""
    return len(output.shape) == 5


def gain(num_frames: int, lengths=None):
    """g(t): rises linearly with time, to 1 at the last frame.

    The source has 0 before the first frame and 1 at the last (section 3.3.3), so that a
    single frame's gain is 1.

    Args:
        num_frames: T.
        lengths: `(N,)`, real frames of each clip, where these differ; beyond its own a
            clip's gain is 0.

    Returns:
        `(T,)`, or `(N, T)`.

    Example:
        >>> ops.convert_to_numpy(gain(4)).tolist()
        [0.25, 0.5, 0.75, 1.0]
        >>> ops.convert_to_numpy(gain(4, ops.array([2.0]))).tolist()
        [[0.5, 1.0, 0.0, 0.0]]
    """
    times = ops.arange(1, num_frames + 1, dtype="float32")
    if lengths is None:
        return times / num_frames
    gains = times / ops.cast(lengths, "float32")[:, None]
    return ops.where(gains > 1, 0.0, gains)


def prediction(outputs):
    """The logits that a network answers with: `outputs`, or its `logits`."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs


def _cross_entropy(logits, labels, kind, mask):
    logits = ops.cast(logits, "float32")
    labels = ops.convert_to_tensor(labels)
    if len(logits.shape) == 3:
        return _of_frames(logits, labels, kind, mask)
    return ops.mean(_losses(labels, logits, kind))


def _of_frames(logits, labels, kind, mask):
    num_frames = ops.shape(logits)[1]
    labels = ops.repeat(labels[:, None], num_frames, axis=1)  # the video's, everywhere
    losses = _losses(labels, logits, kind)  # (N, T)
    if mask is None:
        return ops.mean(losses * gain(num_frames))
    lengths = ops.sum(ops.cast(mask, "float32"), axis=1)
    losses = losses * gain(num_frames, lengths)
    return ops.mean(ops.sum(losses, axis=1) / lengths)


def _losses(labels, logits, kind):
    """One cross-entropy for each label: `(N,)`, or `(N, T)`."""
    if kind == "softmax":
        return keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )
    if len(labels.shape) < len(logits.shape):
        labels = ops.one_hot(labels, logits.shape[-1])
    labels = ops.cast(labels, "float32")
    if kind == "sigmoid":
        # log(1 + e^x) - x y, without overflow for large x
        return ops.sum(ops.softplus(logits) - logits * labels, axis=-1)
    count = ops.maximum(ops.sum(labels, axis=-1, keepdims=True), 1.0)
    return -ops.sum(labels / count * ops.log_softmax(logits), axis=-1)
