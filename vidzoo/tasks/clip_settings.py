"""What a run says of its network's clips: how they are sampled, what they show."""

from collections.abc import Mapping

from vidzoo.tasks import run_folder
from vidzoo_data import clips

_CHANNELS = {"rgb": 3, "flow": 2}  # of one image


def modality(arguments: Mapping) -> str:
    """What the network sees, a key of batches: `"rgb"`, `"flow"` or `"features"`.

    Args:
        arguments: of the network's builder.
    """
    if arguments.get("backbone", "") is None:
        return "features"
    return "rgb" if arguments.get("modality", "rgb") == "rgb" else "flow"


def channels(modality: str, snippet_length: int) -> int:
    """C of a snippet of so many images."""
    kind = "rgb" if modality == "rgb" else "flow"
    return _CHANNELS[kind] * snippet_length


def modalities(arguments: Mapping) -> dict[str, int]:
    """The modality and its images in a snippet, as batches are asked for."""
    kind = modality(arguments)
    if kind == "features":
        return {kind: 1}
    return {kind: arguments["frame_shape"][-1] // _CHANNELS[kind]}


def learned(description: Mapping) -> dict[str, int]:
    """As `modalities`, with the flow that a network learns beside what it sees."""
    network, arguments = description["model"], description["arguments"]
    found = modalities(arguments)
    if run_folder.predicts_flow(network, arguments):
        found["flow_target"] = 1
    return found


def settings(description: Mapping) -> dict:
    """What `sampling` must know of a run, JSON-ready."""
    arguments, recipe = description["arguments"], description["recipe"]
    if description["model"] in run_folder.ON_WINDOWS:
        return {"window": arguments["num_frames"]}
    if "num_frames" in arguments:
        found = {"num_frames": arguments["num_frames"]}
        return found | {name: recipe[name] for name in ("fps", "first")}
    (length,) = modalities(arguments).values()
    num_segments = arguments.get("num_segments", 1)  # a pair of frames is one
    return {"num_segments": num_segments, "snippet_length": length}


def sampling(settings: Mapping) -> clips.Segments | clips.Excerpt | clips.Window:
    """Which images make a clip.

    Args:
        settings: as the function of that name gives them.
    """
    if "window" in settings:
        return clips.Window(settings["window"])
    if "num_frames" in settings:
        return clips.Excerpt(settings["num_frames"], whole(settings))
    return clips.Segments(settings["num_segments"], settings["snippet_length"])


def whole(settings: Mapping) -> clips.Whole:
    """All images that a network of full-length video may see of one."""
    return clips.Whole(settings["fps"], settings["first"])


def crop(arguments: Mapping) -> clips.CenterCrop | None:
    """What is shown of each image in test: its centre; of features, all."""
    if modality(arguments) == "features":
        return None
    return clips.CenterCrop(arguments["frame_shape"][0])
