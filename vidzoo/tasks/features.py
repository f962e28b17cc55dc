"""`vidzoo features RECORDS OUT`: frames to what a frozen network has of them."""

import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo.errors import UsageError
from vidzoo.models.frame_network import FRAME_SIZE, FrameEncoder
from vidzoo.progress import Progress
from vidzoo.tasks import clip_settings, run_folder
from vidzoo.tasks.initial_weights import fingerprint, located
from vidzoo.tasks.open_records import open_records
from vidzoo.tasks.whole_video import CHUNK_LENGTH
from vidzoo_data import clips
from vidzoo_data.records import features as stored
from vidzoo_data.records.resumable import Summary

_log = logging.getLogger("vidzoo")


def run(
    records,
    out,
    *,
    weights,
    backbone: str = "googlenet",
    layer: str | None = None,
    modality: str = "rgb",
    frame_size: int = FRAME_SIZE,
    fps: float | None = None,
    accept_license: bool = False,
) -> Summary:
    """Stores the features of every video's frames, as records.

    Networks of full-length video are then trained on them without a backbone, which is
    what a small machine can do: the dissertation's "(fc)" models (table 3.2). The
    middle of each frame is looked at. A run that was stopped goes on where it was.

    Args:
        records: a records folder with frames.
        out: the records folder to make.
        weights: of the backbone: a file, a preset's name or `"imagenet"`.
        backbone: its name.
        layer: see `vidzoo.models.frame_network.FrameEncoder`.
        modality: `"rgb"` or `"flow_image"`.
        frame_size: height and width that are looked at, in pixels.
        fps: frames per second; all that are stored by default.
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        What was written, and what had been quarantined.

    Raises:
        UsageError: a value is unknown or out of range.
        RecordError: the records are damaged, hold features already, or no flow though
            it is asked for; or `out` cannot be used.
        WeightsError: the weights do not fit, or cannot be fetched.
    """
    data = open_records(records)
    parts = run_folder.backbone(backbone)
    given, file = located(
        weights, parts.name, parts.variant, accept_license=accept_license
    )
    arguments = {
        "modality": modality,
        "frame_shape": (
            *(frame_size, frame_size),
            clip_settings.channels(modality, 1),
        ),
    }
    try:
        whole = clips.Whole(fps)
        encoder = FrameEncoder(backbone, layer=layer, weights=file, **arguments)
    except ValueError as error:
        raise UsageError(str(error)) from error
    kind = clip_settings.modality(arguments)
    clips.check_videos(data, list(data.videos.values()), whole, {kind: 1}, True)
    features = {
        "backbone": backbone,
        "layer": layer,
        "weights": Path(given).name,
        "weights_sha256": fingerprint(file),
        "modality": modality,
        "frame_size": frame_size,
        "fps": fps,
        "records": data.plan,
        "made_with": dict(data.made_with),
    }
    shape = encoder.output.shape[2:]
    _log.info("features of %s: %s each frame", backbone, "x".join(map(str, shape)))
    encode = _Encoder(data, encoder, arguments, whole)
    videos = [
        stored.FeatureVideo(
            video.video_id, video.labels, fps or video.fps, encode.of(video)
        )
        for video in data.videos.values()
    ]
    with Progress("features", len(videos), "videos") as progress:
        return stored.write_features(
            out,
            name=data.name,
            classes=data.classes,
            splits=data.splits,
            videos=videos,
            features=features,
            shape=shape,
            quarantined=data.quarantined,
            on_progress=lambda done, total: progress.update(done),
        )


class _Encoder:
    """The features of videos, computed when they are called for."""

    def __init__(self, data, model, arguments, whole):
        self._data, self._whole = data, whole
        self._modality = clip_settings.modality(arguments)
        self._crop = clip_settings.crop(arguments)
        clip = tf.TensorSpec((1, None, *model.input.shape[2:]), tf.uint8)
        self._forward = tf.function(
            lambda clip: model(clip, training=False),
            input_signature=[clip],
            autograph=False,
        )

    def of(self, video):
        """A function that gives float32 `(T, *F)` of one video."""

        def compute():
            chunks = clips.record_chunks(
                self._data,
                video,
                sampling=self._whole,
                crop=self._crop,
                chunk_length=CHUNK_LENGTH,
                modality=self._modality,
            )
            found = [self._forward(chunk[None])[0].numpy() for chunk in chunks]
            return np.concatenate(found)

        return compute
