"""Small networks whose weights show, as if read from files, and their answers."""

from pathlib import Path

import keras
import numpy as np

from vidzoo.models import backbones, image_classifier
from vidzoo.weights import (
    WeightsFile,
    assign,
    preprocessing,
)

BACKBONE = backbones.get("toy")
TOY = {"backbone": "toy", "num_segments": 2}
RGB = TOY | {"frame_shape": (32, 32, 3)}
FLOW = TOY | {"modality": "flow", "frame_shape": (32, 32, 10)}
GREY = {"channel_order": "rgb", "scale": 1.0, "mean": (1.0,), "std": (1.0,)}
# Unlike in every channel, and the channels change places.
UNEVEN = preprocessing.CAFFE | {"mean": (80.0, 110.0, 140.0), "std": (50.0, 60.0, 70.0)}


def toy(num_classes, channels=3, weights=None):
    """The toy backbone as a classifier of images."""
    shape = (32, 32, channels)
    return image_classifier.build(BACKBONE, num_classes, shape, weights, "toy")


def randomized(model, seed=0):
    """Biases and batch norms that show in the answers, at the size of a signal."""
    random = np.random.default_rng(seed)
    for name, variable in assign.named_variables(model).items():
        if name.endswith(("gamma", "variance")):
            variable.assign(random.uniform(0.5, 1.5, variable.shape))
        elif len(variable.shape) == 1:
            variable.assign(random.normal(0, 0.1, variable.shape))
    return model


def weights_of(model, network, backbone="toy", variant="v1", preprocess=None):
    """A model's weights as if read from a file."""
    return WeightsFile(
        path=Path(f"{network}.npz"),
        network=network,
        backbone=backbone,
        variant=variant,
        preprocess=preprocess or BACKBONE.preprocess,
        arrays={n: np.array(v) for n, v in assign.named_variables(model).items()},
    )


def pixels(*shape, seed=0):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, shape).astype(np.float32)


def shapes(arrays):
    return {name: tuple(array.shape) for name, array in arrays.items()}


def answers(model, names, x):
    """The outputs of the named layers."""
    outputs = {name: model.get_layer(name).output for name in names}
    found = keras.Model(model.input, outputs)(x, training=False)
    return {name: np.asarray(value) for name, value in found.items()}


def assert_close(found, expected):
    scale = np.abs(expected).max()
    assert scale > 1e-4, "the answers say nothing"
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4 * scale)


def assert_arrays(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
