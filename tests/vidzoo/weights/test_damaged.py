"""Empty, cut, altered and foreign files of every format: one error, and soon."""

import random

import numpy as np
import pytest

from tests.vidzoo.weights import formats
from vidzoo.errors import WeightsError
from vidzoo.weights import read

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "conv1/weights": RANDOM.normal(size=(4, 3, 2, 5)).astype(np.float32),
    "conv1/biases": RANDOM.normal(size=4).astype(np.float32),
    "fc/weights": RANDOM.normal(size=(6, 4)).astype(np.float32),
}
WRITERS = {
    "npz": formats.write_npz,
    "legacy.h5": formats.write_legacy_h5,
    "weights.h5": formats.write_weights_h5,
    "keras": formats.write_keras,
    "zip.pth": formats.write_pth_zip,
    "stream.pth": formats.write_pth_stream,
    "safetensors": formats.write_safetensors,
    "v1.caffemodel": formats.write_caffemodel_v1,
    "v2.caffemodel": formats.write_caffemodel_v2,
    "index": lambda path, arrays: formats.write_tf2_checkpoint(
        path.with_suffix(""), arrays
    ),
}
ROUNDS = 150


@pytest.fixture(scope="module", params=WRITERS)
def intact(request, tmp_path_factory):
    """A file of each format, and its bytes."""
    path = tmp_path_factory.mktemp("damaged") / f"w.{request.param}"
    WRITERS[request.param](path, ARRAYS)
    assert read.read(path)
    return path, path.read_bytes()


def attempt(path, data):
    """Whether the file is refused; any other error, or warning, fails the test."""
    path.write_bytes(data)
    try:
        arrays = read.read(path)
    except WeightsError as error:
        assert str(path) in str(error)
        return True
    assert all(array.dtype.kind in "fiub" for array in arrays.values())
    return False


def test_cut_files(intact):
    path, data = intact
    for length in {*range(0, len(data), max(1, len(data) // 60)), len(data) - 1}:
        # A network of protobuf ends wherever one of its layers does.
        assert attempt(path, data[:length]) or "caffemodel" in path.name, length
    assert not attempt(path, data)


def test_foreign_files(intact):
    path, data = intact
    suffix = "." + path.name.rpartition(".")[2]
    for foreign in (b"", b"weights", b"\nlayers {\n}\n", b"<html></html>", bytes(5000)):
        path.write_bytes(foreign)
        with pytest.raises(WeightsError, match=rf"not a readable {suffix} file"):
            read.read(path)
    path.write_bytes(data)


def test_altered_files(intact):
    """Bits flipped, bytes replaced, pieces moved: an error, or arrays of numbers."""
    path, data = intact
    dice = random.Random(path.name)
    refused = 0
    for _ in range(ROUNDS):
        altered = bytearray(data)
        kind = dice.randrange(4)
        for _ in range(dice.choice((1, 1, 2, 8))):
            # Headers are at both ends, numbers between.
            place = dice.randrange(len(data))
            if dice.random() < 0.5:
                place = dice.choice((1, -1)) * dice.randrange(1, min(400, len(data)))
            if kind == 0:
                altered[place] ^= 1 << dice.randrange(8)
            elif kind == 1:
                altered[place] = dice.choice((0, 1, 127, 128, 255))
            elif kind == 2:
                altered[place : place + 4] = dice.randbytes(4)
            else:
                del altered[place : place + dice.randrange(1, 9)]
        refused += attempt(path, bytes(altered))
    assert refused > ROUNDS / 10
    assert not attempt(path, data)


@pytest.mark.parametrize("suffix", ["npz", "keras", "zip.pth"])
def test_zips_notice_every_flipped_number(suffix, tmp_path):
    """Their checksums cover the numbers too; the other formats have none."""
    path = tmp_path / f"w.{suffix}"
    WRITERS[suffix](path, ARRAYS)
    data = path.read_bytes()
    place = data.index(ARRAYS["conv1/weights"].tobytes()) + 100
    altered = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
    assert attempt(path, altered)


def test_checkpoints_notice_every_flipped_number(tmp_path):
    formats.write_tf2_checkpoint(tmp_path / "c", ARRAYS)
    shard = tmp_path / "c.data-00000-of-00001"
    data = bytearray(shard.read_bytes())
    data[data.index(ARRAYS["fc/weights"].tobytes()) + 5] ^= 1
    shard.write_bytes(data)
    with pytest.raises(WeightsError, match="c: not a readable weights file"):
        read.read(tmp_path / "c")


def test_a_folder_and_nothing(tmp_path):
    with pytest.raises(WeightsError, match=r"is a folder\. Give the path of a weights"):
        read.read(tmp_path)
    with pytest.raises(WeightsError, match=r"no such weights file\. Give the path"):
        read.read(tmp_path / "none.pth")
