"""The verbs models, convert and verify, as a user meets them."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from tests.vidzoo.weights.origins import drawn
from vidzoo import cli, models
from vidzoo.models.catalogue import NETWORKS
from vidzoo.models.feature_pooling import network_name
from vidzoo.models.frame_network import FEATURES
from vidzoo.weights import (
    PRESETS,
    assign,
    initialize,
    open_weights,
    pattern,
    save_weights,
)

GOOGLENET = "weights/bvlc_googlenet_oihw.npz"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A ResNet-18 of five classes, as vidzoo writes it."""
    keras.utils.set_random_seed(0)
    model = models.ResNet18(5)
    path = tmp_path_factory.mktemp("small") / "resnet18.npz"
    names = {"network": "resnet18", "backbone": "resnet18", "variant": "v1.5"}
    save_weights(path, model, **names)
    return path


# models


def test_models_lists_networks_and_presets(vidzoo):
    code, out, err = vidzoo("models")
    assert (code, err) == (0, "")
    for text in (
        "resnet50 ",
        "25.56",
        "4.09",
        "vgg16_keras",
        "CC BY-NC",
        "googlenet_bvlc*",
    ):
        assert text in out, text


def test_models_as_json(vidzoo):
    code, out, _ = vidzoo("models", "--json")
    listed = {network["name"]: network for network in json.loads(out)}
    assert code == 0
    assert listed["googlenet"]["multiply_adds"] == 1_582_671_872
    preset = listed["googlenet"]["presets"][0]
    assert preset["expected"]["label"] == 455
    assert set(PRESETS) == {
        preset["name"] for network in listed.values() for preset in network["presets"]
    }


# verify


def test_real_weights_answer_as_expected(vidzoo, shared_data):
    code, out, err = vidzoo("verify", shared_data / GOOGLENET, "--model=googlenet")
    assert (code, err) == (0, "")
    assert "6,998,552 values" in out and "mean 104 117 123" in out
    assert "class 455, logit 8.7030, norm of all 88.2971, as expected" in out


@pytest.mark.parametrize("change", ["flipped", "last-digit"])
def test_changed_weights_fail(change, vidzoo, shared_data, tmp_path):
    """Loaded without a word, by name and shape; the answer tells."""
    with np.load(shared_data / GOOGLENET) as data:
        arrays = dict(data)
    if change == "flipped":
        first = "conv1/7x7_s2/weights"
        arrays[first] = arrays[first][:, ::-1]
    else:
        arrays["loss3/classifier/biases"][455] += 0.002
    np.savez(tmp_path / "changed.npz", **arrays)
    code, out, _ = vidzoo("verify", tmp_path / "changed.npz", "--model=googlenet")
    assert code == 1
    assert "EXPECTED class 455, logit 8.7030" in out and "googlenet_bvlc" in out


def test_own_weights_have_no_known_answer(vidzoo, small):
    code, out, _ = vidzoo("verify", small, "--model=resnet18", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["expected"] is found["answer"] is found["passed"] is None
    assert found["outputs"] == {"logits": 5}
    assert found["num_arrays"] == 20 * 5 + 2


@pytest.mark.parametrize("arguments", [{}, {"difference_merge": "gate"}])
def test_a_run_is_built_as_its_weights_say(arguments, vidzoo, tmp_path):
    layers = ("input", "conv1", "conv2")
    model = models.TDN(
        4,
        num_segments=2,
        backbone="googlenet",
        frame_shape=(64, 64, 3),
        difference_layers=layers,
        **arguments,
    )
    names = {"network": "tdn", "backbone": "googlenet", "variant": "bvlc"}
    save_weights(tmp_path / "weights.npz", model, **names)
    code, out, err = vidzoo("verify", tmp_path / "weights.npz", "--model=tdn")
    assert (code, err) == (0, "")
    assert "tdn on googlenet bvlc, 4 classes, 4 image, 4 difference" in out


@pytest.mark.parametrize("build", [models.TSN, models.TDN])
@pytest.mark.parametrize("modality, channels", [("flow", 6), ("flow_image", 2)])
def test_a_flow_run_is_built_as_its_weights_say(
    build, modality, channels, vidzoo, tmp_path
):
    shape = (64, 64, channels)
    model = build(4, backbone="toy", modality=modality, frame_shape=shape)
    name = model.name
    names = {"network": name, "backbone": "toy", "variant": "v1"}
    save_weights(tmp_path / "weights.npz", model, **names)
    code, out, err = vidzoo("verify", tmp_path / "weights.npz", f"--model={name}")
    assert (code, err) == (0, "")
    assert f"{name} on toy v1, 4 classes" in out
    code, _, err = vidzoo("verify", tmp_path / "weights.npz", f"--model={name}_flow")
    assert code == (0 if modality == "flow" else 1)
    if modality == "flow_image":
        assert f"weights of {name} for flow_image, not for flow. Give --model" in err


def test_rgb_weights_are_not_a_flow_network(vidzoo, tmp_path):
    """Though they would start one: verify asks what they are."""
    model = models.TSN(4, backbone="toy", frame_shape=(64, 64, 3))
    names = {"network": "tsn", "backbone": "toy", "variant": "v1"}
    save_weights(tmp_path / "weights.npz", model, **names)
    code, _, err = vidzoo("verify", tmp_path / "weights.npz", "--model=tsn_flow")
    assert code == 1
    assert "weights of tsn for rgb, not for flow. Give --model=tsn, which" in err


def test_v1_is_not_v1_5(vidzoo, tmp_path):
    """Same shapes: the refusal names both variants."""
    keras.utils.set_random_seed(0)
    model = models.ResNet50(5, variant="v1", image_shape=(64, 64, 3))
    names = {"network": "resnet50", "backbone": "resnet50", "variant": "v1"}
    save_weights(tmp_path / "v1.npz", model, **names)
    with pytest.raises(cli.VidzooError, match="holds resnet50 v1, .* resnet50 v1.5;"):
        models.ResNet50(5, weights=tmp_path / "v1.npz")
    code, out, err = vidzoo("verify", tmp_path / "v1.npz", "--model=resnet50")
    assert (code, out) == (1, "")
    assert "holds resnet50 v1, but this network is resnet50 v1.5;" in err
    assert err.count("\n") == 1


def test_unhappy_paths_of_verify(vidzoo, small, tmp_path):
    text = tmp_path / "text.pth"
    text.write_text("Dear reader")
    for file, model, code, said in (
        (small, "resnet81", 2, "Did you mean resnet18?"),
        (small, "resnet34", 1, "not of resnet34. Give --model=resnet18."),
        (small, "tsn", 1, "not of tsn. Give --model=resnet18."),
        ("resnet18_torchvision", "tsn", 1, "not of tsn. Give --model=resnet18."),
        ("imagenet", "tsn", 1, "no weights of tsn"),
        (tmp_path, "resnet18", 1, "is a folder"),
        (text, "resnet18", 1, "no pickle, or a damaged one"),
        (tmp_path / "none.pth", "resnet18", 1, "no such weights file"),
    ):
        found, out, err = vidzoo("verify", file, f"--model={model}")
        assert (found, out) == (code, ""), err
        assert said in err and err.count("\n") == 1


def test_flow_weights_have_their_channels(vidzoo, tmp_path):
    """Ten channels in the first kernel; the TSN is built for as many."""
    rgb = tmp_path / "rgb.npz"
    names = {"network": "tsn", "backbone": "resnet18", "variant": "v1.5"}
    size = {"num_segments": 2, "backbone": "resnet18"}
    save_weights(rgb, models.TSN(4, frame_shape=(64, 64, 3), **size), **names)
    start = initialize.flow_from_rgb(open_weights(rgb))
    size |= {"modality": "flow", "frame_shape": (64, 64, 10)}
    flow = models.TSN(4, **size, weights=start)
    save_weights(tmp_path / "flow.npz", flow, **names)
    code, out, err = vidzoo("verify", tmp_path / "flow.npz", "--model=tsn")
    assert (code, err) == (0, "")
    assert "tsn on resnet18 v1.5, 4 classes" in out and "mean 0.501961 0.501961," in out
    for file in (rgb, tmp_path / "flow.npz"):
        out_file = tmp_path / "out.keras"
        code, _, err = vidzoo("convert", file, "--model=tsn", f"--out={out_file}")
        assert code == 2 and "End it in .npz" in err and not out_file.exists()


def test_other_classes_are_not_the_preset(vidzoo, shared_data, tmp_path):
    with np.load(shared_data / GOOGLENET) as data:
        arrays = dict(data)
    for name in ("loss3/classifier/weights", "loss3/classifier/biases"):
        arrays[name] = arrays[name][:5]
    np.savez(tmp_path / "fine-tuned.npz", **arrays)
    code, out, _ = vidzoo("verify", tmp_path / "fine-tuned.npz", "--model=googlenet")
    assert code == 0 and "5 classes" in out and "these are no public weights" in out


def test_a_header_of_the_wrong_kind(vidzoo, small, tmp_path):
    for change in ({"preset": []}, {"network": ["resnet18"]}):
        with np.load(small) as data:
            arrays = dict(data)
        header = json.loads(str(arrays["__vidzoo__"])) | change
        np.savez(tmp_path / "x.npz", **arrays | {"__vidzoo__": json.dumps(header)})
        code, out, err = vidzoo("verify", tmp_path / "x.npz", "--model=resnet18")
        assert (code, out) == (1, "") and "damaged header" in err


def test_foreign_names_are_listed_on_both_sides(vidzoo, tmp_path):
    random = np.random.default_rng(0)
    arrays = {"conv_1/kernel": drawn(random, "conv", (7, 7, 3, 64), out_axis=3)}
    np.savez(tmp_path / "odd.npz", **arrays)
    code, _, err = vidzoo("verify", tmp_path / "odd.npz", "--model=resnet18")
    assert code == 1
    assert "In the file only: conv_1/kernel (7, 7, 3, 64)." in err
    assert "In the model only: conv1/kernel" in err
    assert "conv1/kernel may be conv_1/kernel" in err


# convert


def test_converted_weights_answer_the_same(vidzoo, shared_data, tmp_path):
    source, image = shared_data / GOOGLENET, pattern.draw((224, 224, 3))[None]
    expected = np.asarray(models.GoogLeNet(weights=source)(image))
    for suffix in ("npz", "weights.h5", "keras"):
        out_file = tmp_path / f"g.{suffix}"
        arguments = ("--model=googlenet", f"--out={out_file}")
        code, out, err = vidzoo("convert", source, *arguments)
        assert (code, err) == (0, ""), err
        assert f"{out_file}: googlenet bvlc, 1000 classes" in out
        if suffix == "npz":
            assert open_weights(out_file).preset == "googlenet_bvlc"
            model = models.GoogLeNet(weights=out_file)
        elif suffix == "keras":
            model = keras.saving.load_model(out_file)
        else:
            model = models.GoogLeNet()
            model.load_weights(out_file)
        assert np.asarray(model(image)).tobytes() == expected.tobytes()
        # And what Keras wrote comes back, once it is said of which network it is.
        again = tmp_path / f"again-{suffix}.npz"
        code, *_ = vidzoo("convert", out_file, "--model=googlenet", f"--out={again}")
        assert code == 0
        for name, array in open_weights(again).arrays.items():
            ours = assign.named_variables(model)[name]
            np.testing.assert_array_equal(array, ours, err_msg=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{stem}.{suffix}"
        for stem, suffix in (
            *(("g", suffix) for suffix in ("npz", "weights.h5", "keras")),
            *((f"again-{s}", "npz") for s in ("npz", "weights.h5", "keras")),
        )
    )
    code, out, _ = vidzoo("verify", tmp_path / "g.npz", "--model=googlenet")
    assert code == 0 and "as expected" in out


def test_preprocessing_comes_along(vidzoo, small, tmp_path):
    """A `.keras` says it; of a `.weights.h5` it is assumed, aloud."""
    with np.load(small) as data:
        arrays = dict(data)
    header = json.loads(str(arrays["__vidzoo__"]))
    header["preprocess"]["mean"] = [0.1, 0.2, 0.3]
    odd = tmp_path / "odd.npz"
    np.savez(odd, **arrays | {"__vidzoo__": json.dumps(header)})
    for suffix, mean in (("keras", 0.1), ("weights.h5", 0.485)):
        by_keras, back = tmp_path / f"x.{suffix}", tmp_path / f"{suffix}.npz"
        for source, target in ((odd, by_keras), (by_keras, back)):
            code, _, err = vidzoo(
                "convert", source, "--model=resnet18", f"--out={target}"
            )
            assert code == 0
        assert open_weights(back).preprocess["mean"][0] == mean
        assert ("does not name its preprocessing" in err) == (suffix == "weights.h5")


def test_a_failed_write_leaves_nothing(vidzoo, small, tmp_path, monkeypatch):
    def fail(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("[Errno 28] No space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", fail)
    target = tmp_path / "x.weights.h5"
    code, out, err = vidzoo("convert", small, "--model=resnet18", f"--out={target}")
    assert (code, out) == (1, "") and f"{target}: cannot be written" in err
    assert not list(tmp_path.iterdir())


def test_convert_never_replaces_what_another_process_made(
    vidzoo, small, tmp_path, monkeypatch
):
    target = tmp_path / "x.weights.h5"
    save = keras.Model.save_weights

    def save_late(model, path):
        save(model, path)
        target.write_bytes(b"theirs")

    monkeypatch.setattr(keras.Model, "save_weights", save_late)
    code, out, err = vidzoo("convert", small, "--model=resnet18", f"--out={target}")
    assert (code, out) == (1, "") and f"{target}: is there already" in err
    assert target.read_bytes() == b"theirs"
    assert list(tmp_path.iterdir()) == [target]


def test_unhappy_paths_of_convert(vidzoo, small, tmp_path):
    there = tmp_path / "there.npz"
    there.write_bytes(b"mine")
    for arguments, code, text in (
        (("--model=resnet18", f"--out={tmp_path / 'x.pth'}"), 2, "end it in one of"),
        (("--model=resnet18", f"--out={there}"), 1, "is there already"),
        (("--model=resnet18", f"--out={tmp_path / 'no' / 'x.npz'}"), 1, "no folder"),
        (("--model=resnet", f"--out={tmp_path / 'x.npz'}"), 2, "no model 'resnet'"),
    ):
        found, out, err = vidzoo("convert", small, *arguments)
        assert (found, out) == (code, ""), err
        assert text in err and err.count("\n") == 1
    assert there.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["there.npz"]


# Networks of full-length video


@pytest.fixture
def pooled(monkeypatch):
    """A feature-pooling network by its builder's options, small; and its file."""
    small = {"backbone": "toy", "frame_shape": (32, 32, 3), "fc_size": 6}
    row = NETWORKS["feature_pooling"]
    row = dataclasses.replace(row, arguments={"num_frames": 12} | small)
    monkeypatch.setitem(NETWORKS, "feature_pooling", row)

    def write(path, **options):
        model = models.FeaturePooling(5, **{"num_frames": 12} | small | options)
        parts = ("toy", "v1") if "backbone" not in options else (FEATURES,) * 2
        network = network_name(
            options.get("pooling", "conv"), options.get("aggregate", "max")
        )
        names = dict(zip(("backbone", "variant"), parts, strict=True))
        save_weights(path, model, network=network, **names)
        return path

    return write


@pytest.mark.parametrize(
    "options",
    [{}, {"pooling": "slow"}, {"pooling": "late", "aggregate": "average"}],
)
def test_weights_of_any_pooling_over_time(options, pooled, vidzoo, tmp_path):
    file, out = pooled(tmp_path / "weights.npz", **options), tmp_path / "out.npz"
    code, _, err = vidzoo("convert", file, "--model=feature_pooling", f"--out={out}")
    assert (code, err) == (0, "")
    one, other = open_weights(file), open_weights(out)
    assert other.network == one.network
    assert (other.backbone, other.variant) == ("toy", "v1")
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(other.arrays[name], array)
    code, out, _ = vidzoo("verify", file, "--model=feature_pooling")
    assert code == 0 and one.network in out


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pooling": "local"}, "local_pooling is for one number of frames, which the"),
        ({"aggregate": "fc"}, "conv_pooling_fc is for one number of frames"),
        (
            {"backbone": None, "frame_shape": (4,)},
            "conv_pooling reads stored features, whose shape the file does not tell",
        ),
    ],
)
def test_weights_that_do_not_tell_their_input(
    options, message, pooled, vidzoo, tmp_path
):
    file = pooled(tmp_path / "weights.npz", **options)
    code, out, err = vidzoo("verify", file, "--model=feature_pooling")
    assert (code != 0, out) == (True, "") and message in err


def test_poolings_weights_are_not_a_single_frames(pooled, vidzoo, tmp_path):
    file = pooled(tmp_path / "weights.npz", pooling="late")
    code, _, err = vidzoo("verify", file, "--model=single_frame")
    assert code != 0
    assert "holds weights of late_pooling, not of single_frame. Give --model=" in err
    assert "feature_pooling or feature_pooling_googlenet" in err
