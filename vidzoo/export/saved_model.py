"""SavedModels: from clips, or a video's encoded images, to class scores.

Signatures: `serving_default` gives `scores`, `logits` gives `logits` and `scores`, all
`(N, K)`, from `clip` uint8 `(N, T, H, W, C)`, or from `rgb` and `flow` of a two-stream
network; `classify_jpegs` gives `scores` from the encoded images of N videos, string
`(N, F)`, shorter ones filled up with empty strings at their end: `jpegs`, and of
networks on flow `flow_x` and `flow_y`, grey 8-bit images as records hold them;
`class_names` gives the K names. Scores are a softmax over classes, or a sigmoid of each
where videos have several labels. Networks for any number
of frames also have `stream_start`, which gives the state before a video's first frame,
`stream_update`, which takes it and `frames` `(1, n, H, W, C)` to the state after these,
and `stream_answer`, from a state to `logits` and `scores`. Beside the graph lies
`assets.extra/vidzoo.json`: how a clip is taken from a video.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from vidzoo.errors import VidzooError
from vidzoo.losses import prediction
from vidzoo.streaming import specifications

DESCRIPTION = "assets.extra/vidzoo.json"
ACTIVATIONS = {
    "softmax": tf.nn.softmax,
    "sigmoid": tf.nn.sigmoid,
    "shared-softmax": tf.nn.softmax,
}


def export_saved_model(
    model,
    classes,
    description: dict,
    out,
    *,
    image_names: Sequence[str],
    clips_from_images: Callable,
    activation: str = "softmax",
    scores_from: Callable | None = None,
    way=None,
) -> None:
    """Writes `model` as a SavedModel folder; whole or not at all.

    Args:
        model: a classifier of clips, or of a dictionary of them.
        classes: K names.
        description: JSON-ready; what `predict` must know to make clips.
        out: the folder to make; it must not exist.
        image_names: inputs of `classify_jpegs`, e.g. `("jpegs",)`.
        clips_from_images: TensorFlow function from encoded images, `(N, F)` for each of
            `image_names`, to the model's input, uint8 `(N, T, H, W, C)` clips; it
            becomes part of the graph.
        activation: from logits to scores, a key of `ACTIVATIONS`.
        scores_from: from the model's outputs to scores, in place of the activation of
            its prediction.
        way: the model's way through videos of any length (`vidzoo.streaming`).

    Raises:
        VidzooError: `out` exists already.
        ValueError: `classes` are not as many as the model's, or `activation` is
            unknown.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {tuple(ACTIVATIONS)}. Received: {activation}."
        )
    out, classes = Path(out), list(classes)
    num_outputs = prediction(model.output).shape[-1]
    if len(classes) != num_outputs:
        raise ValueError(
            f"`classes` must name the model's {num_outputs} classes. "
            f"Received: {len(classes)} names."
        )
    if out.exists():
        raise VidzooError(f"{out}: exists already. Choose another folder or remove it.")
    out.parent.mkdir(parents=True, exist_ok=True)
    clips = _clip_specs(model)
    images = [tf.TensorSpec((None, None), tf.string, name=name) for name in image_names]

    def outputs(*clips_given):
        given = dict(zip(clips, clips_given, strict=True))
        if not isinstance(model.input, dict):
            given = given["clip"]
        elif "mask" in model.input:  # all frames of a clip that is served are real
            given["mask"] = tf.ones(tf.shape(given["clip"])[:2], tf.bool)
        return model(given, training=False)

    def answers(outputs):
        logits = tf.cast(prediction(outputs), tf.float32)
        if scores_from is None:
            return {"logits": logits, "scores": ACTIVATIONS[activation](logits)}
        return {"logits": logits, "scores": tf.cast(scores_from(outputs), tf.float32)}

    def logits(*clips_given):
        return answers(outputs(*clips_given))

    def scores(*clips_given):
        return {"scores": logits(*clips_given)["scores"]}

    def classify_jpegs(*images_given):
        given = clips_from_images(*images_given)
        return scores(*given.values()) if isinstance(given, dict) else scores(given)

    def class_names():
        return {"class_names": tf.constant(classes)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    signature = list(clips.values())
    archive.add_endpoint("serving_default", scores, input_signature=signature)
    archive.add_endpoint("logits", logits, input_signature=signature)
    archive.add_endpoint("classify_jpegs", classify_jpegs, input_signature=images)
    archive.add_endpoint("class_names", class_names, input_signature=[])
    if way is not None:
        _add_stream(archive, way, answers)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        archive.write_out(str(temporary), verbose=False)
        file = temporary / DESCRIPTION
        file.parent.mkdir()
        description = description | {"activation": activation}
        file.write_text(json.dumps(description, indent=1) + "\n")
        temporary.chmod(0o755)
        os.replace(temporary, out)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _add_stream(archive, way, answers):
    frames, _, state = specifications(way)
    names = tuple(state)

    def start():
        return dict(way.start())

    def update(frames, *state):
        state = dict(zip(names, state, strict=True))
        return way.update(state, way.encode(frames, training=False))

    def answer(*state):
        return answers(way.answer(dict(zip(names, state, strict=True))))

    specs = list(state.values())
    archive.add_endpoint("stream_start", start, input_signature=[])
    archive.add_endpoint("stream_update", update, input_signature=[frames, *specs])
    archive.add_endpoint("stream_answer", answer, input_signature=specs)


class ServedStream:
    """One video after the other through a SavedModel, frames by frames.

    Args:
        model: what `load_saved_model` opened, of a network with streams.

    Attributes:
        num_frames: of the video, so far.
    """

    def __init__(self, model):
        names = ("stream_start", "stream_update", "stream_answer")
        self._start, self._update, self._answer = map(model.signatures.get, names)
        self.reset()

    def reset(self) -> None:
        """Forgets what was seen: the next frame is the first of a video."""
        self._state, self.num_frames = self._start(), 0

    def update(self, frames) -> None:
        """Takes the next frames, uint8 `(n, H, W, C)`."""
        frames = tf.convert_to_tensor(frames)[None]
        self._state = self._update(frames=frames, **self._state)
        self.num_frames += frames.shape[1]

    def answer(self) -> dict:
        """`logits` and `scores` of the frames so far, `(K,)` each."""
        answer = self._answer(**self._state)
        return {name: value[0].numpy() for name, value in answer.items()}


def _clip_specs(model):
    """Name -> specification of each of the model's inputs."""
    inputs = model.input if isinstance(model.input, dict) else {"clip": model.input}
    return {
        name: tf.TensorSpec((None, *tensor.shape[1:]), tf.uint8, name=name)
        for name, tensor in inputs.items()
        if name != "mask"
    }


def load_saved_model(path):
    """Opens what `export_saved_model` wrote: the SavedModel and its description.

    Raises:
        VidzooError: the folder is missing, damaged or not one of ours.
    """
    path = Path(path)
    file = path / DESCRIPTION
    if not (path / "saved_model.pb").is_file() or not file.is_file():
        raise VidzooError(
            f"{path}: not a model that `vidzoo export RUN OUT` wrote "
            f"(no saved_model.pb with {DESCRIPTION})."
        )
    try:
        return tf.saved_model.load(str(path)), json.loads(file.read_text())
    except (OSError, ValueError, IndexError, tf.errors.OpError) as error:
        raise VidzooError(
            f"{path}: damaged ({type(error).__name__}). Export the run again."
        ) from error
