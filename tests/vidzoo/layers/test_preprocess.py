"""Preprocess against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vidzoo.layers import Preprocess

SETTINGS = {"scale": 1 / 255, "mean": (0.4, 0.5, 0.6), "std": (0.2, 0.25, 0.3)}


def reference(pixels, channel_order, scale, mean, std):
    """Image by image: reverse, scale, normalise."""
    images = np.split(pixels.astype(np.float64), pixels.shape[-1] // 3, axis=-1)
    if channel_order == "bgr":
        images = [image[..., ::-1] for image in images]
    normalised = [(image * scale - np.array(mean)) / np.array(std) for image in images]
    return np.concatenate(normalised, axis=-1)


@pytest.mark.parametrize("channel_order", ["rgb", "bgr"])
@pytest.mark.parametrize("shape", [(2, 4, 5, 3), (2, 3, 4, 5, 6)])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_is_the_formula(channel_order, shape, dtype):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    expected = reference(pixels, channel_order, **SETTINGS)
    layer = Preprocess(channel_order, **SETTINGS)
    for found in (layer(pixels), tf.function(layer)(tf.constant(pixels))):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
        assert found.dtype == "float32"


def test_works_on_an_open_batch():
    clip = keras.Input((2, 4, 4, 6))
    model = keras.Model(clip, Preprocess("bgr", **SETTINGS)(clip))
    assert model.output.shape == (None, 2, 4, 4, 6)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 2, 4, 4, 6))
    expected = reference(pixels, "bgr", **SETTINGS)
    found = model.predict(pixels, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_settings_rebuild_it():
    layer = Preprocess("bgr", **SETTINGS)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3))
    for other in (
        Preprocess(**layer.settings()),
        Preprocess.from_config(layer.get_config()),
        keras.saving.deserialize_keras_object(
            keras.saving.serialize_keras_object(layer)
        ),
    ):
        np.testing.assert_array_equal(other(pixels), layer(pixels))


def test_unknown_channel_order():
    with pytest.raises(
        ValueError, match=r"one of \('rgb', 'bgr'\)\. Received: 'RGB'\."
    ):
        Preprocess("RGB")


def test_mean_and_std_differ_in_length():
    with pytest.raises(ValueError, match="one length. Received: 3 and 1 values"):
        Preprocess(mean=(1, 2, 3), std=(1,))


def test_channels_are_not_whole_images():
    with pytest.raises(ValueError, match=r"multiple of 3. Received.*\(1, 4, 4, 4\)"):
        Preprocess()(np.zeros((1, 4, 4, 4)))
