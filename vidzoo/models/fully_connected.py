"""fc6 and fc7: the wide layers before the classifier of AlexNet, VGG and C3D."""

from keras import layers

LAYERS = ("fc6", "fc7")


def features(x, fc_size: int, dropout: float, *, dropout_first: bool = False):
    """Feature maps to `(N, fc_size)` features: fc6 and fc7, ReLU after each.

    Args:
        x: `(N, ..., C)`; channels last, so weights of channels-first networks need
            their fc6 reordered (`vidzoo.weights.convert`).
        fc_size: units of each layer.
        dropout: rate.
        dropout_first: dropout before each of the two, not after it.
    """
    x = layers.Flatten(name="flatten")(x)
    if dropout_first:
        x = layers.Dropout(dropout, name="flatten_dropout")(x)
    x = layers.Dense(fc_size, activation="relu", name="fc6")(x)
    x = layers.Dropout(dropout, name="fc6_dropout")(x)
    x = layers.Dense(fc_size, activation="relu", name="fc7")(x)
    return x if dropout_first else layers.Dropout(dropout, name="fc7_dropout")(x)
