"""Videos and streams without end, classified in constant memory and time per frame.

Networks of full-length video (chapter 3) pool what they have of frames, or step through
them. So what they keep of a video does not grow with it: the largest values so far, or
an LSTM's state. The answer of the frames so far is there at any time, and after the
last one it is that of the network on all frames at once.

    way = streaming.way_through("feature_pooling", model, {})
    stream = streaming.Stream(way)
    for frames in chunks:  # uint8 (n, H, W, C)
        stream.update(frames)
    stream.logits()  # (K,)
"""

from collections.abc import Mapping

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from vidzoo.layers import Preprocess
from vidzoo.models import feature_pooling
from vidzoo.models.windows import STRIDE, WINDOW

State = Mapping[str, tf.Tensor]


class Pooling:
    """The way of a network that pools over time: `FeaturePooling` or `SingleFrame`.

    Its functions are made of TensorFlow's operations, so that they can be exported.

    Args:
        model: built for any number of frames (`num_frames=None`).
        aggregate: `"max"` or `"average"`.

    Attributes:
        model: as given.
        min_frames: a video must have so many for an answer.
        encode: `(1, n, H, W, C)` frames, or features, to what is kept of each.
    """

    def __init__(self, model: keras.Model, aggregate: str):
        self.model = model
        self._is_max = aggregate == "max"
        names = {layer.name for layer in model.layers}
        frames = model.get_layer("frames").output
        self.encode = keras.Model(_clip(model), frames)
        self._windows = None
        items = frames
        if "windows" in names:
            items = model.get_layer("windows").output
            self._windows = keras.Model(frames, items)
        pooled = model.get_layer("pooled").output
        self._top = None
        if pooled is not model.output:
            self._top = keras.Model(pooled, model.output)
        self.min_frames = 1 if self._windows is None else WINDOW
        self._frame_shape, self._item_shape = frames.shape[2:], items.shape[2:]
        self._dtype = items.dtype

    def start(self) -> State:
        """The state before the first frame."""
        first = -np.inf if self._is_max else 0.0
        state = {
            "count": tf.zeros((), tf.float32),
            "pooled": tf.fill((1, *self._item_shape), tf.cast(first, self._dtype)),
        }
        if self._windows is not None:  # frames that later windows will see
            state["recent"] = tf.zeros((1, 0, *self._frame_shape), self._dtype)
        return state

    def update(self, state: State, encoded) -> State:
        """The state after more frames, as `encode` gives them: `(1, n, ...)`."""
        if self._windows is None:
            return self._pool(state, encoded)
        frames = tf.concat([state["recent"], encoded], axis=1)
        count = tf.maximum((tf.shape(frames)[1] - WINDOW) // STRIDE + 1, 0)
        pooled = {name: state[name] for name in ("count", "pooled")}
        pooled = tf.cond(
            count > 0,
            lambda: self._pool(pooled, self._windows(frames, training=False)),
            lambda: pooled,
        )
        return pooled | {"recent": frames[:, count * STRIDE :]}

    def _pool(self, state, items):
        count = state["count"] + tf.cast(tf.shape(items)[1], tf.float32)
        if self._is_max:
            pooled = tf.maximum(state["pooled"], tf.reduce_max(items, axis=1))
        else:
            pooled = state["pooled"] + tf.reduce_sum(items, axis=1)
        return {"count": count, "pooled": pooled}

    def answer(self, state: State):
        """Logits `(1, K)`; they mean nothing before `min_frames` frames."""
        pooled = state["pooled"]
        if not self._is_max:
            pooled = pooled / tf.cast(state["count"], pooled.dtype)
        return pooled if self._top is None else self._top(pooled, training=False)


class Recurrent:
    """The way of an `LSTMClassifier`.

    Args:
        model: built for any number of frames (`num_frames=None`).
        inference: see `LSTMClassifier`.
        activation: likewise.

    Attributes:
        model: as given.
        min_frames: 1.
        encode: as in `Pooling`.
    """

    min_frames = 1

    def __init__(
        self,
        model: keras.Model,
        inference: str = "weighted",
        activation: str = "softmax",
    ):
        self.model = model
        self._inference, self._activation = inference, activation
        frames = model.get_layer("frames").output
        self.encode = keras.Model(_clip(model), frames)
        names = [x.name for x in model.layers if x.name.startswith("lstm_")]
        self._layers = [model.get_layer(name) for name in names]
        self._head = model.get_layer("head")

    def start(self) -> State:
        """The state before the first frame."""
        nothing = tf.fill((1, self._head.units), -np.inf)
        state = {"count": tf.zeros((), tf.float32), "yes": nothing, "no": nothing}
        for layer in self._layers:
            h, c = layer.get_initial_state(1)
            state |= {f"{layer.name}_h": h, f"{layer.name}_c": c}
        return state

    def update(self, state: State, encoded) -> State:
        """The state after more frames, as `encode` gives them: `(1, n, D)`."""
        after, x = {}, encoded
        for layer in self._layers:
            names = (f"{layer.name}_h", f"{layer.name}_c")
            before = [state[name] for name in names]
            _, x, states = layer.inner_loop(x, before, None)
            after |= dict(zip(names, states, strict=True))
        logits = self._head(x)  # (1, n, K)
        number = tf.shape(encoded)[1]
        places = state["count"] + tf.cast(tf.range(1, number + 1), tf.float32)
        after["count"] = state["count"] + tf.cast(number, tf.float32)
        for name, scores in self._log_scores(logits).items():
            after[name] = self._combined(state[name], scores, places)
        return after

    def _log_scores(self, logits):
        """Logarithms of the predictions, and of what they lack to 1."""
        if self._inference == "max" and self._activation == "sigmoid":
            return {"yes": logits, "no": tf.zeros_like(logits)}  # a sigmoid is monotone
        if self._activation == "sigmoid":
            return {
                "yes": tf.math.log_sigmoid(logits),
                "no": tf.math.log_sigmoid(-logits),
            }
        return {"yes": tf.nn.log_softmax(logits), "no": tf.zeros_like(logits)}

    def _combined(self, before, scores, places):
        if self._inference == "max":
            return tf.maximum(before, tf.reduce_max(scores, axis=1))
        if self._inference == "last":
            return scores[:, -1]
        if self._inference == "weighted":
            scores += tf.math.log(places)[:, None]
        return ops.logaddexp(before, tf.reduce_logsumexp(scores, axis=1))

    def answer(self, state: State):
        """Logits `(1, K)`; they mean nothing before the first frame.

        What `lstm_classifier.video_logits` gives of all frames at once.
        """
        return state["yes"] - state["no"]


def _clip(model):
    """The clip behind the check of its mask, which a stream has not."""
    clip, _ = model.get_layer("real_frames").output
    return clip


def way_through(network: str, model: keras.Model, arguments: Mapping):
    """The way of a network through videos of any length.

    Args:
        network: `"feature_pooling"`, `"single_frame"` or `"lstm_classifier"`.
        model: it, built for any number of frames (`num_frames=None`).
        arguments: of its builder.

    Raises:
        ValueError: the network is another, or for one number of frames.
    """
    if network == "lstm_classifier":
        names = ("inference", "activation")
        given = {name: arguments[name] for name in names if name in arguments}
        return Recurrent(model, **given)
    if network not in ("feature_pooling", "single_frame") or not is_open(
        network, arguments
    ):
        raise ValueError(
            f"`network` must be one for any number of frames. Received: {network}."
        )
    default = "average" if network == "single_frame" else "max"
    return Pooling(model, arguments.get("aggregate", default))


def is_open(network: str, arguments: Mapping) -> bool:
    """Whether a network can be built for any number of frames.

    Args:
        network: a name.
        arguments: of its builder.
    """
    if network == "feature_pooling":
        pooling = feature_pooling.pooling_of(arguments)
        return not feature_pooling.fixed_length(**pooling)
    return network in ("single_frame", "lstm_classifier")


def specifications(way):
    """What frames, encoded frames and a state are, for any number of frames at once."""
    clip, encoded = way.encode.input, way.encode.output
    sees_pixels = any(isinstance(layer, Preprocess) for layer in way.encode.layers)
    kind = tf.uint8 if sees_pixels else tf.float32  # or stored features
    state = {
        # Frames that wait for a window are now more, now fewer.
        name: tf.TensorSpec(
            (1, None, *tensor.shape[2:]) if name == "recent" else tensor.shape,
            tensor.dtype,
            name,
        )
        for name, tensor in way.start().items()
    }
    return (
        tf.TensorSpec((1, None, *clip.shape[2:]), kind, "frames"),
        tf.TensorSpec((1, None, *encoded.shape[2:]), encoded.dtype, "encoded"),
        state,
    )


class Stream:
    """One video, frames by frames.

    Args:
        way: a `Pooling` or a `Recurrent`.

    Attributes:
        num_frames: seen so far.
    """

    def __init__(self, way: Pooling | Recurrent):
        self._way = way
        frames, encoded, state = specifications(way)
        self._encode = tf.function(
            lambda frames: way.encode(frames, training=False),
            input_signature=[frames],
            autograph=False,
        )
        self._update = tf.function(
            way.update, input_signature=[state, encoded], autograph=False
        )
        self._answer = tf.function(way.answer, input_signature=[state], autograph=False)
        self.reset()

    def reset(self) -> None:
        """Forgets what was seen: the next frame is the first of a video."""
        self._state = dict(self._way.start())
        self.num_frames = 0

    def update(self, frames) -> None:
        """Takes the next frames: `(n, H, W, C)`, or features."""
        self.take(self.encode(frames))

    def encode(self, frames):
        """What is kept of each frame: the first half of `update`."""
        return self._encode(tf.convert_to_tensor(frames)[None])

    def take(self, encoded) -> None:
        """Takes the next frames as `encode` gave them: its second half."""
        self._state = self._update(self._state, encoded)
        self.num_frames += int(encoded.shape[1])

    def logits(self) -> np.ndarray:
        """The answer of the frames so far: `(K,)`.

        Raises:
            ValueError: there were too few.
        """
        if self.num_frames < self._way.min_frames:
            raise ValueError(
                f"the network needs {self._way.min_frames} frames or more. "
                f"Received: {self.num_frames}."
            )
        return self._answer(self._state)[0].numpy()
