"""Two-stream network: RGB and flow of one clip, two networks, one answer.

Source: Simonyan & Zisserman 2014; weights and normalisation by default are the
dissertation's (section 5.3.3). The streams are trained apart and joined for testing;
`vidzoo.evaluation.fuse` computes the same of two scores files.
"""

import keras
from keras import ops

from vidzoo.weights import preprocessing

STREAMS = {"rgb": ("rgb",), "flow": ("flow", "flow_image")}  # stream: its modalities


def TwoStream(
    rgb: keras.Model,
    flow: keras.Model,
    *,
    stream_weights: tuple[float, float] = (1.0, 1.5),
    normalize: str = "l1",
    name: str = "two_stream",
) -> keras.Model:
    """Joins two classifiers: `{"rgb", "flow"}` clips to `(N, K)` logits.

    Args:
        rgb: a classifier of RGB clips, `(N, T, H, W, 3k)`: any of `vidzoo.models` for
            video, of whose outputs the prediction, `logits`, takes part.
        flow: likewise of flow, `(N, T, H, W, 2k)`, for the same classes in the same
            order. T, H, W and k need not be those of `rgb`.
        stream_weights: of `rgb` and `flow`: 0 or from 1e-6 to 1e6, not both 0.
        normalize: each stream's logits before they are weighted: `"l1"`, divided by
            the sum of their absolute values, zeros staying zeros; `"softmax"`; or
            `"none"`. The sum is not divided by the weights' sum, which would change no
            answer.
        name: the model's name.

    Returns:
        A model that shares its weights with the two. Its input is a dictionary of
        `rgb` and `flow`; its outputs are `rgb` and `flow`, each stream's own logits,
        and `logits`, the weighted sum, which is the prediction. `(1, 1)` and
        `"softmax"` are Simonyan & Zisserman's average, but for a factor of two.

    Raises:
        TypeError: a stream has several inputs, or none of its outputs is `logits`.
        ValueError: the streams differ in K, one is for the other's modality, or
            weights or normalisation are not such.
    """
    if normalize not in NORMALIZATIONS:
        raise ValueError(
            f"`normalize` must be one of {tuple(NORMALIZATIONS)}. "
            f"Received: {normalize!r}."
        )
    _check_weights(stream_weights)
    clips, logits = {}, {}
    for stream, model in {"rgb": rgb, "flow": flow}.items():
        part = _classifier(model, stream)
        clips[stream] = keras.Input(model.input.shape[1:], name=stream)
        logits[stream] = part(clips[stream])
    if logits["rgb"].shape != logits["flow"].shape:
        raise ValueError(
            "`rgb` and `flow` must be for the same classes. Received: "
            f"{logits['rgb'].shape[-1]} and {logits['flow'].shape[-1]} classes."
        )
    function = NORMALIZATIONS[normalize]
    fused = sum(
        float(weight) * function(logits[stream])
        for stream, weight in zip(logits, stream_weights, strict=True)
    )
    return keras.Model(clips, {"logits": fused} | logits, name=name)


def fused_scores(outputs, stream_weights, normalize: str, activation):
    """What a two-stream model answers as `(N, K)` scores of the streams' own sharpness.

    Softmax scores are averaged. Logits are averaged, of l1-normalised ones after giving
    them back the streams' mean sum of absolute values, which changes no order within a
    video, and then activated. Two equal streams have the scores of one.

    Args:
        outputs: of a `TwoStream` of these weights and this normalisation.
        stream_weights: of `rgb` and `flow`.
        normalize: as in `TwoStream`.
        activation: from logits to scores.
    """
    total = float(sum(stream_weights))
    average = outputs["logits"] / total
    if normalize == "softmax":
        return average
    if normalize == "l1":
        sums = [
            float(weight) * ops.sum(ops.abs(outputs[name]), axis=1, keepdims=True)
            for name, weight in zip(STREAMS, stream_weights, strict=True)
        ]
        average = average * sum(sums) / total
    return activation(average)


def _classifier(model, stream):
    """A model's prediction alone, as a layer of its own name."""
    outputs = model.output
    outputs = outputs.get("logits") if isinstance(outputs, dict) else outputs
    tensors = (model.input, outputs)
    if not all(keras.utils.is_keras_tensor(tensor) for tensor in tensors):
        raise TypeError(
            f"`{stream}` must be a classifier of one input, with logits or a "
            f"dictionary with `logits` as output. Received: {model.name}."
        )
    for layer in model.layers:
        if layer.name == "preprocess":
            found = preprocessing.modality(layer.settings())
            if found not in STREAMS[stream]:
                raise ValueError(
                    f"`{stream}` must be a network for {' or '.join(STREAMS[stream])}. "
                    f"Received: {model.name} for {found}."
                )
    return keras.Model(model.input, outputs, name=f"{stream}_stream")


def _check_weights(weights):
    usable = len(weights) == 2 and all(
        weight == 0 or 1e-6 <= weight <= 1e6 for weight in weights
    )
    if not usable or not any(weights):
        raise ValueError(
            "`stream_weights` must be two numbers, RGB's and flow's, 0 or from 1e-6 to "
            f"1e6, not both 0. Received: {tuple(weights)}."
        )


def _l1(logits):
    total = ops.sum(ops.abs(logits), axis=1, keepdims=True)
    return logits / ops.where(total == 0, 1.0, total)


# As `vidzoo.evaluation.fusion.NORMALIZATIONS`, which has them for float64 arrays.
NORMALIZATIONS = {"l1": _l1, "softmax": ops.softmax, "none": lambda logits: logits}
