"""Feature pooling: the frames of a whole video, pooled over time inside the network.

Source: dissertation, section 3.3.1 and figure 3.2 (Ng et al., "Beyond Short Snippets:
Deep Networks for Video Classification", CVPR 2015). Decisions of ours:
`docs/models/feature_pooling.md`.
"""

from collections.abc import Mapping

import keras
from keras import layers, ops

from vidzoo.layers import SplitTime
from vidzoo.models import frame_network
from vidzoo.models.frame_network import (
    DROPOUT,
    classifier,
    hidden_layers,
    masked_max,
    masked_mean,
)
from vidzoo.models.windows import STRIDE, WINDOW
from vidzoo.weights.weights_file import WeightsFile

# pooling: the network's name in weights files; several fit by shape, none by answers
NETWORKS = {
    "conv": "conv_pooling",
    "late": "late_pooling",
    "slow": "slow_pooling",
    "local": "local_pooling",
    "time_domain_conv": "time_domain_convolution",
}
AGGREGATES = ("max", "average", "fc")
_KERNELS = 256  # of the time-domain convolution, 3x3 over one window
# Poolings that a network on single frames expands to, if it has their hidden layers.
_OF_SINGLE_FRAMES = ("conv", "late", "slow")


def FeaturePooling(
    num_classes: int,
    *,
    pooling: str = "conv",
    aggregate: str = "max",
    num_frames: int | None = 30,
    backbone: str | None = "alexnet",
    modality: str = "rgb",
    frame_shape: tuple[int, ...] | None = None,
    fc_size: int = 4096,
    dropout: float = DROPOUT,
    weights: str | WeightsFile | None = None,
    name: str = "feature_pooling",
) -> keras.Model:
    """Builds a feature-pooling network: `(N, T, H, W, C)` clips to `(N, K)` logits.

    Args:
        num_classes: K.
        pooling: where frames are pooled. `"conv"`: what the CNN has of each frame, then
            two fully connected layers. `"late"`: after these two. `"slow"`: windows of
            10 frames with stride 5, a fully connected layer, then all windows, and
            another. `"local"`: windows, the two layers, then a classifier that sees all
            windows side by side. `"time_domain_conv"`: 256 kernels of 3x3 over windows,
            then these, then the two layers.
        aggregate: what pools: `"max"`, `"average"` or `"fc"`, frames (or windows) side
            by side for the fully connected layer that follows, in which form the paper
            compares it.
        num_frames: T. None for any number: the inputs are then `clip` and `mask`, bool
            `(N, T)`, true for real frames, which come before all others. Not for
            `"local"` and `"fc"`, whose weights are for one T.
        backbone: a key of `vidzoo.models.backbones.BACKBONES`, or `"alexnet"`, the
            source's own. None where clips hold features, the "(fc)" way.
        modality: `"rgb"`; or `"flow_image"`, one flow field, which the network sees as
            a colour image with a third channel of zeros (section 3.3.4).
        frame_shape: `(H, W, C)` of a frame; None for 220x220 and C = 3 or 2. Without a
            backbone that of a frame's features, `(D,)` or `(h, w, C)`.
        fc_size: units of each fully connected layer.
        dropout: rate after each of them.
        weights: None, or the path of a weights file: of this network, or of its
            backbone (or `"imagenet"`, or a preset), of which all comes along that fits;
            or weights already read, e.g. an expansion (`initialize.expanded`).
        name: the model's name.

    Returns:
        A model on pixels 0..255, or on features. A clip without a real frame is an
        error (`vidzoo.layers.RealFrames`).

    Raises:
        ValueError: a value is unknown, or does not fit another; `"slow"`, `"local"` and
            `"time_domain_conv"` need 10 frames.
        WeightsError: the weights are of another network, variant, K or T.
    """
    _check(pooling, aggregate, num_frames)
    frames = frame_network.read(
        backbone,
        modality=modality,
        num_frames=num_frames,
        frame_shape=frame_shape,
        weights=weights,
        features="map" if pooling == "time_domain_conv" else None,
        minimum=_minimum(pooling),
    )
    network = network_name(pooling, aggregate)
    options = (fc_size, dropout, frame_network.owns(frames.weights_file, network))
    x = _POOLINGS[pooling](frames, _Pool(aggregate), options)
    model = keras.Model(frames.inputs, classifier(x, num_classes), name=name)
    hidden = frames.backbone is not None and frames.backbone.hidden
    same_layers = hidden and pooling in _OF_SINGLE_FRAMES and aggregate != "fc"
    frame_network.set_weights(
        model, frames, network, ("single_frame",) if same_layers else ()
    )
    return model


def network_name(pooling: str = "conv", aggregate: str = "max") -> str:
    """What weights files call a network: weights of one fit another and answer wrongly.

    Example:
        >>> network_name("late"), network_name("late", "average")
        ('late_pooling', 'late_pooling_average')
    """
    suffix = "" if aggregate == "max" else f"_{aggregate}"
    return NETWORKS[pooling] + suffix


def options_of(network: str) -> dict | None:
    """`pooling` and `aggregate` of the network of that name; None if it is another.

    Example:
        >>> options_of("late_pooling_average")
        {'pooling': 'late', 'aggregate': 'average'}
    """
    for pooling in NETWORKS:
        for aggregate in AGGREGATES:
            if network_name(pooling, aggregate) == network:
                return {"pooling": pooling, "aggregate": aggregate}
    return None


def pooling_of(arguments: Mapping) -> dict[str, str]:
    """Those of a builder's arguments that say how frames are pooled.

    What `network_name` and `fixed_length` take.
    """
    names = ("pooling", "aggregate")
    return {name: arguments[name] for name in names if name in arguments}


def fixed_length(pooling: str = "conv", aggregate: str = "max") -> bool:
    """Whether a network's weights are for one number of frames."""
    return pooling == "local" or aggregate == "fc"


def _check(pooling, aggregate, num_frames):
    for name, value, choices in (
        ("pooling", pooling, tuple(NETWORKS)),
        ("aggregate", aggregate, AGGREGATES),
    ):
        if value not in choices:
            raise ValueError(f"`{name}` must be one of {choices}. Received: {value!r}.")
    if num_frames is None:
        if fixed_length(pooling, aggregate):
            raise ValueError(
                "`num_frames` must be a number where `pooling` is 'local' or "
                "`aggregate` is 'fc': their weights are for one. Received: None."
            )
    elif num_frames < _minimum(pooling):
        raise ValueError(
            f"`num_frames` must be >= {_minimum(pooling)} for pooling {pooling!r}; "
            f"loop shorter videos. Received: {num_frames}."
        )


def _minimum(pooling):
    """Frames that it needs: one, or one window."""
    return 1 if pooling in ("conv", "late") else WINDOW


class _Pool:
    """Frames or windows to one, in one of three ways."""

    def __init__(self, aggregate):
        self.kind = aggregate

    def over_time(self, x, mask, name="pooled"):
        """`(N, T, ...)` to `(N, ...)`, or to `(N, T*D)` for `"fc"`."""
        if self.kind == "fc":
            return layers.Flatten(name=name)(x)
        pool = masked_max if self.kind == "max" else masked_mean
        return layers.Identity(name=name)(pool(x, mask))

    def windows(self, x):
        """`(N, T, h, w, C)` to `(N, W, h, w, C)`, or `(N, W, 10, ...)` for `"fc"`."""
        if self.kind == "fc":
            starts = range(0, x.shape[1] - WINDOW + 1, STRIDE)
            return ops.stack([x[:, i : i + WINDOW] for i in starts], axis=1)
        kinds = {"max": layers.MaxPooling3D, "average": layers.AveragePooling3D}
        return kinds[self.kind]((WINDOW, 1, 1), (STRIDE, 1, 1), name="window_pool")(x)


def _conv(frames, pool, options):
    x = pool.over_time(frames.split(frames.features), frames.mask)
    return hidden_layers(_flat(x), ("fc6", "fc7"), *options)


def _late(frames, pool, options):
    x = hidden_layers(frames.vectors(), ("fc6", "fc7"), *options)
    return pool.over_time(frames.split(x), frames.mask)


def _slow(frames, pool, options):
    windows = _Windows(pool.windows(_maps(frames)))
    x = windows.split(hidden_layers(windows.vectors(), ("fc6",), *options))
    x = pool.over_time(x, _window_mask(frames.mask))
    return hidden_layers(x, ("fc7",), *options)


def _local(frames, pool, options):
    windows = _Windows(pool.windows(_maps(frames)))
    x = windows.split(hidden_layers(windows.vectors(), ("fc6", "fc7"), *options))
    return layers.Flatten(name="towers")(x)


def _time_domain_conv(frames, pool, options):
    maps = layers.ZeroPadding3D((0, 1, 1), name="time_conv_pad")(_maps(frames))
    kernel, strides = (WINDOW, 3, 3), (STRIDE, 1, 1)
    convolve = layers.Conv3D(
        _KERNELS, kernel, strides, activation="relu", name="time_conv"
    )
    x = layers.Identity(name="windows")(convolve(maps))
    x = pool.over_time(x, _window_mask(frames.mask))
    return hidden_layers(_flat(x), ("fc6", "fc7"), *options)


_POOLINGS = {
    "conv": _conv,
    "late": _late,
    "slow": _slow,
    "local": _local,
    "time_domain_conv": _time_domain_conv,
}


class _Windows:
    """Windows of frames, which all go through the same layers: `(N, W, ...)`."""

    def __init__(self, windows):
        self._windows = windows

    def vectors(self):
        """`(N*W, D)`."""
        x = self._windows
        return layers.Flatten()(ops.reshape(x, (-1, *x.shape[2:])))

    def split(self, x):
        """`(N*W, D)` to `(N, W, D)`."""
        return SplitTime(name="windows")(x, self._windows)


def _maps(frames):
    """`(N, T, h, w, C)`, of vectors `(N, T, 1, 1, D)`."""
    x = frames.split(frames.features)
    return x[:, :, None, None] if len(x.shape) == 3 else x


def _window_mask(mask):
    """`(N, T)` to `(N, W)`: windows of real frames only, told by their last."""
    return None if mask is None else mask[:, WINDOW - 1 :: STRIDE]


def _flat(x):
    return layers.Flatten(name="flatten")(x) if len(x.shape) > 2 else x
