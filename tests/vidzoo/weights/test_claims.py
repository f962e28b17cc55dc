"""Files that claim more than they hold, or unfold to it: refused in no time."""

import io
import json
import struct
import time
import zipfile

import h5py
import numpy as np
import pytest

from tests.vidzoo.weights import formats
from vidzoo.errors import WeightsError
from vidzoo.weights import read

ARRAY = np.arange(6, dtype=np.float32)
BILLION = 10**9


def claim_npz(path):
    head = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (BILLION,)}
    np.lib.format.write_array_header_1_0(head, header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", head.getvalue() + bytes(15_000))


def claim_bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x.npy", "w", force_zip64=True) as member:
            header = {"descr": "<f4", "fortran_order": False, "shape": (2**26,)}
            np.lib.format.write_array_header_1_0(member, header)
            for _ in range(256):
                member.write(bytes(2**20))


def claim_lying_zip(path):
    """The directory says 15 kB, the data unfold to 64 MB."""
    claim_bomb(path)
    data = path.read_bytes()
    size = struct.pack("<I", 2**28 + 128)
    assert size in data
    path.write_bytes(data.replace(size, struct.pack("<I", 15_000)))


def claim_h5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (BILLION,), "f4")  # never written
        file["y"] = np.zeros(3000, np.float32)


def claim_h5_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (BILLION,), "f4", chunks=(2**18,))


def claim_h5_chunk(path):
    """Three numbers, in a chunk of a billion."""
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (3,), "f4", chunks=(BILLION,), maxshape=(None,))


def claim_h5_text(path):
    """A layer's name of 4 GB, of which HDF5 would ask the memory at once."""
    with h5py.File(path, "w") as file:
        layer = file.create_group("layers/dense/vars")
        layer.attrs["name"] = "a" * 77
        layer["0"] = ARRAY
    data = path.read_bytes()
    place = data.index(struct.pack("<I", 77))
    while data[struct.unpack_from("<Q", data, place + 4)[0] :][:4] != b"GCOL":
        place = data.index(struct.pack("<I", 77), place + 1)
    path.write_bytes(data[:place] + b"\xff" * 4 + data[place + 4 :] + bytes(12_000))


def claim_pth(path):
    tensor = formats.hand_tensor("0", np.zeros(3000, np.float32), 0, (BILLION,), (0,))
    formats.write_hand_zip(path, {"x": tensor})


def claim_pth_stream(path):
    formats.write_hand_stream(path, {"x": formats.hand_tensor("0", ARRAY)})
    data = path.read_bytes()
    path.write_bytes(
        data.replace(struct.pack("<q", 6), struct.pack("<q", BILLION)) + bytes(15_000)
    )


def claim_safetensors(path):
    end = 4 * BILLION
    entry = {"dtype": "F32", "shape": [BILLION], "data_offsets": [0, end]}
    header = json.dumps({"x": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(15_000))


def claim_caffemodel(path):
    shape = b"\x08\x80\x94\xeb\xdc\x03"  # num: 1e9
    blob = shape + b"\x2a\xa0\x75" + bytes(15_008)
    layer = b"\x22\x01x\x32" + varint(len(blob)) + blob
    path.write_bytes(b"\x12" + varint(len(layer)) + layer)


def claim_checkpoint(path):
    formats.write_tf2_checkpoint(path.with_name("c"), {"x": np.zeros(3000, np.float32)})
    shard = path.with_name("c.data-00000-of-00001")
    shard.write_bytes(shard.read_bytes()[:6000])
    path.with_name("c.index").rename(path.with_name("w.index"))
    shard.rename(path.with_name("w.data-00000-of-00001"))


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


CLAIMS = [
    (claim_npz, "npz", "x.npy declares 4000000000 bytes, and holds 15000"),
    (claim_bomb, "npz", "declares 268435584 bytes of arrays, in a file of"),
    (claim_lying_zip, "npz", "not a readable .npz file"),
    (claim_h5, "h5", "x declares 4000000000 bytes, and holds 0"),
    (claim_h5_chunks, "h5", "x declares 4000000000 bytes, and holds 0"),
    (claim_h5_chunk, "h5", "x declares 4000000000 bytes, and holds 0"),
    (claim_h5_text, "h5", "its attribute name of /layers/dense/vars declares 42949"),
    (claim_pth, "pth", "declares 4000000000 bytes of arrays, in a file of"),
    (claim_pth_stream, "pth", "its storage 0 declares 6 numbers, and holds 1000000000"),
    (claim_safetensors, "safetensors", "not a readable .safetensors file"),
    (claim_caffemodel, "caffemodel", r"declares the shape .*1000000000.* and holds"),
    (claim_checkpoint, "index", "x/.ATTRIBUTES/.* declares 12000 bytes, at 0 of a"),
]


@pytest.mark.parametrize(
    "write, suffix, message", CLAIMS, ids=lambda c: getattr(c, "__name__", c)[:30]
)
def test_claims_beyond_the_file(write, suffix, message, tmp_path):
    path = tmp_path / f"w.{suffix}"
    write(path)
    start = time.monotonic()
    with pytest.raises(WeightsError, match=message):
        read.read(path)
    assert time.monotonic() - start < 2


def test_zip_members_that_overlap(tmp_path):
    """Many names for one member: a bomb without compressing anything twice."""
    path = tmp_path / "w.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", bytes(10_000))
        archive.writestr("b.npy", bytes(10_000))
        archive.filelist += archive.filelist[:1] * 20
        for i, info in enumerate(archive.filelist[2:]):
            archive.filelist[i + 2] = other = zipfile.ZipInfo(f"c{i}.npy")
            other.header_offset, other.CRC = info.header_offset, info.CRC
            other.file_size = other.compress_size = 10_000
        archive._didModify = True
    with pytest.raises(WeightsError, match="its members overlap"):
        read.read(path)


def test_compressed_files_are_read(tmp_path):
    """What weights compress by is no bomb."""
    array = np.round(np.random.default_rng(0).normal(size=50_000), 1)
    np.savez_compressed(tmp_path / "w.npz", x=array, zeros=np.zeros(2**20))
    found = read.read(tmp_path / "w.npz")
    assert np.asarray(found["x"]).tobytes() == array.tobytes()
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("x", data=array, shuffle=True, fletcher32=True)
        file.create_dataset("y", data=array, chunks=(7_000,))
    found = read.read(tmp_path / "w.h5")
    for name in ("x", "y"):
        assert np.asarray(found[name]).tobytes() == array.tobytes()


def test_compressed_h5_is_refused(tmp_path):
    """HDF5 unpacks a chunk to whatever it holds, and asks nobody."""
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.create_dataset("x", data=np.zeros(1000), compression="gzip")
    with pytest.raises(WeightsError, match="refused: x is compressed .* h5repack"):
        read.read(tmp_path / "w.h5")
