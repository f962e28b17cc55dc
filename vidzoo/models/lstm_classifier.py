"""LSTM classifier: five layers of peephole LSTM over the frames of a video.

Source: dissertation, sections 3.3.2 and 3.3.3 (Ng et al., "Beyond Short Snippets: Deep
Networks for Video Classification", CVPR 2015): a softmax at every frame, and four rules
that make one answer of them. Decisions of ours: `docs/models/lstm_classifier.md`.
"""

import keras
from keras import layers, ops

from vidzoo.layers import PeepholeLSTM
from vidzoo.models import frame_network
from vidzoo.models.frame_network import DROPOUT
from vidzoo.weights.weights_file import WeightsFile

NETWORK = "lstm_classifier"
INFERENCES = ("last", "max", "sum", "weighted")
ACTIVATIONS = ("softmax", "sigmoid")


def LSTMClassifier(
    num_classes: int,
    *,
    num_frames: int | None = 30,
    backbone: str | None = "alexnet",
    modality: str = "rgb",
    frame_shape: tuple[int, ...] | None = None,
    num_layers: int = 5,
    num_cells: int = 512,
    inference: str = "weighted",
    activation: str = "softmax",
    fc_size: int = 4096,
    dropout: float = DROPOUT,
    weights: str | WeightsFile | None = None,
    name: str = "lstm_classifier",
) -> keras.Model:
    """Builds an LSTM classifier: `(N, T, H, W, C)` clips to logits.

    It reads what the backbone has of each frame: GoogLeNet's 1000-d output; of AlexNet
    and VGG fc7.

    Args:
        num_classes: K.
        num_frames: T. None for any number: the inputs are then `clip` and `mask`, bool
            `(N, T)`, true for real frames, which come before all others.
        backbone: see `FeaturePooling`; None where clips hold features.
        modality: see `FeaturePooling`.
        frame_shape: see `FeaturePooling`.
        num_layers: of LSTM.
        num_cells: in each.
        inference: how the frames' predictions become one: that of the `"last"` frame;
            their `"max"` or `"sum"` over time; or `"weighted"`, their sum weighted by
            the gain (`vidzoo.losses.gain`), which grows linearly with time.
        activation: what makes predictions of logits: `"softmax"`, or `"sigmoid"` for
            videos with several labels.
        fc_size: units of fc6 and fc7, where the backbone has them.
        dropout: rate after each of them.
        weights: see `FeaturePooling`.
        name: the model's name.

    Returns:
        A model on pixels 0..255, or on features, with the outputs `logits` `(N, K)`,
        whose `activation` is the prediction, and `frames` `(N, T, K)`, the logits of
        every frame, which training is for.

    Raises:
        ValueError: a value is unknown or out of range.
        WeightsError: the weights are of another network, variant or K.
    """
    _check(num_layers, inference, activation)
    frames = frame_network.read(
        backbone,
        modality=modality,
        num_frames=num_frames,
        frame_shape=frame_shape,
        weights=weights,
    )
    x = frames.vectors()
    if frames.backbone and frames.backbone.hidden:
        owned = frame_network.owns(frames.weights_file, NETWORK)
        hidden = frames.backbone.hidden
        x = frame_network.hidden_layers(x, hidden, fc_size, dropout, owned)
    x = frames.split(x)
    for number in range(1, num_layers + 1):
        lstm = PeepholeLSTM(num_cells, return_sequences=True, name=f"lstm_{number}")
        x = lstm(x, mask=frames.mask)
    logits = frame_network.classifier(x, num_classes)
    outputs = {
        "logits": video_logits(logits, frames.mask, inference, activation),
        "frames": layers.Identity(dtype="float32", name="frame_logits")(logits),
    }
    model = keras.Model(frames.inputs, outputs, name=name)
    frame_network.set_weights(model, frames, NETWORK)
    return model


def video_logits(logits, mask=None, inference="weighted", activation="softmax"):
    """The frames' answers as one (section 3.3.3).

    Predictions are combined, not logits; but by their logarithms, so that no prediction
    near 0 or 1 is rounded to it.

    Args:
        logits: `(N, T, K)`.
        mask: bool `(N, T)`, true for real frames; None if all are.
        inference: see `LSTMClassifier`.
        activation: likewise.

    Returns:
        `(N, K)`, of which `activation` makes the prediction; `"max"` rescaled to a
        distribution where that is a softmax.
    """
    if inference == "max":
        scores = ops.log_softmax(logits) if activation == "softmax" else logits
        return frame_network.masked_max(scores, mask)
    weights = _log_weights(logits, mask, inference)

    def log_of_mean(log_scores):
        # In this order: Keras 3.15 takes a second (1, T, 1) for a bias where T = K.
        return ops.logsumexp(weights + log_scores, axis=1)

    if activation == "softmax":
        return log_of_mean(ops.log_softmax(logits))
    yes, no = ops.log_sigmoid(logits), ops.log_sigmoid(-logits)
    return log_of_mean(yes) - log_of_mean(no)


def _log_weights(logits, mask, inference):
    """Logarithms of weights that sum to 1 over time, `(N, T, 1)`."""
    ones = ops.ones_like(logits[..., :1])
    real = ones if mask is None else ops.cast(mask, "float32")[..., None]
    places = ops.cumsum(ones, axis=1)  # 1 to T
    is_last = ops.equal(places, ops.sum(real, axis=1, keepdims=True))
    weights = {
        "last": ops.cast(is_last, "float32"),
        "sum": real,
        "weighted": real * places,
    }[inference]
    return ops.log(weights / ops.sum(weights, axis=1, keepdims=True))


def _check(num_layers, inference, activation):
    if num_layers < 1:
        raise ValueError(f"`num_layers` must be >= 1. Received: {num_layers}.")
    for name, value, choices in (
        ("inference", inference, INFERENCES),
        ("activation", activation, ACTIVATIONS),
    ):
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {choices}. Received: {value!r}.")
