"""Caffe's GoogLeNet as its published file holds it: more than the network needs."""

import numpy as np

from tests.vidzoo.weights.origins import written
from vidzoo import models
from vidzoo.weights import assign, load

WEIGHTS = "weights/bvlc_googlenet_oihw.npz"


def test_classifiers_for_training_are_left_out(shared_data, tmp_path):
    with np.load(shared_data / WEIGHTS) as data:
        arrays = dict(data)
    for loss, channels in (("loss1", 512), ("loss2", 528)):
        arrays |= {
            f"{loss}/conv/weights": np.ones((128, channels, 1, 1)),
            f"{loss}/conv/biases": np.ones(128),
            f"{loss}/fc/weights": np.ones((1024, 2048)),
            f"{loss}/fc/biases": np.ones(1024),
            f"{loss}/classifier/weights": np.ones((1000, 1024)),
            f"{loss}/classifier/biases": np.ones(1000),
        }
    file = written(tmp_path / "whole.npz", arrays)
    found = models.GoogLeNet(image_shape=(64, 64, 3), weights=file)
    expected = load.open_weights(shared_data / WEIGHTS).arrays
    for name, variable in assign.named_variables(found).items():
        np.testing.assert_array_equal(variable, expected[name], err_msg=name)
