"""Network expansion: a network for few frames as the start of one for many.

Source: dissertation, section 3.3.3: "Multi-frame models are first initialized as
single-frame networks, then expanded to 30 frames and again to 120 frames."
"""

from dataclasses import replace

import numpy as np

from vidzoo.errors import WeightsError
from vidzoo.models.windows import num_windows
from vidzoo.weights.weights_file import WeightsFile

# network: the layer that sees all frames side by side; or all windows
_OF_FRAMES = {"conv_pooling_fc": "fc6", "late_pooling_fc": "head"}
_OF_WINDOWS = {
    **{f"local_pooling{suffix}": "head" for suffix in ("", "_average", "_fc")},
    "slow_pooling_fc": "fc7",
    "time_domain_convolution_fc": "fc6",
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
        new_num_frames: T, of the network that they are for.

    Raises:
        ValueError: a network has fewer than one frame, or one window.
        WeightsError: the weights are not for `num_frames`.
    """
    count, layer = lambda num_frames: num_frames, _OF_FRAMES.get(weights_file.network)
    if layer is None:
        count, layer = num_windows, _OF_WINDOWS.get(weights_file.network)
    if layer is None:
        return weights_file
    before, after = count(num_frames), count(new_num_frames)
    if min(before, after) < 1:
        raise ValueError(
            f"`num_frames` and `new_num_frames` are too few for a "
            f"{weights_file.network}. Received: {num_frames} and {new_num_frames}."
        )
    name = f"{layer}/kernel"
    kernel = np.asarray(weights_file.arrays[name])
    if len(kernel) % before:
        raise WeightsError(
            f"{weights_file.path}: {name} has {len(kernel)} rows, which are not for "
            f"{num_frames} frames ({before} side by side). Say how many it is for."
        )
    rows = kernel.reshape(before, -1, kernel.shape[-1])
    places = np.arange(after) % before
    times = np.bincount(places, minlength=before)
    new = rows[places] / times[places].reshape(-1, 1, 1)
    new = new.reshape(-1, kernel.shape[-1]).astype(kernel.dtype)
    return replace(weights_file, arrays={**weights_file.arrays, name: new})
