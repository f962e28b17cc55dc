"""Weights as if read from files, for tests of what starts from them."""

import keras
import pytest

from tests.vidzoo.weights.networks import RGB, randomized, toy, weights_of
from vidzoo import models


@pytest.fixture(scope="module")
def toy_file():
    """An image classifier of 9 classes."""
    keras.utils.set_random_seed(1)
    return weights_of(randomized(toy(9)), "toy")


@pytest.fixture(scope="module")
def tsn_file():
    """A TSN on RGB, 5 classes."""
    keras.utils.set_random_seed(2)
    return weights_of(randomized(models.TSN(5, **RGB)), "tsn")
