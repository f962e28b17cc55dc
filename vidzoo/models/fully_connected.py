"""fc6 and fc7: the wide layers before the classifier of AlexNet, VGG and C3D."""

from keras import layers

from vidzoo.weights import memory

LAYERS = ("fc6", "fc7")


def features(
    x,
    fc_size: int,
    dropout: float,
    *,
    dropout_first: bool = False,
    weights_follow: bool = False,
):
    """Feature maps to `(N, fc_size)` features: fc6 and fc7, ReLU after each.

    Args:
        x: `(N, ..., C)`; channels last, so weights of channels-first networks need
            their fc6 reordered (`vidzoo.weights.convert`).
        fc_size: units of each layer.
        dropout: rate.
        dropout_first: dropout before each of the two, not after it.
        weights_follow: both layers' weights are set next, so none are drawn.
    """
    x = layers.Flatten(name="flatten")(x)
    if dropout_first:
        x = layers.Dropout(dropout, name="flatten_dropout")(x)
    x = dense(x, fc_size, weights_follow, "fc6")
    x = layers.Dropout(dropout, name="fc6_dropout")(x)
    x = dense(x, fc_size, weights_follow, "fc7")
    return x if dropout_first else layers.Dropout(dropout, name="fc7_dropout")(x)


def dense(x, units: int, weights_follow: bool, name: str):
    """One such layer, with ReLU.

    Args:
        x: `(N, D)`.
        units: of the layer.
        weights_follow: its weights are set next, so none are drawn.
        name: of the layer.
    """
    layer = layers.Dense(units, activation="relu", name=name)
    drawn = layer.kernel_initializer
    if weights_follow:
        layer.kernel_initializer = memory.unset
    x = layer(x)
    layer.kernel_initializer = drawn  # a copy of the layer starts as any other
    return x
