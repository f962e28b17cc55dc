"""Presets: records that agree with the networks and converters they name."""

import inspect
import math
import re

import pytest

from vidzoo import models
from vidzoo.layers import Preprocess
from vidzoo.weights import PRESETS, convert

BUILDERS = {
    "alexnet": models.AlexNet,
    "bn_inception": models.BNInception,
    "c3d": models.C3D,
    "googlenet": models.GoogLeNet,
    "i3d": models.I3D,
    "resnet3d": models.ResNet3D,
    "vgg16": models.VGG16,
} | {f"resnet{d}": getattr(models, f"ResNet{d}") for d in (18, 34, 50, 101, 152)}
HEX_DIGITS = {"md5": (32,), "sha1": (40,), "sha256": (8, 64)}


@pytest.fixture(params=list(PRESETS))
def preset(request):
    return PRESETS[request.param]


def test_arguments_are_the_builders(preset):
    signature = inspect.signature(BUILDERS[preset.network])
    signature.bind(**preset.arguments)
    chosen = {n: p.default for n, p in signature.parameters.items()} | preset.arguments
    for argument in ("variant", "modality"):
        if argument in chosen:
            assert chosen[argument] == preset.variant
    assert chosen["num_classes"] == preset.arguments["num_classes"]


def test_preprocessing_is_one(preset):
    Preprocess(**preset.preprocess)


def test_digest_says_which(preset):
    if preset.digest is not None:
        algorithm, _, digits = preset.digest.partition(":")
        assert len(digits) in HEX_DIGITS[algorithm]
        assert re.fullmatch("[0-9a-f]+", digits)


def test_texts_are_there(preset):
    assert preset.url.startswith("http")
    assert preset.licence and preset.citation and preset.scores


def test_every_converter_has_its_preset():
    for converter in convert.CONVERTERS:
        assert PRESETS[converter.PRESET.name] is converter.PRESET
    served = {(c.PRESET.network, c.PRESET.variant) for c in convert.CONVERTERS}
    assert served == {(p.network, p.variant) for p in PRESETS.values()}


@pytest.mark.slow
def test_number_of_parameters_is_the_networks(preset):
    model = BUILDERS[preset.network](**preset.arguments)
    assert (
        sum(math.prod(v.shape) for v in model.trainable_variables)
        == preset.num_parameters
    )
