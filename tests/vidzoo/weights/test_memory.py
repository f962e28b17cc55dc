"""Peak memory of reading and loading: at most twice the weights and 256 MB."""

import subprocess
import sys

import numpy as np
import pytest

from tests.vidzoo.weights import formats

NUM_ARRAYS, SHAPE = 8, (3072, 3072)
SIZE = NUM_ARRAYS * 4 * SHAPE[0] * SHAPE[1]
LIMIT = 2 * SIZE + 256 * 2**20

READ = """
import sys, numpy
import tensorflow
from vidzoo.weights import read

def memory(name):
    with open("/proc/self/status") as lines:
        return next(1024 * int(x.split()[1]) for x in lines if x.startswith(name))

before = memory("VmRSS")
"""
ARRAYS_ALONE = "arrays = read.read(sys.argv[1]); assert len(arrays) == 8"
INTO_A_MODEL = """
import keras
from vidzoo.layers import Preprocess
from vidzoo.weights import assign, load

layers = [keras.layers.Dense(3072, use_bias=False, name=f"d{i}") for i in range(8)]
model = keras.Sequential([keras.Input((3072,)), *layers])
weights_file = load.open_weights(sys.argv[1])
assign.assign_network(model, weights_file, "toy", "v1")
assert float(layers[3].kernel[5, 7]) == 3
"""
AFTER = """
print("used", memory("VmHWM") - before)
"""


def write_caffemodel(path, arrays):
    """By hand: protobuf's library takes numbers one at a time."""

    def field(number, content):
        return varint(number << 3 | 2) + varint(len(content)) + content

    with path.open("wb") as file:
        for name, array in arrays.items():
            blob = field(7, field(1, b"".join(map(varint, array.shape))))
            blob += field(5, array.tobytes())
            layer = field(1, name.rpartition("/")[0].encode()) + field(7, blob)
            file.write(field(100, layer))


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


@pytest.fixture(scope="module")
def arrays():
    return {f"d{i}/weights": np.full(SHAPE, i, np.float32) for i in range(NUM_ARRAYS)}


def used(code, path):
    done = subprocess.run(
        [sys.executable, "-c", READ + code + AFTER, path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split("used")[1])


needs_proc = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc"
)


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize("suffix", WRITERS)
def test_reading(suffix, arrays, tmp_path):
    path = tmp_path / f"w.{suffix}"
    WRITERS[suffix](path, arrays)
    assert SIZE <= used(ARRAYS_ALONE, path) <= LIMIT
    for file in tmp_path.iterdir():
        file.unlink()


@needs_proc
@pytest.mark.slow
def test_loading_into_a_model(arrays, tmp_path):
    import json

    header = {"network": "toy", "backbone": "toy", "variant": "v1"}
    header["preprocess"] = {}
    content = {name.replace("weights", "kernel"): a for name, a in arrays.items()}
    content["__vidzoo__"] = np.array(json.dumps(header))
    np.savez(tmp_path / "w.npz", **content)
    assert 2 * SIZE <= used(INTO_A_MODEL, tmp_path / "w.npz") <= LIMIT
    (tmp_path / "w.npz").unlink()
