"""GoogLeNet with its real weights against an independent forward pass."""

import csv
import json

import cv2
import keras
import numpy as np
import pytest

from vidzoo import metrics, models
from vidzoo.weights import PRESETS, pattern

WEIGHTS = "weights/bvlc_googlenet_oihw.npz"


def reference_crop(path):
    """`expected.json`'s: 256x256 bilinear, the middle 224; here as RGB."""
    image = cv2.resize(cv2.imread(str(path)), (256, 256))
    return cv2.cvtColor(image[16:240, 16:240], cv2.COLOR_BGR2RGB)


@pytest.fixture(scope="module")
def photos(shared_data):
    with (shared_data / "imagenet100/labels.csv").open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    images = [reference_crop(shared_data / "imagenet100" / r["file"]) for r in rows]
    labels = [int(row["index_0based_sorted_wnid"]) for row in rows]
    return [row["file"] for row in rows], np.stack(images), np.array(labels)


@pytest.mark.slow
def test_real_weights_give_the_stored_answers(shared_data, photos):
    names, images, labels = photos
    with np.load(shared_data / "expected/googlenet_imagenet100.npz") as data:
        expected = dict(data)
    text = (shared_data / "expected/expected.json").read_text()
    preprocessing = json.loads(text)["googlenet_reference"]["preprocessing"]
    assert "256x256 with bilinear" in preprocessing  # what `reference_crop` does
    assert names == list(expected["image"])

    model = models.GoogLeNet(weights=shared_data / WEIGHTS)
    features = model.get_layer("pool").output
    both = keras.Model(model.input, [model.output, features])
    parts = [both(images[i : i + 20], training=False) for i in range(0, 100, 20)]
    logits, pool5 = (np.concatenate(part) for part in zip(*parts, strict=True))

    assert metrics.top_k_accuracy(logits, labels, 1) >= 0.80
    assert metrics.top_k_accuracy(logits, labels, 5) >= 0.95
    for found, name in ((logits, "logits"), (pool5, "pool5")):
        error = np.abs(found - expected[name]).max(axis=1)
        limit = 1e-3 * np.abs(expected[name]).max(axis=1)
        assert (error <= limit).all(), name


def test_preset_says_what_the_model_answers(shared_data):
    preset = PRESETS["googlenet_bvlc"]
    model = models.GoogLeNet(weights=shared_data / WEIGHTS, **preset.arguments)
    assert model.count_params() == preset.num_parameters
    settings = model.get_layer("preprocess").settings()
    for name, value in preset.preprocess.items():
        np.testing.assert_equal(settings[name], value)
    logits = np.asarray(model(pattern.draw((224, 224, 3))[None]))[0]
    assert logits.argmax() == preset.expected.label
    assert logits.max() == pytest.approx(preset.expected.logit, rel=1e-4)
    assert np.linalg.norm(logits) == pytest.approx(preset.expected.norm, rel=1e-4)


@pytest.mark.slow
def test_half_precision_keeps_the_real_answers(shared_data, photos):
    _, images, _ = photos
    full = models.GoogLeNet(weights=shared_data / WEIGHTS)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        mixed = models.GoogLeNet(weights=shared_data / WEIGHTS)
    finally:
        keras.config.set_dtype_policy("float32")
    expected = np.asarray(full(images[:4]))
    found = np.asarray(mixed(images[:4]), np.float32)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.05 * scale)


def test_real_weights_enter_a_tsn(shared_data):
    path = shared_data / WEIGHTS
    arguments = {"backbone": "googlenet", "num_segments": 2}
    model = models.TSN(
        10, **arguments, frame_shape=(64, 64, 3), weights=path, dropout=0.5
    )
    with np.load(path) as arrays:
        kernel = arrays["inception_4c/5x5/weights"].transpose(2, 3, 1, 0)
        bias = arrays["conv1/7x7_s2/biases"]
    found = model.get_layer("image_inception_4c_5x5").kernel
    np.testing.assert_array_equal(found, kernel)
    np.testing.assert_array_equal(model.get_layer("image_conv1_7x7_s2").bias, bias)
    assert model.get_layer("image_head").kernel.shape == (1024, 10)
    assert model.get_layer("preprocess").channel_order == "bgr"
