"""What a network's arguments say of its clips: how they are sampled, what they show."""

from collections.abc import Mapping

from vidzoo_data import clips

_CHANNELS = {"rgb": 3, "flow": 2}  # of one image


def modality(arguments: Mapping) -> str:
    """What the network sees, a key of batches: `"rgb"` or `"flow"`.

    Args:
        arguments: of the network's builder.
    """
    return "rgb" if arguments.get("modality", "rgb") == "rgb" else "flow"


def channels(modality: str, snippet_length: int) -> int:
    """C of a snippet of so many images."""
    kind = "rgb" if modality == "rgb" else "flow"
    return _CHANNELS[kind] * snippet_length


def modalities(arguments: Mapping) -> dict[str, int]:
    """The modality and its images in a snippet, as batches are asked for."""
    kind = modality(arguments)
    return {kind: arguments["frame_shape"][-1] // _CHANNELS[kind]}


def sampling(arguments: Mapping) -> clips.Segments:
    """Which images make a clip."""
    (length,) = modalities(arguments).values()
    return clips.Segments(arguments["num_segments"], length)
