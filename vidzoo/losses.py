"""What training minimises."""

import keras
from keras import ops


def classification_loss(outputs, labels, kind: str = "softmax"):
    """Mean cross-entropy, of every classifier of a network.

    A network with several classifiers (a TDN's `image` and `difference`) is trained by
    the sum of one cross-entropy each; the averaged `logits`, its prediction,
    then have none of their own.

    Args:
        outputs: `(N, K)` logits, or a dictionary of them.
        labels: int `(N,)`, or multi-hot `(N, K)`.
        kind: `"softmax"`, where several labels of a video share its probability
            evenly; or `"sigmoid"`, one yes or no per class, summed over classes, so
            that a logit's gradient is as large as that of a softmax.

    Returns:
        A scalar.

    Raises:
        ValueError: `kind` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {tuple(KINDS)}. Received: {kind!r}.")
    if not isinstance(outputs, dict):
        return _cross_entropy(outputs, labels, kind)
    heads = [name for name in sorted(outputs) if name != "logits"]
    return sum(_cross_entropy(outputs[name], labels, kind) for name in heads)


def prediction(outputs):
    """The logits that a network answers with: `outputs`, or its `logits`."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs


def _cross_entropy(logits, labels, kind):
    logits = ops.cast(logits, "float32")
    labels = ops.convert_to_tensor(labels)
    if len(labels.shape) == 1:
        if kind == "softmax":
            return ops.mean(
                keras.losses.sparse_categorical_crossentropy(
                    labels, logits, from_logits=True
                )
            )
        labels = ops.one_hot(labels, logits.shape[-1])
    return ops.mean(KINDS[kind](ops.cast(labels, "float32"), logits))


def _softmax(labels, logits):
    shares = labels / ops.sum(labels, axis=-1, keepdims=True)
    return keras.losses.categorical_crossentropy(shares, logits, from_logits=True)


def _sigmoid(labels, logits):
    # log(1 + e^x) - x y, without overflow for large x
    losses = ops.softplus(logits) - logits * labels
    return ops.sum(losses, axis=-1)


KINDS = {"softmax": _softmax, "sigmoid": _sigmoid}
