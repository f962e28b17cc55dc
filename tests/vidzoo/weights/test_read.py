"""Readers: what each format's own library wrote comes back, bit by bit."""

import cv2
import keras
import numpy as np
import pytest

from tests.vidzoo.weights import formats
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.models.catalogue import NETWORKS
from vidzoo.tasks import known_network
from vidzoo.weights import WeightsFile, assign, convert, lazy, load, read

WEIGHTS = "weights/bvlc_googlenet_oihw.npz"
RANDOM = np.random.default_rng(0)
SMALL = {
    "conv1/weights": RANDOM.normal(size=(4, 3, 2, 5)).astype(np.float32),
    "conv1/biases": RANDOM.normal(size=4).astype(np.float32),
    "one/1x1/weights": RANDOM.normal(size=(1, 4, 1, 1)).astype(np.float32),
    "one/1x1/biases": RANDOM.normal(size=1).astype(np.float32),
    "fc/weights": RANDOM.normal(size=(6, 4)).astype(np.float32),
    "fc/biases": RANDOM.normal(size=6).astype(np.float32),
}


def write_torch_zip(path, arrays):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    torch.save({n: torch.from_numpy(a) for n, a in arrays.items()}, path)


def write_torch_stream(path, arrays):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    state = {name: torch.from_numpy(array) for name, array in arrays.items()}
    torch.save(state, path, _use_new_zipfile_serialization=False)


# Formats that keep the arrays' own names.
OWN_NAMES = {
    "npz": formats.write_npz,
    "v1.caffemodel": formats.write_caffemodel_v1,
    "v2.caffemodel": formats.write_caffemodel_v2,
    "legacy.h5": formats.write_legacy_h5,
    "flat.h5": formats.write_flat_h5,
    "zip.pth": formats.write_pth_zip,
    "stream.pth": formats.write_pth_stream,
    "torch-zip.pth": write_torch_zip,
    "torch-stream.pth": write_torch_stream,
    "safetensors": formats.write_safetensors,
    "tf1": formats.write_tf1_checkpoint,
}
OTHER_NAMES = {
    "weights.h5": (formats.write_weights_h5, formats.weights_h5_names),
    "keras": (formats.write_keras, formats.weights_h5_names),
    "tf2": (formats.write_tf2_checkpoint, formats.tf2_names),
}
# These keep an order of their own.
UNORDERED = ("flat.h5", "safetensors", "tf1", "tf2")
CASES = [(n, w, list) for n, w in OWN_NAMES.items()]
CASES += [(n, w, names) for n, (w, names) in OTHER_NAMES.items()]


def assert_same(found, expected, ordered=True):
    assert set(found) == set(expected)
    if ordered:
        assert list(found) == list(expected)
    with lazy.opened(found.values()):
        for name, array in expected.items():
            assert found[name].dtype == array.dtype, name
            assert found[name].shape == array.shape, name
            read_now = np.asarray(found[name])
            assert (read_now.dtype, read_now.shape) == (array.dtype, array.shape), name
            assert read_now.tobytes() == np.asarray(array).tobytes(), name


@pytest.mark.parametrize("suffix, write, names", CASES, ids=[c[0] for c in CASES])
def test_small_arrays_come_back(suffix, write, names, tmp_path):
    path = tmp_path / f"w.{suffix}"
    write(path, SMALL)
    expected = dict(zip(names(SMALL), SMALL.values(), strict=True))
    assert_same(read.read(path), expected, suffix not in UNORDERED)
    assert_same(read.read(str(path)), expected, suffix not in UNORDERED)


def test_formats_are_told_by_content(tmp_path):
    for name, write in OWN_NAMES.items():
        if name == "tf1" or name.startswith("torch"):
            continue
        path = tmp_path / f"{name}.bin"
        write(path, SMALL)
        assert_same(read.read(path), SMALL, name not in UNORDERED)
        path.rename(tmp_path / "wrong.npz")
        assert_same(read.read(tmp_path / "wrong.npz"), SMALL, name not in UNORDERED)


# GoogLeNet's real weights

GOOGLENET = ("googlenet", "googlenet", "bvlc")  # network, backbone, variant
HALF = {"image_shape": (112, 112, 3)}


def answers(model, images):
    parts = [model(images[i : i + 25], training=False) for i in range(0, 100, 25)]
    return np.concatenate([np.asarray(part) for part in parts])


@pytest.fixture(scope="module")
def real(shared_data):
    with np.load(shared_data / WEIGHTS) as data:
        layers = [name.removesuffix("/weights") for name in data if "weights" in name]
        names = [
            f"{layer}/{kind}" for layer in layers for kind in ("weights", "biases")
        ]
        assert set(names) == set(data)
        return {name: data[name] for name in names}


@pytest.fixture(scope="module")
def real_logits(shared_data):
    """All hundred photos, at half size to save time, and GoogLeNet's answers."""
    photos = sorted((shared_data / "imagenet100").glob("*.JPEG"))
    images = [cv2.resize(cv2.imread(str(photo)), (112, 112)) for photo in photos]
    images = np.stack(images)[..., ::-1]
    assert images.shape == (100, 112, 112, 3)
    model = models.GoogLeNet(**HALF, weights=shared_data / WEIGHTS)
    return model, images, answers(model, images)


def forget(model):
    model.set_weights([np.zeros_like(weight) for weight in model.get_weights()])


@pytest.mark.slow
@pytest.mark.parametrize("suffix", OWN_NAMES)
def test_real_weights_answer_the_same(suffix, real, real_logits, tmp_path):
    path = tmp_path / f"googlenet.{suffix}"
    OWN_NAMES[suffix](path, real)
    assert_same(read.read(path), real, suffix not in UNORDERED)
    model, images, expected = real_logits
    forget(model)
    assign.assign_network(model, load.open_weights(path), "googlenet", "bvlc")
    assert answers(model, images).tobytes() == expected.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", OTHER_NAMES)
def test_real_weights_survive_other_names(suffix, real, real_logits, tmp_path):
    write, names = OTHER_NAMES[suffix]
    path = tmp_path / f"googlenet.{suffix}"
    write(path, real)
    expected = dict(zip(names(real), real.values(), strict=True))
    found = read.read(path)
    assert_same(found, expected, suffix not in UNORDERED)
    arrays = dict(zip(real, (found[name] for name in names(real)), strict=True))
    model, images, logits = real_logits
    forget(model)
    file = WeightsFile(path, *GOOGLENET, {}, convert.bvlc_googlenet.convert(arrays))
    assign.assign_network(model, file, "googlenet", "bvlc")
    assert answers(model, images).tobytes() == logits.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["weights.h5", "h5", "keras"])
def test_keras_files_of_the_real_model(suffix, real_logits, tmp_path):
    """What Keras itself writes of GoogLeNet: the layer's names, their variables."""
    model, images, logits = real_logits
    path = tmp_path / f"googlenet.{suffix}"
    if suffix == "h5":
        import h5py
        from keras.src.legacy.saving import legacy_h5_format

        with h5py.File(path, "w") as file:
            legacy_h5_format.save_weights_to_hdf5_group(file, model)
    else:
        (model.save if suffix == "keras" else model.save_weights)(path)
    found = read.read(path)
    number = {"kernel": 0, "bias": 1}
    expected = {}
    for name, variable in assign.named_variables(model).items():
        layer, _, kind = name.partition("/")
        new = f"layers/{layer}/vars/{number[kind]}"
        expected[name if suffix == "h5" else new] = np.asarray(variable)
    assert_same(found, expected, ordered=suffix == "h5")

    with pytest.raises(WeightsError, match="vidzoo convert FILE --model=NAME"):
        models.GoogLeNet(weights=path)
    named, _ = known_network.open_and_build(path, NETWORKS["googlenet"])
    forget(model)
    model.set_weights(named.get_weights())
    assert answers(model, images).tobytes() == logits.tobytes()


# Names


def test_keras_layers_have_their_own_names(tmp_path):
    """Keras files them under their class, `layers/dense_1`."""
    layers = [keras.layers.Dense(3, name="second"), keras.layers.Dense(2, name="first")]
    model = keras.Sequential([keras.Input((4,)), *layers])
    model.compile("adam", "mse")
    model.fit(np.ones((2, 4)), np.ones((2, 2)), verbose=0)
    names = {f"layers/{n}/vars/{i}" for n in ("first", "second") for i in (0, 1)}
    for suffix in ("weights.h5", "keras"):
        path = tmp_path / f"w.{suffix}"
        (model.save if suffix == "keras" else model.save_weights)(path)
        found = read.read(path)
        assert set(found) == names  # and nothing of the optimizer
        np.testing.assert_array_equal(found["layers/second/vars/0"], layers[0].kernel)


def test_legacy_h5_of_a_whole_model(tmp_path):
    formats.write_legacy_h5(tmp_path / "w.h5", SMALL, group="model_weights")
    assert_same(read.read(tmp_path / "w.h5"), SMALL)


def test_legacy_h5_prefixes_the_layer(tmp_path):
    import h5py

    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names0"] = [b"block1_conv1"]  # cut in two, as Keras does
        file.attrs["layer_names1"] = [b"pool"]
        layer = file.create_group("block1_conv1")
        layer.attrs["weight_names"] = [b"block1_conv1_W_1:0"]
        layer["block1_conv1_W_1:0"] = np.ones(2)
        file.create_group("pool").attrs["weight_names"] = []
    assert list(read.read(tmp_path / "w.h5")) == ["block1_conv1/block1_conv1_W_1"]


def test_caffe_blobs_beyond_the_second(tmp_path):
    arrays = {f"bn/{n}": np.full(3, i, np.float32) for i, n in enumerate("abc")}
    for i, write in enumerate(
        (formats.write_caffemodel_v1, formats.write_caffemodel_v2)
    ):
        write(tmp_path / f"{i}.caffemodel", arrays)
        found = read.read(tmp_path / f"{i}.caffemodel")
        assert list(found) == ["bn/weights", "bn/biases", "bn/blob2"]
        np.testing.assert_array_equal(found["bn/blob2"], arrays["bn/c"])
        assert found["bn/blob2"].shape == (3,)


def test_caffe_numbers_one_by_one_and_doubles(tmp_path):
    formats.write_caffemodel_v1(tmp_path / "a.caffemodel", SMALL, prefix="Loose")
    assert_same(read.read(tmp_path / "a.caffemodel"), SMALL)
    doubles = {"fc/weights": RANDOM.normal(size=(3, 4))}
    formats.write_caffemodel_v2(tmp_path / "b.caffemodel", doubles)
    assert_same(read.read(tmp_path / "b.caffemodel"), doubles)


def test_caffe_of_c3d_has_kernels_in_time(tmp_path):
    arrays = {
        "conv1a/weights": RANDOM.normal(size=(4, 3, 3, 2, 5)).astype(np.float32),
        "conv1a/biases": RANDOM.normal(size=4).astype(np.float32),
        "fc6/weights": RANDOM.normal(size=(6, 4)).astype(np.float32),
    }
    formats.write_caffemodel_v1(tmp_path / "c3d", arrays, prefix="C3D")
    assert_same(read.read(tmp_path / "c3d"), arrays)


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_pytorch_checkpoints_give_their_state_dict(key, tmp_path):
    state = formats.hand_state(SMALL)
    content = {"epoch": 3, "best": 0.5, "arch": "x", key: state, "optimizer": {"a": []}}
    for write in (formats.write_hand_zip, formats.write_hand_stream):
        write(tmp_path / "w.pth", content)
        assert_same(read.read(tmp_path / "w.pth"), SMALL)


def test_pytorch_nested_dictionaries_join_their_names(tmp_path):
    tensor = formats.hand_tensor("0", np.ones(2, np.float32))
    nested = {"encoder": {"conv": tensor}, "heads": [{"w": tensor}], "steps": 3}
    formats.write_hand_zip(tmp_path / "w.pth", nested)
    assert list(read.read(tmp_path / "w.pth")) == ["encoder.conv", "heads.0.w"]


def test_pytorch_strides_and_offsets(tmp_path):
    array = np.arange(24, dtype=np.float32)
    content = {
        "transposed": formats.hand_tensor("0", array, 0, (4, 6), (1, 4)),
        "part": formats.hand_tensor("0", array, 5, (2, 3), (6, 1)),
        "scalar": formats.hand_tensor("0", array, 7, (), ()),
        "none": formats.hand_tensor("0", array, 0, (0, 3), (3, 1)),
        "expanded": formats.hand_tensor("0", array, 2, (3, 2), (0, 1)),
    }
    expected = {
        "transposed": np.ascontiguousarray(array.reshape(6, 4).T),
        "part": np.stack([array[5:8], array[11:14]]),
        "scalar": array[7],
        "none": np.empty((0, 3), np.float32),
        "expanded": np.stack([array[2:4]] * 3),
    }
    for write in (formats.write_hand_zip, formats.write_hand_stream):
        write(tmp_path / "w.pth", content)
        assert_same(read.read(tmp_path / "w.pth"), expected)


NUMBERS = ["f2", "f4", "f8", "i8", "i4", "i2", "i1", "u1", "b1"]


@pytest.mark.parametrize("write", [formats.write_pth_zip, formats.write_pth_stream])
def test_pytorch_kinds_of_numbers(write, tmp_path):
    arrays = {kind: np.array([0, 1, 1, 100]).astype(kind) for kind in NUMBERS}
    write(tmp_path / "w.pth", arrays)
    assert_same(read.read(tmp_path / "w.pth"), arrays)


def test_checkpoints_kinds_of_numbers(tmp_path):
    arrays = {k: np.array([[0, 1], [1, 100]]).astype(k) for k in (*NUMBERS, "u2", "u8")}
    arrays["scalar"], arrays["none"] = np.float32(3), np.zeros((0, 3), np.float32)
    formats.write_tf2_checkpoint(tmp_path / "tf", arrays)
    assert_same(
        read.read(tmp_path / "tf"),
        dict(zip(formats.tf2_names(arrays), arrays.values(), strict=True)),
        ordered=False,
    )


def test_bfloat16_becomes_float32(tmp_path):
    values = np.array([1.0, -2.5, 3.140625, 1e30], np.float32)
    halves = (values.view(np.uint32) >> 16).astype(np.uint16)
    expected = (halves.astype(np.uint32) << 16).view(np.float32)
    tensor = formats.hand_tensor("0", halves.view(np.int16))
    for write in (formats.write_hand_zip, formats.write_hand_stream):
        write(tmp_path / "w.pth", {"x": tensor}, {"0": "BFloat16"})
        assert_same(read.read(tmp_path / "w.pth"), {"x": expected})

    import ml_dtypes

    bfloat16 = halves.view(ml_dtypes.bfloat16)
    header = b'{"x":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}'
    path = tmp_path / "w.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + halves.tobytes())
    assert_same(read.read(path), {"x": expected})

    import tensorflow as tf

    tf.train.Checkpoint(x=tf.Variable(bfloat16)).write(str(tmp_path / "tf"))
    assert_same(read.read(tmp_path / "tf"), {"x": expected})

    layer = keras.layers.Dense(4, use_bias=False, dtype="bfloat16", name="x")
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.kernel.assign(expected[None])
    model.save_weights(tmp_path / "w.weights.h5")
    assert_same(
        read.read(tmp_path / "w.weights.h5"), {"layers/x/vars/0": expected[None]}
    )


def test_big_endian_pytorch(tmp_path):
    array = np.arange(5, dtype=">f4")
    formats.write_hand_zip(
        tmp_path / "w.pth",
        {"x": formats.hand_tensor("0", array)},
        {"0": "Float"},
        order="big",
    )
    assert_same(read.read(tmp_path / "w.pth"), {"x": array.astype("<f4")})


def test_torch_reads_what_was_written_by_hand(tmp_path):
    """Torch's own reader agrees, so the hand-made files are like its own."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    for write in (formats.write_pth_zip, formats.write_pth_stream):
        write(tmp_path / "w.pth", SMALL)
        state = torch.load(tmp_path / "w.pth", weights_only=True)
        assert_same({n: t.numpy() for n, t in state.items()}, SMALL)


@pytest.mark.parametrize("is_zip", [True, False])
def test_modules_that_torch_wrote(is_zip, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last),
        torch.nn.BatchNorm2d(4),
        torch.nn.Linear(4, 2).to(torch.bfloat16),
    )
    net[2].weight = torch.nn.Parameter(net[2].weight.detach().T.contiguous().T)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, momentum=0.9)
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    content = {
        "epoch": 1,
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parameter": net[0].weight,
    }
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=is_zip)
    loaded = torch.load(tmp_path / "w.pt", weights_only=True)["state_dict"]
    expected = {
        name: (t.float() if t.dtype == torch.bfloat16 else t).contiguous().numpy()
        for name, t in loaded.items()
    }
    found = read.read(tmp_path / "w.pt")
    assert_same(found, expected)
    assert "1.running_var" in found and "1.num_batches_tracked" in found


def test_checkpoints_by_prefix_and_by_index(tmp_path):
    formats.write_tf1_checkpoint(tmp_path / "model.ckpt", SMALL)
    by_prefix = read.read(tmp_path / "model.ckpt")
    assert_same(read.read(tmp_path / "model.ckpt.index"), by_prefix)
    with pytest.raises(WeightsError, match="model.ckpt.data-00000-of-00001"):
        (tmp_path / "model.ckpt.data-00000-of-00001").rename(tmp_path / "elsewhere")
        read.read(tmp_path / "model.ckpt")


def test_i3d_index_is_read_to_its_last_tensor(shared_data):
    """The published index has 230 tensors; its shard of 50 MB is not there."""
    from vidzoo.weights.read import tensorflow_checkpoint

    for path in sorted((shared_data / "i3d").rglob("*.index")):
        entries = tensorflow_checkpoint._entries(path.read_bytes())
        assert len(entries) == 231  # and the header
        with pytest.raises(WeightsError, match="is missing; put it beside the index"):
            read.read(path)
        break
    else:
        pytest.skip("no I3D index file")


def test_values_that_are_not_finite_are_counted(tmp_path):
    array = np.zeros((2, 3), np.float32)
    array[1, 1:] = np.nan, -np.inf
    message = r"1 arrays hold NaN or infinity; first: a/weights \(2 of its 6 values\)"
    for name, write in OWN_NAMES.items():
        if name.startswith("torch"):
            continue
        path = tmp_path / f"w.{name}"
        write(path, {"a/weights": array})
        with pytest.raises(WeightsError, match=message):
            read.read(path)
    np.savez(tmp_path / "w.npz", **{"a/b": array, "c": np.float16("nan")})
    with pytest.raises(WeightsError, match=r"2 arrays .* a/b \(2 of its 6 values\)\."):
        read.read(tmp_path / "w.npz")
