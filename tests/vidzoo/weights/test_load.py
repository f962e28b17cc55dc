"""Weights files: round trips, and every way in which a file can be wrong."""

import json
import re
import tempfile

import keras
import numpy as np
import pytest

from tests.vidzoo.weights import formats
from tests.zoo import named_outputs
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models import backbones, image_classifier
from vidzoo.weights import assign, open_weights, save_weights

TOY = {"backbone": "toy", "frame_shape": (32, 32, 3), "num_segments": 2}
CLIP = np.random.default_rng(0).integers(0, 256, (2, 2, 32, 32, 3))
HEADER = "__vidzoo__"
WRONG_VARIANT = r"holds toy v9, but this network is toy v1; .* would be wrong\."


BACKBONE = {"backbone": "toy", "variant": "v1"}


@pytest.fixture(scope="module")
def tsn_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "tsn.npz"
    keras.utils.set_random_seed(1)
    save_weights(path, randomized(models.TSN(5, **TOY)), network="tsn", **BACKBONE)
    return path


@pytest.fixture(scope="module")
def toy_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "toy.npz"
    save_weights(path, randomized(toy(9)), network="toy", **BACKBONE)
    return path


def toy(num_classes, weights=None):
    """The toy backbone as an image classifier."""
    return image_classifier.build(
        backbones.get("toy"), num_classes, (32, 32, 3), weights, "toy"
    )


def randomized(model):
    """Sets every weight, batch norm's moving statistics too, to random numbers."""
    random = np.random.default_rng(2)
    for variable in assign.named_variables(model).values():
        variable.assign(random.uniform(0.1, 0.3, variable.shape))
    return model


def altered(path, out, header=None, remove=(), **arrays):
    """A copy of a weights file with other header values, arrays or none of some."""
    with np.load(path) as data:
        content = {name: data[name] for name in data.files if name not in remove}
    if header is not None:
        there = json.loads(str(content[HEADER]))
        content[HEADER] = np.array(json.dumps(there | header))
    np.savez(out, **content | {n.replace("__", "/"): a for n, a in arrays.items()})
    return out


def snapshot(model):
    return [np.array(variable) for variable in model.variables]


# Round trips


@pytest.mark.parametrize("build", [models.TSN, models.TDN])
def test_saved_weights_come_back(build, tmp_path):
    model = randomized(build(5, **TOY))
    network = model.name
    save_weights(tmp_path / "w.npz", model, network=network, **BACKBONE)
    loaded = build(5, **TOY, weights=tmp_path / "w.npz")
    expected = named_outputs(model(CLIP))
    for name, logits in named_outputs(loaded(CLIP)).items():
        np.testing.assert_array_equal(logits, expected[name])
    opened = open_weights(tmp_path / "w.npz")
    assert (opened.network, opened.backbone, opened.variant) == (network, "toy", "v1")
    assert not list(tmp_path.glob(".*")), "a temporary file was left"


def test_backbone_weights_come_back(toy_file):
    with np.load(toy_file) as data:
        for name, variable in assign.named_variables(toy(9, toy_file)).items():
            np.testing.assert_array_equal(variable, data[name], err_msg=name)


def test_no_weights_is_none():
    assert open_weights(None) is None


def test_weights_bring_their_preprocessing(tsn_file, tmp_path):
    settings = {
        "channel_order": "bgr",
        "scale": 1.0,
        "mean": [1.0, 2.0, 3.0],
        "std": [4.0, 5.0, 6.0],
    }
    path = altered(tsn_file, tmp_path / "w.npz", header={"preprocess": settings})
    model = models.TSN(5, **TOY, weights=path)
    assert model.get_layer("preprocess").settings() == settings


@pytest.mark.parametrize("build", [models.TSN, models.TDN])
def test_backbone_weights_enter_every_subnetwork(build, toy_file):
    keras.utils.set_random_seed(3)
    fresh = assign.named_variables(build(4, **TOY))
    keras.utils.set_random_seed(3)
    model = build(4, **TOY, weights=toy_file)
    with np.load(toy_file) as data:
        for name, variable in assign.named_variables(model).items():
            _, own_name = name.split("_", 1)
            if own_name.startswith("head/"):  # other classes: as without weights
                np.testing.assert_array_equal(variable, fresh[name], err_msg=name)
            else:
                np.testing.assert_array_equal(variable, data[own_name], err_msg=name)
    prefixes = {name.split("_")[0] for name in assign.named_variables(model)}
    assert prefixes == {"image", "difference"} if build is models.TDN else {"image"}


# Files that do not fit


def test_other_differences_are_another_network(tmp_path):
    """All names and shapes are the same, the answers are not."""
    toy = {"backbone": "toy", "frame_shape": (32, 32, 3)}
    model = models.TDN(3, difference_layers=("input", "conv1"), **toy)
    save_weights(tmp_path / "w.npz", model, network="tdn", **BACKBONE)
    message = (
        "differences are conv1_motion, input_motion; the model's are conv1_motion,"
    )
    with pytest.raises(WeightsError, match=message):
        models.TDN(3, weights=tmp_path / "w.npz", **toy)
    same = {"difference_layers": ("input", "conv1"), "weights": tmp_path / "w.npz"}
    models.TDN(3, **same, **toy)


@pytest.mark.parametrize("merge", ["conv", "gate"])
def test_backbone_weights_leave_merges_fresh(merge, toy_file):
    model = models.TDN(
        3,
        backbone="toy",
        frame_shape=(32, 32, 3),
        difference_merge=merge,
        weights=toy_file,
    )
    with np.load(toy_file) as data:
        kernel = data["conv1/kernel"]
    for subnetwork in ("image", "difference"):
        found = model.get_layer(f"{subnetwork}_conv1").kernel
        np.testing.assert_array_equal(np.asarray(found), kernel)


def test_wrong_variant(tsn_file, toy_file, tmp_path):
    path = altered(tsn_file, tmp_path / "a.npz", header={"variant": "v9"})
    with pytest.raises(WeightsError, match=WRONG_VARIANT):
        models.TSN(5, **TOY, weights=path)
    path = altered(toy_file, tmp_path / "b.npz", header={"variant": "v9"})
    for build in (lambda: toy(9, path), lambda: models.TDN(5, **TOY, weights=path)):
        with pytest.raises(WeightsError, match=WRONG_VARIANT):
            build()


def test_wrong_backbone(tsn_file):
    arguments = TOY | {"backbone": "resnet18"}
    with pytest.raises(
        WeightsError, match="for the backbone toy, but the model is built on resnet18"
    ):
        models.TSN(5, **arguments, weights=tsn_file)


def test_wrong_network(tsn_file, toy_file):
    with pytest.raises(
        WeightsError, match="holds weights of tsn, not of tdn or of its backbone toy"
    ):
        models.TDN(5, **TOY, weights=tsn_file)
    with pytest.raises(WeightsError, match="holds weights of tsn, not of toy. Build"):
        toy(5, tsn_file)
    with pytest.raises(WeightsError, match="holds weights of toy, not of resnet18"):
        models.ResNet18(9, image_shape=(32, 32, 3), weights=toy_file)


def test_wrong_number_of_classes(tsn_file):
    message = (
        rf"{re.escape(str(tsn_file))}: does not fit the model\. "
        r"In the file only: image_head/bias \(5,\), image_head/kernel \(128, 5\)\. "
        r"In the model only: image_head/bias \(4,\), image_head/kernel \(128, 4\)\."
    )
    with pytest.raises(WeightsError, match=message):
        models.TSN(4, **TOY, weights=tsn_file)


def test_names_on_one_side_only(tsn_file, tmp_path):
    path = altered(
        tsn_file,
        tmp_path / "w.npz",
        remove=["image_head/bias"],
        extra__kernel=np.zeros(3),
    )
    message = (
        r"In the file only: extra/kernel \(3,\)\. "
        r"In the model only: image_head/bias \(5,\)\.$"
    )
    with pytest.raises(WeightsError, match=message):
        models.TSN(5, **TOY, weights=path)


def test_long_lists_are_cut(tsn_file, tmp_path):
    with np.load(tsn_file) as data:
        removed = [name for name in data.files if name != HEADER][:11]
    path = altered(tsn_file, tmp_path / "w.npz", remove=removed)
    with pytest.raises(WeightsError, match=r"In the model only: .* and 3 more\.$"):
        models.TSN(5, **TOY, weights=path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite(value, tsn_file, tmp_path):
    bias = np.array([0, 0, value, 0, 0])
    path = altered(tsn_file, tmp_path / "w.npz", image_head__bias=bias)
    message = (
        "1 arrays hold NaN or infinity; first: image_head/bias "
        r"\(1 of its 5 values\)\."
    )
    with pytest.raises(WeightsError, match=message):
        models.TSN(5, **TOY, weights=path)


@pytest.mark.parametrize(
    "damage",
    [
        {"header": {"variant": "v9"}},
        {"remove": ["image_head/bias"]},
        {"image_res5_block1_conv2__kernel": np.zeros((3, 3, 128, 127))},
    ],
)
def test_a_failed_load_leaves_the_model_as_it_was(damage, tsn_file, tmp_path):
    weights_file = open_weights(altered(tsn_file, tmp_path / "w.npz", **damage))
    model = models.TSN(5, **TOY)
    before = snapshot(model)
    with pytest.raises(WeightsError):
        assign.assign_subnetworks(
            model,
            weights_file,
            "tsn",
            "toy",
            backbones.get("toy").variant,
            ("image",),
        )
    for was, now in zip(before, snapshot(model), strict=True):
        np.testing.assert_array_equal(was, now)


def test_mismatches_name_the_nearest(tsn_file, tmp_path):
    with np.load(tsn_file) as data:
        kernel = data["image_conv1/kernel"]
    path = altered(
        tsn_file,
        tmp_path / "w.npz",
        remove=["image_conv1/kernel"],
        image_conv_1__kernel=kernel,
    )
    message = r"image_conv1/kernel may be image_conv_1/kernel\.$"
    with pytest.raises(WeightsError, match=message):
        models.TSN(5, **TOY, weights=path)


@pytest.mark.parametrize("failing", [0, 5, -1])
def test_a_failure_half_way_leaves_the_model_as_it_was(failing, tsn_file, monkeypatch):
    weights_file = open_weights(tsn_file)
    model = models.TSN(5, **TOY)
    variables = list(assign.named_variables(model).values())
    before = snapshot(model)
    broken, set_one = variables[failing], keras.Variable.assign

    def fail_once(variable, value):
        set_one(variable, value)
        if variable is broken and monkeypatch.undo() is None:
            raise MemoryError("half-way")

    monkeypatch.setattr(keras.Variable, "assign", fail_once)
    with pytest.raises(MemoryError, match="half-way"):
        assign.assign_subnetworks(model, weights_file, "tsn", "toy", "v1", ("image",))
    for was, now in zip(before, snapshot(model), strict=True):
        np.testing.assert_array_equal(was, now)


def test_old_values_of_every_kind_come_back():
    """Scalars, halves, and what is put aside in several blocks."""
    random = np.random.default_rng(3)
    variables = {
        "scalar": keras.Variable(3.0),
        "half": keras.Variable(random.normal(size=(2, 3)), dtype="bfloat16"),
        "whole": keras.Variable([1, 2], dtype="int32", trainable=False),
        "large": keras.Variable(random.normal(size=(2100, 3000)), dtype="float32"),
        "missing": keras.Variable(np.zeros(2)),
    }
    before = [np.array(keras.ops.cast(v, "float32")) for v in variables.values()]
    arrays = {n: np.ones(v.shape) for n, v in variables.items() if n != "missing"}
    with pytest.raises(KeyError):
        assign._set_all(variables, arrays)
    for was, now in zip(before, variables.values(), strict=True):
        np.testing.assert_array_equal(was, keras.ops.cast(now, "float32"))


def test_real_googlenet_does_not_fit_other_classes(shared_data):
    path = shared_data / "weights/bvlc_googlenet_oihw.npz"
    with pytest.raises(WeightsError, match=r"In the file only: head/bias \(1000,\)"):
        models.GoogLeNet(10, weights=path)
    with pytest.raises(WeightsError, match="for the backbone googlenet, but .* toy"):
        models.TSN(5, **TOY, weights=path)


# Files that cannot be read


def test_missing_file(tmp_path):
    path = tmp_path / "none.npz"
    with pytest.raises(
        WeightsError, match=rf"{re.escape(str(path))}: no such weights file"
    ):
        models.TSN(5, **TOY, weights=path)
    with pytest.raises(WeightsError, match="is a folder"):
        open_weights(tmp_path)


def _npz_of_objects(path):
    np.savez(path, x=np.array([{"a": 1}, None], dtype=object))


def _npy(path):
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _pickle(path):
    np.array([{"a": 1}], dtype=object).dump(path)


def _text(path):
    path.write_text("weights")


def _empty(path):
    path.write_bytes(b"")


def _cut(path):
    np.savez(path, x=np.zeros(1000))
    path.write_bytes(path.read_bytes()[:2000])


def _flipped_bits(path):
    np.savez_compressed(path, x=np.random.default_rng(0).normal(size=5000))
    data = bytearray(path.read_bytes())
    data[1000:1040] = bytes(255 - byte for byte in data[1000:1040])
    path.write_bytes(data)


UNREADABLE = [_npz_of_objects, _npy, _pickle, _text, _empty, _cut, _flipped_bits]


@pytest.mark.parametrize("write", UNREADABLE, ids=lambda write: write.__name__)
def test_not_a_readable_npz(write, tmp_path):
    path = tmp_path / "w.npz"
    write(path)
    with pytest.raises(
        WeightsError, match=rf"{re.escape(str(path))}: not a readable \.npz"
    ):
        open_weights(path)


def test_arrays_of_an_unknown_network(tmp_path):
    np.savez(tmp_path / "w.npz", **{"fc/kernel": np.zeros(3), "fc/bias": np.zeros(3)})
    message = r"which network these 2 arrays belong to \(first: fc/kernel\)"
    with pytest.raises(WeightsError, match=message):
        open_weights(tmp_path / "w.npz")
    np.savez(tmp_path / "none.npz")
    with pytest.raises(WeightsError, match=r"these 0 arrays .* \(first: none\)"):
        open_weights(tmp_path / "none.npz")


@pytest.mark.parametrize(
    "header",
    [
        "not json",
        "[1, 2]",
        '{"network": "tsn"}',
        '{"network": "tsn", "backbone": "toy", "variant": "v1", "preprocess": {}, ',
    ],
)
def test_damaged_header(header, tsn_file, tmp_path):
    path = tmp_path / "w.npz"
    with np.load(tsn_file) as data:
        np.savez(path, **dict(data) | {HEADER: np.array(header)})
    with pytest.raises(WeightsError, match="damaged header"):
        models.TSN(5, **TOY, weights=path)


@pytest.mark.parametrize(
    "preprocess", [{"scale": 1.0, "gamma": 2.0}, {"channel_order": "xyz"}, [1], "rgb"]
)
def test_damaged_preprocessing_in_the_header(preprocess, tsn_file, tmp_path):
    path = altered(tsn_file, tmp_path / "w.npz", header={"preprocess": preprocess})
    with pytest.raises(WeightsError, match="damaged header"):
        models.TSN(5, **TOY, weights=path)


def test_arrays_that_are_no_numbers(tsn_file, tmp_path):
    text = np.array(["a", "b", "c", "d", "e"])
    path = altered(tsn_file, tmp_path / "w.npz", image_head__bias=text)
    with pytest.raises(WeightsError, match="image_head/bias"):
        models.TSN(5, **TOY, weights=path)


def test_caffenet_is_not_taken_for_alexnet(tmp_path):
    """The same names and shapes: the order of layers without blobs tells."""
    arrays = {
        f"{layer}/{kind}": np.zeros((2, 2) if kind == "weights" else 2, np.float32)
        for layer in (*(f"conv{i}" for i in range(1, 6)), "fc6", "fc7", "fc8")
        for kind in ("weights", "biases")
    }
    orders = {"caffenet": ("pool1", "norm1"), "alexnet": ("norm1", "pool1")}
    for name, order in orders.items():
        net = formats.caffe_messages()("Net")(name="net")
        for layer in order:
            net.layer.add(name=layer, type="Pooling")
        formats.write_caffemodel_v2(tmp_path / name, arrays)
        with (tmp_path / name).open("ab") as file:  # a message goes on behind it
            file.write(net.SerializeToString())
    with pytest.raises(WeightsError, match="CaffeNet's .* pools before it normalises"):
        open_weights(tmp_path / "caffenet")
    assert open_weights(tmp_path / "alexnet").variant == "caffe"


def test_what_float32_cannot_hold_is_refused(tmp_path):
    """Finite in the file, infinite in the model."""
    model = models.TSN(5, **TOY)
    before = snapshot(model)
    path = tmp_path / "double.npz"
    save_weights(path, model, network="tsn", **BACKBONE)
    with np.load(path) as data:
        arrays = dict(data)
    name = next(n for n in arrays if n.endswith("/kernel"))
    arrays[name] = arrays[name].astype(np.float64)
    arrays[name].flat[:2] = 1e300, -1e39
    np.savez(path, **arrays)
    with pytest.raises(WeightsError, match=f"{name} would become infinite: 2 of its"):
        models.TSN(5, **TOY, weights=path)
    weights_file = open_weights(path)
    with pytest.raises(WeightsError, match="beyond float32's"):
        assign.assign_subnetworks(model, weights_file, "tsn", "toy", "v1", ("image",))
    for was, now in zip(before, snapshot(model), strict=True):
        np.testing.assert_array_equal(was, now)


def test_no_room_to_put_the_old_weights_aside(tsn_file, monkeypatch, tmp_path):
    model = models.TSN(5, **TOY)
    before = snapshot(model)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    weights_file = open_weights(tsn_file)
    with pytest.raises(WeightsError, match="gone: .* name another folder by TMPDIR"):
        assign.assign_subnetworks(model, weights_file, "tsn", "toy", "v1", ("image",))
    for was, now in zip(before, snapshot(model), strict=True):
        np.testing.assert_array_equal(was, now)


def test_errors_name_the_initialisation(tsn_file):
    arguments = {"backbone": "toy", "frame_shape": (32, 32, 3), "num_segments": 2}
    with pytest.raises(WeightsError, match=r"initialize\.difference_from_image\."):
        models.TDN(5, **arguments, weights=tsn_file)
    with pytest.raises(WeightsError, match=r"initialize\.another_number_of_classes\."):
        models.TSN(6, **arguments, weights=tsn_file)
