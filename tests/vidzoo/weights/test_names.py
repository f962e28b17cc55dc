"""`weights=` of builders: presets by name, "imagenet", files of like names."""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from tests.toy_backbones import TOYS
from tests.vidzoo.weights import formats, web
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models import backbones, image_classifier
from vidzoo.weights import PRESETS, RemoteFile, open_weights, save_weights
from vidzoo.weights.load import named_variables
from vidzoo.weights.names import preset_for

GOOGLENET = ("googlenet", "bvlc")


@pytest.fixture(autouse=True)
def surroundings(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("VIDZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def published_at(url, monkeypatch, digest=None, name="googlenet_bvlc"):
    files = (RemoteFile(url, digest),)
    preset = dataclasses.replace(PRESETS[name], files=files)
    monkeypatch.setitem(PRESETS, name, preset)


def test_imagenet_of_every_backbone():
    none = {"alexnet_paper", "resnet101_v1", "resnet152_v1", "tiny", "tiny_average"}
    for name, backbone in backbones.BACKBONES.items():
        network = (backbone.name, backbone.variant)
        if name in none | {*TOYS}:
            with pytest.raises(WeightsError, match="no weights of .* are known"):
                preset_for("imagenet", *network)
        else:
            preset = preset_for("imagenet", *network)
            assert (preset.network, preset.variant) == network


@pytest.mark.parametrize(
    "weights, network, message",
    [
        ("imagenet", ("tiny", "v1"), "There is no preset of tiny; give a file's path"),
        ("imagenet", ("alexnet", "paper"), r"alexnet: alexnet_bvlc \(caffe\), alexnet"),
        (
            "imagenet",
            ("i3d", "rgb"),
            r"Presets of i3d: i3d_rgb_imagenet \(rgb\), i3d_r",
        ),
        ("imagenet", ("c3d", "sports1m"), r"Presets of c3d: c3d_sports1m \(sports1m\)"),
        ("imagenet", (None, None), "means other weights for each network. Give one of"),
        (
            "vgg16_vgg",
            GOOGLENET,
            "holds weights of vgg16 D, not of googlenet bvlc. Pre",
        ),
        (
            "googlenet_bvcl",
            GOOGLENET,
            "neither a preset nor a file. Presets: googlenet",
        ),
        ("zzz", GOOGLENET, "nor a file. Presets: imagenet, googlenet_bvlc\\.$"),
        ("ImageNot", GOOGLENET, "nor a file. Presets: imagenet\\.$"),
        ("zzz", (None, None), "nor a file. Presets: googlenet_bvlc, alexnet_bvlc, "),
    ],
)
def test_what_does_not_fit_is_refused(weights, network, message):
    with pytest.raises(WeightsError, match=message):
        preset_for(weights, *network)


def test_builders_refuse_before_they_fetch():
    for build, message in (
        (lambda **w: models.I3D(modality="flow", **w), "of i3d rgb, not of i3d flow"),
        (models.C3D, "not of c3d sports1m"),
        (models.ResNet3D, "not of resnet3d torchvision"),
        (models.ResNet50, "not of resnet50 v1.5"),
        (lambda **w: models.TDN(5, **w), "not of resnet50 v1.5"),
        (lambda **w: models.TSN(5, backbone="googlenet", **w), "not of googlenet"),
    ):
        with pytest.raises(WeightsError, match=message):
            build(weights="i3d_rgb_imagenet")


def test_files_that_are_called_like_a_preset(tmp_path):
    name = "googlenet_bvlc"
    model = image_classifier.build(backbones.get("tiny"), 3, (32, 32, 3), None, "tiny")
    save_weights(tmp_path / name, model, network="tiny", backbone="tiny", variant="v1")
    assert preset_for(name).name == name
    for file in (f"./{name}", Path(name), tmp_path / name):
        assert preset_for(file, *GOOGLENET) is None
        assert open_weights(file).network == "tiny"
    (tmp_path / name).rename(tmp_path / "mine")
    assert open_weights("mine").network == "tiny"


def test_a_presets_file_must_hold_its_network(monkeypatch, tmp_path):
    arrays = {f"conv{i}/weights": np.ones((8, 2, 1, 1)) for i in range(1, 6)}
    formats.write_npz(tmp_path / "w", arrays | {"fc6/weights": np.ones((2, 8))})
    with web.serving((tmp_path / "w").read_bytes()) as site:
        published_at(site.url, monkeypatch)
        with pytest.raises(
            WeightsError, match="of alexnet caffe; the preset googlenet"
        ):
            open_weights("googlenet_bvlc")


def test_imagenet_on_googlenet(shared_data, tmp_path, monkeypatch):
    """The published weights, as a `.caffemodel`, from its origin into networks."""
    with np.load(shared_data / "weights/bvlc_googlenet_oihw.npz") as data:
        arrays = dict(data)
    formats.write_caffemodel_v1(tmp_path / "w", arrays)
    content = (tmp_path / "w").read_bytes()
    digest = f"sha1:{hashlib.sha1(content).hexdigest()}"
    with web.serving(content, "bvlc_googlenet.caffemodel") as site:
        published_at(site.url, monkeypatch, digest)
        network = models.GoogLeNet(image_shape=(64, 64, 3), weights="imagenet")
    assert len(site.ranges) == 1
    expected = open_weights(shared_data / "weights/bvlc_googlenet_oihw.npz")
    for name, variable in named_variables(network).items():
        np.testing.assert_array_equal(variable, expected.arrays[name], err_msg=name)
    # The server has gone: from now on it is the cache's file.
    tsn = models.TSN(
        5, backbone="googlenet", frame_shape=(64, 64, 3), weights="googlenet_bvlc"
    )
    kernel = named_variables(tsn)["image_conv1_7x7_s2/kernel"]
    np.testing.assert_array_equal(kernel, expected.arrays["conv1_7x7_s2/kernel"])
