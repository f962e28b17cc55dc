"""What training minimises."""

import keras
from keras import ops

KINDS = ("softmax", "sigmoid")


def classification_loss(outputs, labels, kind: str = "softmax"):
    """Mean cross-entropy, of every classifier of a network.

    A network with several classifiers (a TDN's `image` and `difference`) is trained by
    the sum of one cross-entropy each; the averaged `logits`, its prediction,
    then have none of their own.

    Args:
        outputs: `(N, K)` logits, or a dictionary of them.
        labels: int `(N,)`; for `"sigmoid"` also multi-hot `(N, K)`.
        kind: `"softmax"`; or `"sigmoid"`, one yes or no per class, summed over classes,
            so that a logit's gradient is as large as that of a softmax.

    Returns:
        A scalar.

    Raises:
        ValueError: `kind` is unknown.
    """
    if kind not in KINDS:
        raise ValueError(f"`kind` must be one of {KINDS}. Received: {kind!r}.")
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
    if kind == "softmax":
        losses = keras.losses.sparse_categorical_crossentropy(
            labels, logits, from_logits=True
        )
    else:
        losses = _sigmoid(labels, logits)
    return ops.mean(losses)


def _sigmoid(labels, logits):
    if len(labels.shape) == 1:
        labels = ops.one_hot(labels, logits.shape[-1])
    labels = ops.cast(labels, "float32")
    # log(1 + e^x) - x y, without overflow for large x
    return ops.sum(ops.softplus(logits) - logits * labels, axis=-1)
