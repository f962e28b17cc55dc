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


def labels_of(shared_data):
    return (shared_data / "i3d/label_map.txt").read_text().splitlines()


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_i3d_answers_are_the_printed_ones(modality, shared_data):
    labels = labels_of(shared_data)
    clip = PRESETS[f"i3d_{modality}_imagenet"].clip
    text = (shared_data / f"i3d/out/imagenet_{modality}.txt").read_text()
    norm, _, _, *lines = text.splitlines()
    printed = [line.split(" ", 2)[1:] for line in lines if line]
    assert clip.norm == float(norm.split()[-1])
    found = [(logit, labels[number]) for number, logit in clip.logits.items()]
    assert found == [(float(logit), label) for logit, label in printed]
    assert len(found) == 20


# The networks' sum, as `imagenet_joint.txt` and `no_imagenet_joint.txt` print it.
JOINT = {
    "imagenet": {
        "playing cricket": 41.813675,
        "hurling (sport)": 21.493977,
        "catching or throwing baseball": 20.134108,
        "hitting baseball": 18.915352,
    },
    "scratch": {
        "playing cricket": 34.9155,
        "hurling (sport)": 24.669,
        "hitting baseball": 22.3136,
        "shooting goal (soccer)": 21.9345,
        "catching or throwing baseball": 20.4042,
    },
}


@pytest.mark.parametrize("start", JOINT)
def test_i3d_answers_add_up_to_the_joint_ones(start, shared_data):
    labels = labels_of(shared_data)
    rgb, flow = (PRESETS[f"i3d_{m}_{start}"].clip.logits for m in ("rgb", "flow"))
    assert len(rgb) == len(flow) == 20
    for label, logit in JOINT[start].items():
        number = labels.index(label)
        assert rgb[number] + flow[number] == pytest.approx(logit, abs=1.1e-4), label


def test_weights_without_any_known_answer_are_these():
    unknown = {
        preset.name
        for preset in PRESETS.values()
        if preset.expected is preset.clip is preset.accuracy is None
    }
    assert unknown == {"resnet3d_torchvision", "c3d_sports1m"}


def test_scores_in_numbers_are_those_in_words(preset):
    assert (preset.accuracy is not None) == (preset.arguments["num_classes"] == 1000)
    if preset.accuracy is not None and preset.name != "vgg16_vgg":  # of other crops
        assert f"top-5 {preset.accuracy.top5} %" in preset.scores
        if preset.accuracy.top1 is not None:
            assert f"top-1 {preset.accuracy.top1} %" in preset.scores


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
