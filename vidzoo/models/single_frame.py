"""Single frame: an image network on each frame, its answers averaged.

The comparison system of the dissertation's section 3.4 (tables 3.2, 3.5 and 3.7), after
Karpathy et al. 2014: trained on single frames drawn from the videos.
"""

import keras
from keras import layers

from vidzoo.models import backbones, frame_network
from vidzoo.models.frame_network import DROPOUT
from vidzoo.weights.weights_file import WeightsFile

NETWORK = "single_frame"


def SingleFrame(
    num_classes: int,
    *,
    num_frames: int | None = 1,
    backbone: str | None = "alexnet",
    modality: str = "rgb",
    frame_shape: tuple[int, ...] | None = None,
    fc_size: int = 4096,
    dropout: float = DROPOUT,
    weights: str | WeightsFile | None = None,
    name: str = "single_frame",
) -> keras.Model:
    """Builds an image network for clips: `(N, T, H, W, C)` to `(N, K)` logits.

    On AlexNet and VGG it has the layers of `FeaturePooling` with `"conv"`, `"late"` or
    `"slow"`, which its weights therefore start; on others, the backbone's average over
    space and a classifier.

    Args:
        num_classes: K.
        num_frames: T, whose logits are averaged; trained on one. None for any number:
            the inputs are then `clip` and `mask`, bool `(N, T)`, true for real frames.
        backbone: see `FeaturePooling`; None where clips hold features, of which there
            is the classifier alone.
        modality: see `FeaturePooling`.
        frame_shape: see `FeaturePooling`.
        fc_size: units of fc6 and fc7, where the backbone has them.
        dropout: rate after each of them, or before the classifier.
        weights: see `FeaturePooling`.
        name: the model's name.

    Returns:
        A model on pixels 0..255, or on features.

    Raises:
        ValueError: a value is unknown, or does not fit another.
        WeightsError: the weights are of another network, variant or K.
    """
    frames = frame_network.read(
        backbone,
        modality=modality,
        num_frames=num_frames,
        frame_shape=frame_shape,
        weights=weights,
        features=_features(backbone),
    )
    hidden = frames.backbone.hidden if frames.backbone else ()
    x = frames.vectors()
    if hidden:
        owned = frame_network.owns(frames.weights_file, NETWORK)
        x = frame_network.hidden_layers(x, hidden, fc_size, dropout, owned)
    else:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = frames.split(frame_network.classifier(x, num_classes))
    x = frame_network.masked_mean(x, frames.mask)
    logits = layers.Identity(dtype="float32", name="pooled")(x)
    model = keras.Model(frames.inputs, logits, name=name)
    frame_network.set_weights(model, frames, NETWORK)
    return model


def _features(backbone):
    """A frame's features: as the network itself has them, before its classifier."""
    if backbone is None:
        return None
    return "map" if backbones.get(backbone).hidden else "average"
