"""`vidzoo predict VIDEO… --model=DIR`: classifies video files with a SavedModel."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo.errors import FlowError, VideoError, VidzooError
from vidzoo.export import ServedStream, load_saved_model
from vidzoo.tasks import clip_settings
from vidzoo.tasks.whole_video import CHUNK_LENGTH
from vidzoo_data import clips
from vidzoo_data.flow import FlowSettings
from vidzoo_data.records.encode import encode_video
from vidzoo_data.records.resumable import video_record


@dataclass(frozen=True)
class Prediction:
    """What a model says of one video.

    Attributes:
        video: the file.
        logits: `(K,)`.
        scores: `(K,)`, after softmax, or after a sigmoid where videos have several
            labels.
        error: why the video could not be classified; the arrays are then empty.
    """

    video: str
    logits: np.ndarray
    scores: np.ndarray
    error: str | None = None


class Classifier:
    """A SavedModel with the way from a video file to its clip.

    The video goes through `prepare`'s own decoding, resizing and JPEG, in memory, and
    through the sampler and crop of protocol `center`; or, if the network is for any
    number of frames, of protocol `whole-video`, in memory that does not grow with it.

    Raises:
        VidzooError: the folder holds no exported model.
    """

    def __init__(self, model):
        self._model, self._how = load_saved_model(model)
        if "inputs" not in self._how:
            raise VidzooError(
                f"{model}: exported by an older vidzoo. Export the run again."
            )
        names = self._model.signatures["class_names"]()["class_names"]
        self.classes = [name.decode() for name in names.numpy()]

    def clips(self, video) -> dict[str, tf.Tensor]:
        """The model's inputs of a video file, by name: uint8 `(1, T, H, W, C)`.

        Raises:
            VideoError: the video cannot be decoded.
            FlowError: its flow, which the model needs, cannot be computed.
        """
        record = self._record(video)
        found = {}
        for name, how in self._how["inputs"].items():
            clip = clips.center_clip(
                record,
                sampling=clip_settings.sampling(how),
                crop=clips.CenterCrop(how["frame_size"]),
                modalities={how["modality"]: how["snippet_length"]},
            )
            found[name] = clip[how["modality"]]
        return found

    def chunks(self, video, sampling) -> Iterator[np.ndarray]:
        """All frames of a video file: uint8 `(n, H, W, C)`, chunk by chunk.

        Args:
            video: a file.
            sampling: which of its frames, a `vidzoo_data.clips.Whole`.

        Raises:
            VideoError: while iterating: the video cannot be decoded.
            FlowError: its flow, which the model needs, cannot be computed.
        """
        how = self._how["inputs"]["clip"]
        crop = clips.CenterCrop(how["frame_size"])
        if how["modality"] == "rgb":
            return clips.file_chunks(
                Path(video),
                **self._stored(),
                sampling=sampling,
                crop=crop,
                chunk_length=CHUNK_LENGTH,
            )
        # The flow is computed, and kept compressed, of the whole video before.
        return clips.in_memory_chunks(
            self._record(video),
            sampling=sampling,
            crop=crop,
            chunk_length=CHUNK_LENGTH,
            modality=how["modality"],
        )

    def _stored(self):
        """How `prepare` stores a video."""
        prepare = self._how["prepare"]
        size = prepare["size"]
        return {
            "size": size if isinstance(size, int) else tuple(size),
            "fps": prepare["fps"],
            "quality": prepare["jpeg_quality"],
            "seconds": prepare.get("seconds"),
        }

    def _record(self, video):
        """The video as `prepare`, or `flow`, would store it."""
        flow = self._how["prepare"].get("flow")
        encoded = encode_video(
            Path(video), **self._stored(), flow=flow and FlowSettings(**flow)
        )
        return video_record(str(video), (0,), encoded)

    def predict(self, video) -> Prediction:
        """Classifies one video file; a broken one gives a `Prediction` with `error`."""
        try:
            if "whole_video" in self._how:
                answer = self._whole(video)
            else:
                answers = self._model.signatures["logits"](**self.clips(video))
                answer = {name: value[0].numpy() for name, value in answers.items()}
        except (VideoError, FlowError) as error:
            return Prediction(str(video), np.empty(0), np.empty(0), str(error))
        return Prediction(str(video), answer["logits"], answer["scores"])

    def _whole(self, video):
        """The answer of all frames; a video too short is repeated from its start."""
        stream = ServedStream(self._model)
        whole = clip_settings.whole(self._how["inputs"]["clip"])
        for chunk in self.chunks(video, whole):
            stream.update(chunk)
        min_frames = self._how["whole_video"]["min_frames"]
        if stream.num_frames < min_frames:
            stream.reset()
            for chunk in self.chunks(video, clips.Whole(whole.fps, min_frames)):
                stream.update(chunk)
        return stream.answer()


def run(videos, model, *, top: int = 5) -> list[dict]:
    """Classifies video files.

    Args:
        videos: paths.
        model: a folder that `vidzoo export` wrote.
        top: how many classes to give for each.

    Returns:
        One dictionary per video: `video`, and either `top`, a list of `class` and
        `score`, or `error`.
    """
    classifier = Classifier(model)
    answers = []
    for video in videos:
        prediction = classifier.predict(video)
        if prediction.error:
            answers.append({"video": prediction.video, "error": prediction.error})
            continue
        best = np.argsort(-prediction.scores, kind="stable")[:top]
        answers.append(
            {
                "video": prediction.video,
                "top": [
                    {
                        "class": classifier.classes[i],
                        "score": float(prediction.scores[i]),
                    }
                    for i in best
                ],
            }
        )
    return answers
