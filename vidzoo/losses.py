"""What training minimises."""

import keras
from keras import ops


def classification_loss(outputs, labels, loss_weights=None):
    """Mean softmax cross-entropy, of every classifier of a network.

    A network with several classifiers (a TDN's `image` and `difference`) is trained by
    the weighted sum of one cross-entropy each; the averaged `logits`, its prediction,
    then have none of their own.

    Args:
        outputs: `(N, K)` logits, or a dictionary of them.
        labels: int `(N,)`.
        loss_weights: output name -> factor; 1 where it is not named.

    Returns:
        A scalar.
    """
    if not isinstance(outputs, dict):
        return _cross_entropy(outputs, labels)
    loss_weights = loss_weights or {}
    heads = [name for name in sorted(outputs) if name != "logits"]
    return sum(
        loss_weights.get(name, 1.0) * _cross_entropy(outputs[name], labels)
        for name in heads
    )


def prediction(outputs):
    """The logits that a network answers with: `outputs`, or its `logits`."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs


def _cross_entropy(logits, labels):
    logits = ops.cast(logits, "float32")
    losses = keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )
    return ops.mean(losses)
