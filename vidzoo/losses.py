"""What training minimises."""

import keras
from keras import ops


def classification_loss(outputs, labels):
    """Mean softmax cross-entropy, of every classifier of a network.

    A network with several classifiers (a TDN's `image` and `difference`) is trained by
    the sum of one cross-entropy each; the averaged `logits`, its prediction,
    then have none of their own.

    Args:
        outputs: `(N, K)` logits, or a dictionary of them.
        labels: int `(N,)`.

    Returns:
        A scalar.
    """
    if not isinstance(outputs, dict):
        return _cross_entropy(outputs, labels)
    heads = [name for name in sorted(outputs) if name != "logits"]
    return sum(_cross_entropy(outputs[name], labels) for name in heads)


def prediction(outputs):
    """The logits that a network answers with: `outputs`, or its `logits`."""
    return outputs["logits"] if isinstance(outputs, dict) else outputs


def _cross_entropy(logits, labels):
    logits = ops.cast(logits, "float32")
    losses = keras.losses.sparse_categorical_crossentropy(
        labels, logits, from_logits=True
    )
    return ops.mean(losses)
