"""What the converters' tests share: random weights, and answers compared at stages."""

import math

import keras
import numpy as np

from vidzoo.weights import convert


def drawn(random, name, shape, *, out_axis, first=False):
    """Weights under which every one of them shows in the answers, by name and shape.

    Kernels keep the size of a signal; that of the `first` layer brings pixels down to
    about 1, the size of biases. `out_axis` is where a kernel has its output channels.
    """
    if max(shape, default=1) == math.prod(shape):  # a vector
        if "var" in name or "blob3" in name:
            value = random.uniform(0.5, 1.5, shape)
        elif name.endswith(("gamma", "weight", "weights")):
            value = random.uniform(0.3, 0.7, shape)
        else:
            value = random.normal(0, 0.1, shape)
    else:
        fan_in = math.prod(shape) // shape[out_axis]
        value = random.standard_normal(shape, np.float32)
        value *= np.float32(math.sqrt(2 / fan_in) / (64 if first else 1))
    return np.asarray(value, np.float32)


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def written(path, arrays):
    """Writes the origin's arrays, and checks that one converter alone knows them."""
    known = [c.PRESET.name for c in convert.CONVERTERS if c.recognises(arrays)]
    assert len(known) == 1, known
    np.savez(path, **arrays)
    return path


def stage_answers(model, layers, images):
    """The outputs of the named layers and, as `logits`, of the model."""
    outputs = {name: model.get_layer(name).output for name in layers}
    parts = keras.Model(model.input, outputs | {"logits": model.output})
    return {name: np.asarray(x) for name, x in parts(images, training=False).items()}


def assert_same_answers(found, expected, tolerance=1e-4):
    """Equal relative to each output's largest value, which is neither dead nor huge."""
    assert list(found) == list(expected)
    for name in expected:
        assert found[name].shape == expected[name].shape, name
        scale = np.abs(expected[name]).max()
        assert 1e-2 < scale < 1e3, f"{name} says nothing: {scale}"
        error = np.abs(found[name] - expected[name]).max()
        assert error <= tolerance * scale, f"{name}: {error / scale:.2e}"
