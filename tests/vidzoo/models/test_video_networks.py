"""C3D, ResNet3D and I3D: published sizes, and what is special in each."""

import json
import math
from functools import partial

import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.models import c3d, i3d, resnet3d


def num_trainable(model):
    return sum(math.prod(v.shape) for v in model.trainable_variables)


@pytest.mark.slow
@pytest.mark.parametrize(
    "num_classes, expected", [(487, 79_991_015), (101, 78_409_573)]
)
def test_c3d_has_the_published_parameters(num_classes, expected):
    model = models.C3D(num_classes)
    assert model.input.shape == (None, 16, 112, 112, 3)
    assert num_trainable(model) == expected


def test_resnet3d_has_the_published_parameters():
    model = models.ResNet3D()
    assert model.input.shape == (None, 16, 112, 112, 3)
    assert model.output.shape == (None, 400)
    assert num_trainable(model) == 33_371_472


def test_actionflownet_encoder_has_the_parameters_of_the_other_variant():
    model = models.ResNet3D(51, variant="actionflownet")
    assert model.input.shape == (None, 16, 224, 224, 3)
    head = 512 * 51 + 51
    assert num_trainable(model) - head == 33_166_272


@pytest.mark.parametrize(
    "modality, variables", [("rgb", 12_704_544), ("flow", 12_682_592)]
)
def test_i3d_has_the_parameters_of_the_checkpoints(modality, variables, shared_data):
    text = (shared_data / "i3d/checkpoint_tensors.json").read_text()
    tensors = json.loads(text)[f"{modality}_imagenet"]
    assert sum(math.prod(t["shape"]) for t in tensors.values()) == variables
    model = models.I3D(modality=modality, num_frames=16)
    # Moving statistics are tensors of the checkpoint too.
    assert model.count_params() == variables


def test_c3d_default_makes_the_map_that_fc6_reads():
    model = models.C3D(7, fc_size=8)
    assert model.get_layer("pool5").output.shape == (None, 1, 4, 4, 512)


@pytest.mark.parametrize(
    "stages, size, expected",
    [
        *(
            (
                partial(resnet3d.stages, variant),
                (16, side, side, 3),
                [(16, 56, 56, 64)] * 2
                + [(8, 28, 28, 128), (4, 14, 14, 256), (2, 7, 7, 512)],
            )
            for variant, side in (("torchvision", 112), ("actionflownet", 224))
        ),
        (
            i3d.stages,
            (64, 224, 224, 3),
            [
                (32, 56, 56, 64),
                (32, 56, 56, 192),
                (32, 28, 28, 480),
                (16, 14, 14, 832),
                (8, 7, 7, 1024),
            ],
        ),
    ],
)
def test_stages_have_the_listed_sizes(stages, size, expected):
    x = keras.Input(size)
    found = []
    for stage in stages().values():
        x = stage(x)
        found.append(tuple(x.shape[1:]))
    assert found == expected


@pytest.mark.parametrize("length, height, width", [(4, 7, 8), (3, 6, 5), (1, 1, 2)])
def test_c3d_pool_rounds_up_as_caffe_does(length, height, width):
    clip = keras.Input((length, height, width, 2))
    model = keras.Model(clip, c3d._ceil_max_pool(clip, 2, 2, "pool"))
    x = np.random.default_rng(0).uniform(0, 1, (length, height, width, 2))
    x = x.astype("float32")
    expected = np.array(
        [
            [
                [
                    x[t : t + 2, i : i + 2, j : j + 2].max(axis=(0, 1, 2))
                    for j in range(0, width, 2)
                ]
                for i in range(0, height, 2)
            ]
            for t in range(0, length, 2)
        ]
    )
    np.testing.assert_array_equal(model(x[None])[0], expected)


def test_i3d_averages_logits_over_pairs_of_steps():
    model = models.I3D(5, num_frames=24, frame_size=(32, 32))
    last, head = model.get_layer("mixed_5c_output"), model.get_layer("head")
    parts = keras.Model(model.input, [last.output, model.output])
    clip = np.random.default_rng(0).integers(0, 256, (1, 24, 32, 32, 3))
    steps, logits = (np.asarray(x) for x in parts(clip))
    assert steps.shape == (1, 3, 1, 1, 1024)
    pairs = (steps[:, 1:] + steps[:, :-1])[:, :, 0, 0] / 2
    expected = (pairs @ np.asarray(head.kernel) + np.asarray(head.bias)).mean(1)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-5)


def test_unknown_choices():
    with pytest.raises(
        ValueError, match=r"one of \('rgb', 'flow'\)\. Received: 'both'\."
    ):
        models.I3D(modality="both")
    with pytest.raises(ValueError, match=r"`num_frames` must be >= 9.*Received: 8\."):
        models.I3D(num_frames=8)
    with pytest.raises(
        ValueError, match=r"one of \('torchvision', 'actionflownet'\)\. .*: 'caffe'\."
    ):
        models.ResNet3D(variant="caffe")
