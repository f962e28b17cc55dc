"""What a network on snippets sees: RGB, stacked flow, or flow as a colour image.

Flow comes as 8-bit images, x and y of k fields in turn (x1 y1 ... xk yk), 128 where
nothing moves (`vidzoo_data.flow.to_images`).
"""

from collections.abc import Mapping

from keras import ops

from vidzoo.layers import Preprocess

# modality: channels of a snippet unless told. RGB has one frame, flow five fields
# (dissertation, section 5.3.4), a flow image one field (section 3.3.4).
CHANNELS = {"rgb": 3, "flow": 10, "flow_image": 2}
_MULTIPLES = {"rgb": 3, "flow": 2}
_WANTED = {
    "rgb": "a multiple of 3, k RGB images side by side; for flow, give `modality`",
    "flow": "even, x and y of k flow fields side by side",
    "flow_image": "2, x and y of one flow field; the third channel is added inside",
}


def checked_shape(
    modality: str,
    frame_shape: tuple[int, int, int] | None,
    channels: Mapping[str, int] = CHANNELS,
) -> tuple[int, int, int]:
    """`(H, W, C)` of a snippet, 224x224 and the modality's own C unless told.

    Args:
        modality: a key of `channels`.
        frame_shape: as a caller gave it, or None.
        channels: the modalities that the network has, and C unless told.

    Raises:
        ValueError: `modality` is unknown, or C is none of its numbers.
    """
    if modality not in channels:
        raise ValueError(
            f"`modality` must be one of {tuple(channels)}. Received: {modality!r}."
        )
    if frame_shape is None:
        return (224, 224, channels[modality])
    num_channels = frame_shape[-1]
    if modality == "flow_image":
        fits = num_channels == 2
    else:
        fits = num_channels >= 1 and num_channels % _MULTIPLES[modality] == 0
    if not fits:
        raise ValueError(
            f"The last of `frame_shape` must be {_WANTED[modality]}. "
            f"Received: {tuple(frame_shape)}, modality {modality!r}."
        )
    return tuple(frame_shape)


def preprocessed(clip, modality: str, settings: Mapping):
    """`(N, T, H, W, C)` pixels to what the weights expect; C is 3 for a flow image.

    Args:
        clip: the input.
        modality: of a network.
        settings: arguments of `Preprocess`.
    """
    if modality == "flow_image":
        clip = ops.pad(clip, [(0, 0)] * 4 + [(0, 1)])  # (x, y) to (x, y, 0)
    return Preprocess(**settings, name="preprocess")(clip)
