"""Network expansion: a network for few frames as the start of one for many.

Source: dissertation, section 3.3.3: "Multi-frame models are first initialized as
single-frame networks, then expanded to 30 frames and again to 120 frames."
"""

from dataclasses import replace

import numpy as np

from vidzoo.errors import WeightsError
from vidzoo.models.windows import WINDOW, num_windows
from vidzoo.weights.weights_file import WeightsFile

# network: the layer that sees all frames side by side, or all windows; and the layer
# that each of these comes from, if it has a bias of as many values
_OF_FRAMES = {"conv_pooling_fc": ("fc6", None), "late_pooling_fc": ("head", "fc7")}
_OF_WINDOWS = {
    **{f"local_pooling{suffix}": ("head", "fc7") for suffix in ("", "_average", "_fc")},
    "slow_pooling_fc": ("fc7", "fc6"),
    "time_domain_convolution_fc": ("fc6", None),
}


def expanded(
    weights_file: WeightsFile, num_frames: int, new_num_frames: int
) -> WeightsFile:
    """Weights of a feature-pooling network for another number of frames.

    Networks that pool over time have the same weights for any number, and keep them.
    Where a layer sees all frames (or windows) side by side, its rows are repeated in
    order, from frame to frame, and divided by how often each occurs; so a video of
    identical frames gets the answer that it got before. That is our decision; the
    source expands networks with max-pooling only.

    Args:
        weights_file: of a `FeaturePooling` or `SingleFrame` network.
        num_frames: T, of the network that the weights are of.
        new_num_frames: T, of the network that they are for; not fewer.

    Raises:
        ValueError: `new_num_frames` is below `num_frames`, or there is not one window.
        WeightsError: the weights are not for `num_frames`.
    """
    if not 1 <= num_frames <= new_num_frames:
        raise ValueError(
            "`new_num_frames` must be >= `num_frames`, and that >= 1. "
            f"Received: {new_num_frames} and {num_frames}."
        )
    layer, before, after = _places(weights_file.network, num_frames, new_num_frames)
    if layer is None or layer[0] in weights_file.left_out:
        return weights_file
    if before < 1:
        raise ValueError(
            f"`num_frames` must be >= {WINDOW} for {weights_file.network}. "
            f"Received: {num_frames}."
        )
    name = f"{layer[0]}/kernel"
    kernel = _checked(weights_file, name, layer[1], num_frames, before)
    rows = kernel.reshape(before, -1, kernel.shape[-1])
    sources = np.arange(after) % before
    times = np.bincount(sources, minlength=before)
    new = rows[sources] / times[sources].reshape(-1, 1, 1)
    new = new.reshape(-1, kernel.shape[-1]).astype(kernel.dtype)
    return replace(weights_file, arrays={**weights_file.arrays, name: new})


def _places(network, num_frames, new_num_frames):
    """The layer that sees them side by side, and how many of them: before, after."""
    if network in _OF_WINDOWS:
        counts = num_windows(num_frames), num_windows(new_num_frames)
        return _OF_WINDOWS[network], *counts
    return _OF_FRAMES.get(network), num_frames, new_num_frames


def _checked(weights_file, name, origin, num_frames, before):
    """The kernel, if its rows are for so many frames, or windows."""
    kernel = np.asarray(weights_file.arrays.get(name, ()))
    width, rest = divmod(len(kernel), before)
    bias = weights_file.arrays.get(f"{origin}/bias")
    expected = max(1, width) if bias is None else len(bias)
    if rest or width != expected:
        raise WeightsError(
            f"{weights_file.path}: {name} has {len(kernel)} rows, which are not for "
            f"{num_frames} frames ({before} side by side). Say how many it is for."
        )
    return kernel
