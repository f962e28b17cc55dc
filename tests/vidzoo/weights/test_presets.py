"""Presets: records that agree with the networks and converters they name."""

import importlib
import inspect
import json
import re

import pytest

from vidzoo import models
from vidzoo.layers import Preprocess
from vidzoo.models.catalogue import NETWORKS
from vidzoo.weights import PRESETS, checksums, convert, transfer
from vidzoo.weights.presets import DEFAULTS

BUILDERS = {n.network: getattr(models, n.builder) for n in NETWORKS.values()}
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


def test_converter_is_the_presets(preset):
    module = importlib.import_module(f"vidzoo.weights.convert.{preset.converter}")
    served = [c.PRESET for c in getattr(module, "CONVERTERS", (module,))]
    assert (preset.network, preset.variant) in [(p.network, p.variant) for p in served]


def test_preprocessing_is_one(preset):
    Preprocess(**preset.preprocess)


def test_files_say_what_to_expect(preset):
    names = [remote.name for remote in preset.files]
    assert names and len(set(names)) == len(names)
    for remote in preset.files:
        assert re.fullmatch(r"[\w.-]+", remote.name)
        assert remote.url.startswith(("http://", "https://"))
        if remote.digest is not None:
            algorithm, _, digits = remote.digest.partition(":")
            assert len(digits) in HEX_DIGITS[algorithm]
            assert re.fullmatch("[0-9a-f]+", digits)
    if preset.files[0].size is not None:  # float32, with or without more
        size = sum(remote.size for remote in preset.files)
        assert 4 * preset.num_parameters <= size < transfer.LARGEST


def test_texts_are_there(preset):
    assert preset.licence and preset.citation and preset.scores
    assert preset.non_commercial == ("NC" in preset.licence)


def test_names_are_no_paths(preset):
    assert re.fullmatch(r"\w+", preset.name)


@pytest.mark.parametrize("start", ["imagenet", "scratch"])
@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_i3d_files_are_the_published_ones(modality, start, shared_data):
    index, data = PRESETS[f"i3d_{modality}_{start}"].files
    folder = shared_data / "i3d"
    tensors = json.loads((folder / "checkpoint_tensors.json").read_text())
    ends = [t["offset"] + t["bytes"] for t in tensors[f"{modality}_{start}"].values()]
    assert data.size == max(ends)
    file = folder / "checkpoints" / f"{modality}_{start}" / index.name
    assert checksums.find_problem(index, file, index.digest) is None


def test_imagenet_is_one_preset_of_each_network():
    served = [(PRESETS[name].network, PRESETS[name].variant) for name in DEFAULTS]
    assert len(set(served)) == len(DEFAULTS)
    on_imagenet = [p for p in PRESETS.values() if p.arguments["num_classes"] == 1000]
    assert set(served) == {(p.network, p.variant) for p in on_imagenet}


def test_every_converter_has_its_preset():
    for converter in convert.CONVERTERS:
        assert PRESETS[converter.PRESET.name] is converter.PRESET
    served = {(c.PRESET.network, c.PRESET.variant) for c in convert.CONVERTERS}
    assert served == {(p.network, p.variant) for p in PRESETS.values()}
