"""Arrays that stay in their file: what is read late is what was checked early."""

import json
import os
import threading
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.vidzoo.weights import formats
from tests.vidzoo.weights.test_read import OTHER_NAMES, OWN_NAMES, SMALL
from vidzoo import models
from vidzoo.errors import WeightsError
from vidzoo.weights import assign, convert, initialize, lazy, load, memory, read
from vidzoo.weights.read import crc32c

TORCH = ("torch-zip.pth", "torch-stream.pth")
WRITERS = {n: w for n, w in OWN_NAMES.items() if n not in TORCH}
WRITERS |= {name: write for name, (write, _) in OTHER_NAMES.items()}
RANDOM = np.random.default_rng(0)
TOY = {"backbone": "toy", "frame_shape": (32, 32, 3), "num_segments": 2}
BACKBONE = {"backbone": "toy", "variant": "v1"}


def open_files(folder):
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("open files are told by /proc")
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return [os.readlink(n) for n in links if os.path.exists(n) and folder in n]


# Files that change


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_that_changes_is_not_read_on(suffix, tmp_path):
    path = tmp_path / f"w.{suffix}"
    WRITERS[suffix](path, SMALL)
    files = sorted(f for f in tmp_path.iterdir() if f.name != "checkpoint")
    kept = files[-1 if suffix == "tf2" else 0]
    array = next(iter(read.read(path).values()))
    assert np.asarray(array).size == array.size
    assert not open_files(str(tmp_path))
    data = kept.read_bytes()
    other = kept.with_name("other")
    other.write_bytes(data)
    os.replace(other, kept)  # the same bytes, but who knows
    message = rf"{kept}: has changed since it was opened, before all of it was read\."
    with pytest.raises(WeightsError, match=message):
        np.asarray(array)
    array = next(iter(read.read(path).values()))
    kept.unlink()
    with pytest.raises(WeightsError, match=rf"{kept}: is gone since it was opened"):
        array.read()


@pytest.fixture
def tsn_file(tmp_path):
    keras.utils.set_random_seed(1)
    path = tmp_path / "tsn.npz"
    load.save_weights(path, models.TSN(5, **TOY), network="tsn", **BACKBONE)
    return path


@pytest.mark.parametrize("happens, at", [("cut", 3), ("altered", -1), ("gone", -1)])
def test_a_change_half_way_leaves_the_model_as_it_was(
    happens, at, tsn_file, monkeypatch
):
    weights_file = load.open_weights(tsn_file)
    keras.utils.set_random_seed(2)
    model = models.TSN(5, **TOY)
    before = [np.array(variable) for variable in model.variables]
    variables = list(assign.named_variables(model).values())
    set_one, data = memory.assign, tsn_file.read_bytes()

    def change_once(variable, array):
        set_one(variable, array)
        if variable is variables[at]:
            monkeypatch.undo()
            if happens == "gone":
                tsn_file.unlink()
            else:
                end = len(data) // 2 if happens == "cut" else len(data)
                tsn_file.write_bytes(data[:end])

    monkeypatch.setattr(memory, "assign", change_once)
    with pytest.raises(WeightsError, match=rf"{tsn_file}: (has changed|is gone) since"):
        assign.assign_subnetworks(model, weights_file, "tsn", "toy", "v1", ("image",))
    for was, now in zip(before, model.variables, strict=True):
        np.testing.assert_array_equal(was, now)
    assert not open_files(str(tsn_file.parent))


def test_damage_that_no_time_tells_is_an_error(tsn_file):
    """Within one tick of the file system's clock; a zip's checksums tell."""
    array = load.open_weights(tsn_file).arrays["image_head/kernel"]
    state = tsn_file.stat()
    data = bytearray(tsn_file.read_bytes())
    data[data.index(np.asarray(array).tobytes()) + 5] ^= 1
    tsn_file.write_bytes(data)
    os.utime(tsn_file, ns=(state.st_atime_ns, state.st_mtime_ns))
    with pytest.raises(WeightsError, match=r"tsn\.npz: not a readable \.npz file"):
        array.read()


def test_two_threads_read_one_file(tsn_file):
    arrays = dict(list(load.open_weights(tsn_file).arrays.items())[:10])
    expected = {name: np.asarray(array) for name, array in arrays.items()}
    same = []

    def compare():
        for name, array in arrays.items():
            same.append(np.array_equal(array, expected[name]))

    threads = [threading.Thread(target=compare) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * (3 * len(arrays))


# Axes


CHANGES = [
    lambda a: a.T,
    lambda a: a.reshape(-1),
    lambda a: a.reshape((6, -1)),
    lambda a: a.transpose(2, 0, 1),
    lambda a: np.moveaxis(a, (0, 1), (-1, -2)),
    lambda a: a[..., :3],
    lambda a: a.T[1:].reshape(3, -1).T,
]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_change_as_numpys(change, order, tmp_path):
    array = np.asarray(RANDOM.normal(size=(2, 3, 4)), order=order)
    np.savez(tmp_path / "w.npz", x=array)
    found, expected = change(read.read(tmp_path / "w.npz")["x"]), change(array)
    assert isinstance(found, lazy.LazyArray)
    assert (found.shape, found.ndim) == (expected.shape, expected.ndim)
    assert (found.size, len(found)) == (expected.size, len(expected))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(found.read(np.float32), expected.astype(np.float32))
    out = np.empty(expected.shape, np.float16)
    found.read_into(out)
    np.testing.assert_array_equal(out, expected.astype(np.float16))
    assert found.count(lambda x: x > 0.1) == np.count_nonzero(expected > 0.1)


def drawn(*shape):
    return RANDOM.normal(size=shape).astype(np.float32)


# One array of each kind that a converter treats apart, and what it is told by.
ORIGINS = {
    "alexnet caffe": {
        **{f"conv{i}/weights": drawn(4, 3, 2, 2) for i in range(1, 6)},
        **{f"conv{i}/biases": drawn(1, 1, 1, 4) for i in range(1, 6)},
        "fc6/weights": drawn(1, 1, 5, 16),
        "fc8/weights": drawn(7, 5),
    },
    "vgg16 D": {
        **{f"conv{i}/weights": drawn(4, 3, 3, 3) for i in ("1_1", "5_3")},
        **{"fc6/weights": drawn(5, 8), "fc8/biases": drawn(7)},
    },
    "c3d sports1m": {
        **{f"{n}/weights": drawn(4, 3, 2, 2, 2) for n in ("conv1a", "conv3b")},
        **{"conv5b/weights": drawn(4, 3, 3, 3, 3), "fc6-1/weights": drawn(5, 8)},
    },
    "googlenet bvlc": {
        "conv1/7x7_s2/weights": drawn(4, 3, 7, 7),
        "loss3/classifier/weights": drawn(1, 1, 7, 4),
        "loss1/classifier/weights": drawn(7, 4),
    },
    "bn_inception tsn": {
        "conv1/7x7_s2/weights": drawn(4, 3, 7, 7),
        "inception_5b/double_3x3_2_bn/blob3": drawn(1, 4, 1, 1),
    },
    "alexnet torchvision": {
        **{f"classifier.{i}.weight": drawn(5, 8) for i in (1, 4)},
        **{"features.10.weight": drawn(4, 3, 3, 3), "features.10.bias": drawn(4)},
    },
    "resnet3d torchvision": {
        "stem.0.weight": drawn(4, 3, 3, 7, 7),
        "layer1.0.conv1.0.weight": drawn(4, 4, 3, 3, 3),
        "layer1.0.conv1.1.num_batches_tracked": np.array(3),
    },
    "i3d rgb": {
        "RGB/inception_i3d/Conv3d_1a_7x7/conv_3d/w": drawn(7, 7, 7, 3, 4),
        "RGB/inception_i3d/Conv3d_1a_7x7/batch_norm/beta": drawn(1, 1, 1, 1, 4),
        "RGB/inception_i3d/Logits/Conv3d_0c_1x1/conv_3d/w": drawn(1, 1, 1, 4, 7),
    },
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_converters_make_the_same_of_lazy_arrays(origin, tmp_path):
    arrays = ORIGINS[origin]
    (converter,) = [c for c in convert.CONVERTERS if c.recognises(arrays)]
    assert f"{converter.PRESET.network} {converter.PRESET.variant}" == origin
    expected = converter.convert(dict(arrays))
    np.savez(tmp_path / "w.npz", **arrays)
    found = converter.convert(read.read(tmp_path / "w.npz"))
    assert list(found) == list(expected)
    for name, array in found.items():
        assert isinstance(array, lazy.LazyArray)
        assert array.shape == expected[name].shape
        np.testing.assert_array_equal(array, expected[name], err_msg=name)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: initialize.first_convolution(file, 6),
        lambda file: initialize.multi_frame_from_single(file, 4),
        lambda file: initialize.inflate(file),
    ],
)
def test_initialisations_make_the_same_of_lazy_arrays(change, tmp_path):
    arrays = {"conv1/kernel": drawn(7, 7, 3, 4), "res2_block1_conv1_bn/beta": drawn(4)}
    arrays["res2_block1_shortcut/kernel"] = drawn(1, 1, 4, 4)
    header = {"network": "resnet18", "backbone": "resnet18", "variant": "v1.5"}
    header["preprocess"] = {"mean": [1, 2, 3], "std": [1, 1, 1]}
    content = {**arrays, read.HEADER: np.array(json.dumps(header))}
    np.savez(tmp_path / "w.npz", **content)
    file = load.open_weights(tmp_path / "w.npz")
    found = change(file).arrays
    expected = change(load.replace(file, arrays=arrays)).arrays
    assert found.keys() == expected.keys()
    for name, array in found.items():
        assert isinstance(array, lazy.LazyArray)
        assert (array.shape, array.dtype) == (expected[name].shape, np.float32)
        assert np.asarray(array).tobytes() == expected[name].tobytes()


# A checkpoint's checksums


def crc32c_by_bits(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def test_crc32c_is_what_its_definition_says(monkeypatch):
    assert crc32c_by_bits(b"123456789") ^ 0xFFFFFFFF == 0xE3069283  # published
    monkeypatch.setattr(crc32c, "_BLOCK", 2**12)
    data = RANDOM.bytes(9000)
    for length in (*range(9), 255, 256, 257, 1000, 4095, 4096, 4099, 9000):
        expected = crc32c_by_bits(data[:length])
        assert crc32c.update(crc32c.START, data[:length]) == expected
        part = crc32c.update(crc32c.START, data[: length // 3])
        assert crc32c.update(part, data[length // 3 : length]) == expected


# PyTorch's storages, of which tensors may be parts


def halves():
    array = np.arange(4000, dtype=np.float32)
    return {f"{i}": formats.hand_tensor("0", array, 2000 * i, (2000,)) for i in (0, 1)}


def test_a_changed_bit_in_a_shared_storage_is_noticed(tmp_path):
    path = tmp_path / "w.pth"
    formats.write_hand_zip(path, halves())
    assert np.asarray(read.read(path)["1"])[0] == 2000
    data = path.read_bytes()
    place = data.index(np.arange(4000, dtype=np.float32).tobytes()) + 5000
    path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(WeightsError, match="Bad CRC-32"):
        read.read(path)


def test_a_compressed_storage_is_read_whole_or_not_at_all(tmp_path):
    for name, content in (("parts", halves()), ("whole", formats.hand_state(SMALL))):
        formats.write_hand_zip(tmp_path / "plain", content)
        with (
            zipfile.ZipFile(tmp_path / "plain") as plain,
            zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for member in plain.namelist():
                archive.writestr(member, plain.read(member))
    found = read.read(tmp_path / "whole")
    np.testing.assert_array_equal(found["fc/weights"], SMALL["fc/weights"])
    with pytest.raises(WeightsError, match="refused: its storage 0 is compressed, and"):
        read.read(tmp_path / "parts")


def test_a_scattered_tensor_is_refused(tmp_path):
    """To read its two numbers would take a storage of 80 MB."""
    array = np.zeros(20_000_001, np.float32)
    tensor = formats.hand_tensor("0", array, 0, (2,), (20_000_000,))
    formats.write_hand_zip(tmp_path / "w.pth", {"x": tensor})
    with pytest.raises(WeightsError, match="refused: x is scattered over 20000001"):
        read.read(tmp_path / "w.pth")


def test_numbers_beside_a_tensor_may_be_broken(tmp_path):
    array = np.arange(8, dtype=np.float32)
    array[[1, 3]] = np.nan
    content = {"x": formats.hand_tensor("0", array, 0, (4,), (2,))}
    formats.write_hand_zip(tmp_path / "w.pth", content)
    np.testing.assert_array_equal(read.read(tmp_path / "w.pth")["x"], [0, 2, 4, 6])
    array[4] = np.inf
    formats.write_hand_zip(tmp_path / "w.pth", content)
    with pytest.raises(WeightsError, match=r"first: x \(1 of its 4 values\)"):
        read.read(tmp_path / "w.pth")


def test_a_header_without_end_is_refused(tmp_path):
    np.savez_compressed(tmp_path / "w.npz", **{read.HEADER: np.array(" " * 2**19)})
    with pytest.raises(WeightsError, match="damaged header .*it is 2097152 bytes long"):
        load.open_weights(tmp_path / "w.npz")
