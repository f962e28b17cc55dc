"""Frames by frames, the answer is that of the network on all frames at once."""

import keras
import numpy as np
import pytest

from vidzoo import models, streaming

TOY = {"backbone": "toy", "frame_shape": (32, 32, 3), "num_frames": None}
LSTM = {"num_layers": 2, "num_cells": 8}
NETWORKS = [
    ("single_frame", models.SingleFrame, {}),
    *(
        ("feature_pooling", models.FeaturePooling, {"pooling": p, "aggregate": a})
        for p in ("conv", "late", "slow", "time_domain_conv")
        for a in ("max", "average")
    ),
    *(
        ("lstm_classifier", models.LSTMClassifier, {"inference": i, "activation": a})
        for i, a in zip(
            ("last", "max", "sum", "weighted"),
            ("sigmoid", "softmax", "sigmoid", "softmax"),
            strict=True,
        )
    ),
]
CHUNKS = ([27], [9, 1, 5, 4, 8], [1] * 27)


def build(network, builder, arguments):
    keras.utils.set_random_seed(0)
    sizes = LSTM if network == "lstm_classifier" else {"fc_size": 16}
    return builder(5, **arguments, **sizes, **TOY)


def frames(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), np.uint8)


def whole(model, clip):
    mask = np.ones((1, len(clip)), bool)
    outputs = model({"clip": clip[None], "mask": mask}, training=False)
    return np.asarray(outputs["logits"] if isinstance(outputs, dict) else outputs)[0]


@pytest.mark.parametrize("network, builder, arguments", NETWORKS)
def test_chunks_give_the_answer_of_the_whole(network, builder, arguments):
    model = build(network, builder, arguments)
    stream = streaming.Stream(streaming.way_through(network, model, arguments))
    clip = frames(27)
    expected = whole(model, clip)
    for lengths in CHUNKS:
        stream.reset()
        for part in np.split(clip, np.cumsum(lengths)[:-1]):
            stream.update(part)
        assert stream.num_frames == 27
        np.testing.assert_allclose(stream.logits(), expected, rtol=1e-4, atol=1e-5)


def test_the_answer_is_there_at_any_time():
    model = build(*NETWORKS[-1])
    stream = streaming.Stream(streaming.way_through(NETWORKS[-1][0], model, {}))
    clip = frames(12)
    for count in (1, 2, 5, 12):  # 5 is the number of classes too
        stream.update(clip[stream.num_frames : count])
        expected = whole(model, clip[:count])
        np.testing.assert_allclose(stream.logits(), expected, rtol=1e-4, atol=1e-5)


def test_state_does_not_grow():
    arguments = {"pooling": "slow"}
    model = build("feature_pooling", models.FeaturePooling, arguments)
    way = streaming.way_through("feature_pooling", model, arguments)
    state, sizes = way.start(), set()
    for _ in range(12):
        state = way.update(state, way.encode(frames(3)[None]))
        sizes.add(sum(tensor.numpy().size for tensor in state.values()))
    # A count, a pooled vector, and at most 9 frames that wait for a window.
    assert max(sizes) == 1 + 16 + 9 * 128


def test_too_few_frames_for_a_window():
    arguments = {"pooling": "slow"}
    model = build("feature_pooling", models.FeaturePooling, arguments)
    stream = streaming.Stream(
        streaming.way_through("feature_pooling", model, arguments)
    )
    stream.update(frames(9))
    with pytest.raises(ValueError, match="needs 10 frames or more. Received: 9"):
        stream.logits()


@pytest.mark.parametrize(
    "network, arguments",
    [
        ("tsn", {}),
        ("slow_fusion", {}),
        ("feature_pooling", {"pooling": "local"}),
        ("feature_pooling", {"aggregate": "fc"}),
    ],
)
def test_networks_of_one_length_have_no_way(network, arguments):
    with pytest.raises(ValueError, match=f"any number of frames. Received: {network}"):
        streaming.way_through(network, None, arguments)
