"""What training minimises."""

import keras
from keras import ops

KINDS = ("softmax", "sigmoid", "shared-softmax")
SEVERAL_LABELS = ("sigmoid", "shared-softmax")


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
    heads = [name for name in sorted(outputs) if name != "logits"]
    return sum(_cross_entropy(outputs[name], labels, kind, mask) for name in heads)


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
