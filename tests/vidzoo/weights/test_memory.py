"""Peak memory of loading: at most twice the model and 256 MB, whatever a file holds.

And what saves it: arrays that stay in the file, variables that take a copy as it is.
"""

import itertools
import sys
import zipfile

import keras
import numpy as np
import pytest

from tests.other_process import answering
from tests.vidzoo.weights import formats
from vidzoo import models
from vidzoo.weights import load, memory

NUM_ARRAYS, SHAPE = 8, (2048, 2048)
SIZE = NUM_ARRAYS * 4 * SHAPE[0] * SHAPE[1]

# Measures one piece of code for each line, each in a fork, so that TensorFlow is
# imported once; what is imported before starts no thread.
MEASURING = """
import json, os, sys, traceback
import tensorflow
from vidzoo import errors, models
from vidzoo.weights import read

def memory(name):
    with open("/proc/self/status") as lines:
        return next(1024 * int(x.split()[1]) for x in lines if x.startswith(name))

for line in sys.stdin:
    code, *arguments = json.loads(line)
    out, into = os.pipe()
    if not (child := os.fork()):
        before = memory("VmRSS")
        try:
            exec(code, globals() | {"arguments": arguments})
            answer = memory("VmHWM") - before
        except Exception:
            answer = traceback.format_exc()
        os.write(into, json.dumps(answer).encode())
        os._exit(0)
    os.close(into)
    with os.fdopen(out) as file:
        answer = file.read()
    os.waitpid(child, 0)
    print(answer or '"it died"', flush=True)
"""
ARRAYS_ALONE = "arrays = read.read(*arguments); assert len(arrays) == 8"
INTO_A_NETWORK = """
path, builder = arguments
model = getattr(models, builder)(weights=path)
fc6 = model.get_layer("fc6")
assert float(fc6.kernel[5, 7]) == float(fc6.bias[9]) == float(fc6.kernel[-1, -1]) == 14
"""
REFUSED_BY_A_TSN = """
try:
    models.TSN(7, backbone="vgg16", weights=arguments[0])
except errors.WeightsError as error:
    assert "In the file only: image_noise (50331648,), image_zeros (117440512,)." in (
        str(error)
    )
else:
    raise AssertionError("it was not refused")
"""
INTO_A_TSN = """
model = models.TSN(7, backbone="vgg16", weights=arguments[0])
assert float(model.get_layer("image_conv5_3").kernel[0, 1, 2, 3]) == 13
"""


def write_caffemodel(path, arrays):
    """By hand: protobuf's library takes numbers one at a time."""

    def field(number, content):
        return varint(number << 3 | 2) + varint(len(content)) + content

    with path.open("wb") as file:
        for layer, names in itertools.groupby(arrays, lambda n: n.rpartition("/")[0]):
            message = field(1, layer.encode())
            for name in names:
                blob = field(7, field(1, b"".join(map(varint, arrays[name].shape))))
                message += field(7, blob + field(5, arrays[name].tobytes()))
            file.write(field(100, message))


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


WRITERS = {
    "npz": formats.write_npz,
    "h5": formats.write_legacy_h5,
    "keras": formats.write_keras,
    "zip.pth": formats.write_pth_zip,
    "stream.pth": formats.write_pth_stream,
    "safetensors": formats.write_safetensors,
    "caffemodel": write_caffemodel,
    "index": lambda path, arrays: formats.write_tf2_checkpoint(
        path.with_suffix(""), arrays
    ),
}


def write_tf1_index(path, arrays):
    """Under the arrays' own names, which TF 2 does not keep."""
    formats.write_tf1_checkpoint(path.with_suffix(""), arrays)


@pytest.fixture(scope="module")
def arrays():
    return {f"d{i}/weights": np.full(SHAPE, i, np.float32) for i in range(NUM_ARRAYS)}


@pytest.fixture(scope="module")
def used():
    """Peak memory of code, in bytes: a function of it and its arguments."""
    with answering(MEASURING) as ask:

        def measure(code, *arguments):
            answer = ask(code, *map(str, arguments))
            assert isinstance(answer, int), answer
            return answer

        yield measure


needs_proc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc"
)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
def test_reading(suffix, arrays, tmp_path, used):
    path = tmp_path / f"w.{suffix}"
    WRITERS[suffix](path, arrays)
    assert used(ARRAYS_ALONE, path) < SIZE / 2  # they are checked a block at a time
    for file in tmp_path.iterdir():
        file.unlink()


# VGG-16's layers: Caffe's name and ours, torchvision's, keras.applications', the shape
CONVOLUTIONS = [
    (f"conv{stage}_{i}", f"features.{number}", f"block{stage}_conv{i}", (3, 3, *sizes))
    for stage, i, number, *sizes in (
        *((1, 1, 0, 3, 64), (1, 2, 2, 64, 64)),
        *((2, 1, 5, 64, 128), (2, 2, 7, 128, 128)),
        *((3, 1, 10, 128, 256), (3, 2, 12, 256, 256), (3, 3, 14, 256, 256)),
        *((4, 1, 17, 256, 512), (4, 2, 19, 512, 512), (4, 3, 21, 512, 512)),
        *((5, 1, 24, 512, 512), (5, 2, 26, 512, 512), (5, 3, 28, 512, 512)),
    )
]
VGG16 = [
    *CONVOLUTIONS,
    ("fc6", "classifier.0", "fc1", (25088, 4096)),
    ("fc7", "classifier.3", "fc2", (4096, 4096)),
    ("fc8", "classifier.6", "predictions", (4096, 1000)),
]
# suffix: column of VGG16, and how that origin names a kernel and a bias
ORIGINS = {
    "npz": (2, "kernel", "bias"),
    "h5": (2, "kernel", "bias"),
    "index": (2, "kernel", "bias"),
    "zip.pth": (1, "weight", "bias"),
    "stream.pth": (1, "weight", "bias"),
    "safetensors": (1, "weight", "bias"),
    "caffemodel": (0, "weights", "biases"),
}


def vgg16(column, kernel, bias, dtype=np.float32):
    """An origin's arrays, filled with the number of their layer: fc6 is the 14th."""
    arrays = {}
    for number, row in enumerate(VGG16, start=1):
        *space, inputs, outputs = row[-1]
        shape = row[-1] if column == 2 else (outputs, inputs, *space)
        mark = "." if column == 1 else "/"
        arrays[f"{row[column]}{mark}{kernel}"] = np.full(shape, number, dtype)
        arrays[f"{row[column]}{mark}{bias}"] = np.full(outputs, number, dtype)
    return arrays


VGG16_SIZE = 4 * 138_357_544
# A TSN of 7 classes, on VGG-16's convolutions
TSN_SIZE = 4 * (14_714_688 + 512 * 7 + 7)


def allowed(size):
    return 2 * size + 256 * 2**20


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("suffix", ORIGINS)
def test_loading_vgg16(suffix, tmp_path, used):
    """Three quarters of it are one layer, fc6, which a TSN leaves out.

    The `.npz` is in float64, and so as large as is allowed without the model.
    """
    path = tmp_path / f"w.{suffix}"
    arrays = vgg16(*ORIGINS[suffix], np.float64 if suffix == "npz" else np.float32)
    assert 4 * sum(array.size for array in arrays.values()) == VGG16_SIZE
    write = {"index": write_tf1_index}.get(suffix, WRITERS[suffix])
    write(path, arrays)
    del arrays
    assert VGG16_SIZE <= used(INTO_A_NETWORK, path, "VGG16") <= allowed(VGG16_SIZE)
    if suffix in ("npz", "zip.pth"):
        assert TSN_SIZE <= used(INTO_A_TSN, path) <= allowed(TSN_SIZE)
    for file in tmp_path.iterdir():
        file.unlink()


@needs_proc
@pytest.mark.slow
def test_a_compressed_file_of_arrays_that_nobody_wants(tmp_path, used):
    """It unfolds to ten times its size, and more than is allowed, and is refused."""
    path = tmp_path / "w.npz"
    convolutions = dict(list(vgg16(*ORIGINS["npz"]).items())[: 2 * len(CONVOLUTIONS)])
    noise = np.random.default_rng(0).integers(0, 256, 48 * 2**20, np.uint8)
    zeros = np.zeros(112 * 2**20, np.float32)
    arrays = convolutions | {"noise": noise, "zeros": zeros}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array)
    size = sum(array.nbytes for array in arrays.values())
    assert size > max(10 * path.stat().st_size, allowed(TSN_SIZE))
    assert used(REFUSED_BY_A_TSN, path) <= allowed(TSN_SIZE)
    path.unlink()


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    ("builder", "network", "variant"),
    [("AlexNet", "alexnet", "caffe"), ("C3D", "c3d", "sports1m")],
)
def test_loading_other_networks_with_a_wide_layer(
    builder, network, variant, tmp_path, used
):
    path = tmp_path / "w.npz"
    model = getattr(models, builder)()
    for variable in model.get_layer("fc6").weights:
        variable.assign(np.full(variable.shape, 14, np.float32))
    load.save_weights(path, model, network=network, backbone=network, variant=variant)
    size = 4 * model.count_params()
    del model
    assert size <= used(INTO_A_NETWORK, path, builder) <= allowed(size)
    path.unlink()


@pytest.fixture
def all_are_large(monkeypatch):
    monkeypatch.setattr(memory, "_LARGE", 1)


def variable(shape=(3, 4), dtype="float32"):
    return keras.Variable(memory.unset, shape, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float16", "float64", "bfloat16"])
@pytest.mark.parametrize("shape", [(3, 4), (2, 1, 5), (7,), (), (0, 4)])
def test_assigned_values_are_the_arrays(shape, dtype, all_are_large):
    for given in (np.float32, np.float64, np.float16):
        array = np.arange(np.prod(shape), dtype=given).reshape(shape) / 4
        for view in (array, array.T.copy().T):
            found = variable(shape, dtype)
            assert np.asarray(found).shape == shape and not np.asarray(found).any()
            memory.assign(found, view)
            assert found.dtype == dtype
            np.testing.assert_array_equal(np.asarray(found, np.float64), array)


def test_an_array_is_not_kept(all_are_large):
    """Two subnetworks get the same array, and are then trained apart."""
    array = np.full((3, 4), 2, np.float32)
    one, other = variable(), variable()
    memory.assign(one, array)
    memory.assign(other, array)
    array[...] = 5
    one.assign_add(np.ones((3, 4), np.float32))
    assert np.all(np.asarray(one) == 3)
    assert np.all(np.asarray(other) == 2)
    assert np.all(array == 5)


def test_another_shape_is_refused(all_are_large):
    found = variable()
    with pytest.raises(ValueError, match=r"shape"):
        memory.assign(found, np.ones((4, 3), np.float32))
    assert not np.asarray(found).any()


def dense(assign):
    """A small network whose weights were set by `assign(variable, array)`."""
    layers = [keras.layers.Dense(16, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(3)])
    random = np.random.default_rng(0)
    for weights in model.weights:
        assign(weights, random.standard_normal(weights.shape, np.float32))
    return model


def test_a_network_trains_as_one_set_by_keras(all_are_large):
    random = np.random.default_rng(1)
    x, labels = random.standard_normal((32, 8)), random.integers(0, 3, 32)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    ours, keras_own = dense(memory.assign), dense(keras.Variable.assign)
    before = ours.get_weights()
    for model in (ours, keras_own):
        model.compile(keras.optimizers.SGD(1e-2, 0.9), loss, jit_compile=False)
        model.fit(x, labels, epochs=5, shuffle=False, verbose=0)
    trained = zip(before, ours.get_weights(), keras_own.get_weights(), strict=True)
    for start, one, other in trained:
        assert np.abs(one - start).max() > 1e-2
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_a_copy_of_a_loaded_network_starts_afresh(all_are_large, tmp_path):
    """Its configuration has the layers' own initialisers, not zeros."""
    build = {"num_classes": 3, "fc_size": 8}
    origin = models.AlexNet(**build)
    names = {"network": "alexnet", "backbone": "alexnet", "variant": "caffe"}
    load.save_weights(tmp_path / "w.npz", origin, **names)
    loaded = models.AlexNet(**build, weights=tmp_path / "w.npz")
    copy = keras.models.clone_model(loaded)
    for name in ("fc6", "fc7"):
        kernels = [m.get_layer(name).kernel for m in (origin, loaded, copy)]
        expected, found, fresh = (np.asarray(kernel) for kernel in kernels)
        np.testing.assert_array_equal(found, expected)
        assert np.std(fresh) > 0.5 * np.std(expected) and (fresh != expected).all()
