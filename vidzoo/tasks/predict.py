"""`vidzoo predict VIDEO… --model=DIR`: classifies video files with a SavedModel."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from vidzoo.errors import FlowError, VideoError, VidzooError
from vidzoo.export import load_saved_model
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
    through the sampler and crop of protocol `center`.

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
                sampling=clips.Segments(how["num_segments"], how["snippet_length"]),
                crop=clips.CenterCrop(how["frame_size"]),
                modalities={how["modality"]: how["snippet_length"]},
            )
            found[name] = clip[how["modality"]]
        return found

    def _record(self, video):
        """The video as `prepare`, or `flow`, would store it."""
        prepare = self._how["prepare"]
        size, flow = prepare["size"], prepare.get("flow")
        encoded = encode_video(
            Path(video),
            size=size if isinstance(size, int) else tuple(size),
            fps=prepare["fps"],
            quality=prepare["jpeg_quality"],
            flow=flow and FlowSettings(**flow),
        )
        return video_record(str(video), (0,), encoded)

    def predict(self, video) -> Prediction:
        """Classifies one video file; a broken one gives a `Prediction` with `error`."""
        try:
            found = self.clips(video)
        except (VideoError, FlowError) as error:
            return Prediction(str(video), np.empty(0), np.empty(0), str(error))
        answer = self._model.signatures["logits"](**found)
        logits, scores = (answer[name][0].numpy() for name in ("logits", "scores"))
        return Prediction(str(video), logits, scores)


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
