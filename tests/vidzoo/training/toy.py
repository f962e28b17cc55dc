"""A network and batches for it that train in no time."""

import keras
import numpy as np
from keras import layers, ops

from vidzoo.training import Phase, Recipe

CLIP = (2, 8, 8, 3)
HEAD = {"head": 2.0}
RECIPE = Recipe(phases=(Phase(2, 0.05, schedule="step", decay_epochs=(1,)),))


def toy_model(dropout=0.5):
    """Convolution, batch norm and a classifier with dropout: traced in no time."""
    clip = keras.Input(CLIP)
    x = ops.reshape(clip, (-1, *CLIP[1:])) / 255.0
    x = layers.Conv2D(4, 3, name="image_conv")(x)
    x = layers.BatchNormalization(name="image_bn")(x)
    x = layers.ReLU()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(dropout, name="image_dropout")(x)
    x = layers.Dense(3, name="image_head")(x)
    return keras.Model(clip, ops.mean(ops.reshape(x, (-1, 2, 3)), axis=1))


def batches(clip=CLIP, batch_size=4, num=40, classes=3):
    random = np.random.default_rng(5)
    made = [
        {
            "rgb": random.integers(0, 256, (batch_size, *clip), dtype=np.uint8),
            "label": random.integers(0, classes, batch_size).astype(np.int32),
        }
        for _ in range(num)
    ]
    return lambda first_step, num_steps: made[first_step:num_steps]


def as_in_a_new_process(seed=0):
    """Keras numbers unnamed layers and random states from 0 again."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)


def assert_equal_weights(model, other):
    for one, two in zip(model.variables, other.variables, strict=True):
        np.testing.assert_array_equal(one, two, err_msg=one.path)
