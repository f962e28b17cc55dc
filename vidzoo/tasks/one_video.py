"""One video as a run sees its videos: from a file, or from records."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo.errors import UsageError
from vidzoo.tasks import clip_settings, evaluate, run_folder
from vidzoo.tasks.open_records import open_records
from vidzoo_data import clips
from vidzoo_data.flow import FlowSettings
from vidzoo_data.records.encode import encode_video
from vidzoo_data.records.resumable import video_record
from vidzoo_data.records.schema import Flow, VideoRecord

# As `vidzoo prepare` stores videos unless told.
_UNLESS_TOLD = {"size": 256, "fps": None, "jpeg_quality": 95}


def load(run):
    """The model of a run that sees frames or flow, and the run's description.

    Raises:
        UsageError: the run has two streams, or its network sees stored features.
        CheckpointError: `run` is no finished run.
    """
    if run_folder.is_two_stream(run):
        streams = " or ".join(str(Path(run) / name) for name in run_folder.STREAMS)
        raise UsageError(
            f"{run}: has two streams, of which a picture shows one. Give {streams}."
        )
    description = run_folder.read_finished(run)
    if clip_settings.modality(description["arguments"]) == "features":
        raise UsageError(
            f"{run}: its network sees stored features, which have no pixels to show. "
            "Give a run on frames."
        )
    return run_folder.load_trained(run)


def stored_how(description: Mapping) -> Mapping | None:
    """How a run's records were made; None if it saw pairs out of a data set of flow."""
    made = description["data"]["made_with"]
    return made if "size" in made else None


def read(video, description: Mapping, records=None) -> VideoRecord:
    """A video as the run's records hold, or would hold, it; with flow if it sees flow.

    For a run on pairs out of a data set of flow, which has no videos, it is as `vidzoo
    prepare` stores videos unless told, or as the records have it, whatever these are.

    Args:
        video: a file; or, with `records`, the id of a video in them.
        description: of the run.
        records: a folder of records like those that the run was trained on.

    Raises:
        UsageError: the records have no such video.
        VideoError: the file cannot be decoded.
        FlowError: its flow, which the network sees, cannot be computed.
        RecordError: the records are damaged, or made otherwise.
    """
    if records is not None:
        return _from_records(str(video), records, description)
    made = stored_how(description) or _UNLESS_TOLD
    size = made["size"]
    flow = None
    if clip_settings.modality(description["arguments"]) == "flow":
        flow = FlowSettings(**made["flow"])
    encoded = encode_video(
        Path(video),
        size=size if isinstance(size, int) else tuple(size),
        fps=made["fps"],
        quality=made["jpeg_quality"],
        seconds=made.get("seconds"),
        flow=flow,
    )
    return video_record(str(video), (0,), encoded)


def _from_records(video_id, path, description):
    data = open_records(path)
    if stored_how(description):
        evaluate.check_records(data, description)
    if video_id not in data.videos:
        raise UsageError(
            f"{path}: no video '{video_id}'. VIDEO is the id of one of its "
            f"{len(data.videos)} videos, such as '{min(data.videos, default='')}'."
        )
    entry = data.videos[video_id]
    flow = None
    if entry.num_flow:
        x, y = data.read_flow(entry, range(entry.num_flow))
        # 0 of neighbours, as they are where the settings have no rate.
        rate = data.flow.get("fps") or 0.0
        flow = Flow(x, y, data.flow["bound"], data.flow["method"], rate)
    return VideoRecord(
        video_id=video_id,
        labels=entry.labels,
        fps=entry.fps,
        height=entry.height,
        width=entry.width,
        source=video_id,
        jpegs=data.read_frames(entry, range(entry.num_frames)),
        flow=flow,
    )


def center_clip(record: VideoRecord, description: Mapping):
    """The clip of protocol `center`, and the frame in its middle.

    Returns:
        The clip `(T, H, W, C)` uint8, the frame `(H, W, 3)` uint8, and its number.

    Raises:
        RecordError: the video does not state its rate, which sampling needs.
    """
    arguments = description["arguments"]
    sampling = clip_settings.sampling(clip_settings.settings(description))
    modalities = clip_settings.modalities(arguments)
    (kind,) = modalities
    found = clips.center_clip(
        record,
        sampling=sampling,
        crop=clip_settings.crop(arguments),
        modalities={"rgb": 1} | modalities,
    )
    clip, shown = found[kind][0].numpy(), found["rgb"][0].numpy()
    count = len(record.jpegs if kind == "rgb" else record.flow.x)
    numbers = sampling.centered(count, record.fps).numpy()[:, 0]
    middle = len(shown) // 2
    return clip, shown[middle, ..., :3], int(numbers[middle])


def at(
    record: VideoRecord, numbers: Sequence[int], description: Mapping, modality: str
) -> np.ndarray:
    """Given frames, or stored flow that starts at them, in the middle window.

    Args:
        record: the video.
        numbers: of frames.
        description: of the run, which has the window's size.
        modality: `"rgb"`, or `"flow_target"`, in pixels of the window.

    Returns:
        `(n, H, W, C)`.
    """
    clip = clips.center_clip(
        record,
        sampling=_Frames(tuple(numbers)),
        crop=clip_settings.crop(description["arguments"]),
        modalities={modality: 1},
    )
    return clip[modality][0].numpy()


class _Frames:
    """A sampler of given frames."""

    snippet_length, needs_rate, is_run = 1, False, True

    def __init__(self, numbers):
        self._numbers = numbers
        self.num_snippets = len(numbers)

    def centered(self, num_frames, fps=None):
        del num_frames, fps
        return tf.constant(self._numbers, tf.int32)[:, None]
