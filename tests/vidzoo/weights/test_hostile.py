"""Files that ask for more than numbers: refused by name, nothing run or opened."""

import io
import os
import pickle
import re
import subprocess
import sys
import time
import zipfile

import h5py
import keras
import numpy as np
import pytest

from tests.vidzoo.weights import formats
from vidzoo.errors import WeightsError
from vidzoo.weights import read

ARRAY = np.arange(6, dtype=np.float32)


class Runs:
    """Pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def canary(tmp_path):
    """A file that must not come to be."""
    path = tmp_path / "canary"
    yield path
    assert not path.exists(), "something was run"


# PyTorch


def write_pickle(path, content):
    path.write_bytes(pickle.dumps(content, protocol=2))


def write_old_pickle(path, content):
    path.write_bytes(pickle.dumps(content, protocol=0))


def write_new_pickle(path, content):
    path.write_bytes(pickle.dumps(content, protocol=4))


WRITERS = [
    formats.write_hand_zip,
    formats.write_hand_stream,
    write_pickle,
    write_old_pickle,
    write_new_pickle,
]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_pth_that_runs_a_command(write, canary, tmp_path):
    path = tmp_path / "w.pth"
    write(path, {"state_dict": {}, "x": Runs(os.system, f"touch {canary}")})
    pickle.loads(pickle.dumps(Runs(os.system, f"touch {canary}")))
    assert canary.exists()  # so the canary sings
    canary.unlink()
    name = os.system.__module__ + r"\.system"
    with pytest.raises(WeightsError, match=rf"w\.pth: .*refused: it asks for `{name}`"):
        read.read(path)


@pytest.mark.parametrize(
    "function, arguments",
    [
        (eval, ("open('canary', 'w')",)),
        (getattr, ("os", "system")),
        (print, ()),
        (np.array, ([1],)),
        (zipfile.ZipFile, ("canary", "w")),
    ],
)
def test_pth_that_calls_anything(function, arguments, canary, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    formats.write_hand_zip(tmp_path / "w.pth", [Runs(function, *arguments)][:1])
    name = f"{function.__module__}.{function.__qualname__}".replace("builtins", "")
    with pytest.raises(WeightsError, match=f"refused: it asks for `.*{name}`"):
        read.read(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "body",
    [
        b"ctorch.storage\n_load_from_bytes\n(tR.",
        b"ctorch\nload\n(tR.",
        b"ctorch._utils\n_rebuild_sparse_tensor\n(tR.",
        b"cnumpy.core.multiarray\nscalar\n(tR.",
        b"ccollections\nOrderedDict.fromkeys\n(tR.",
        b"c\nos.system\n.",
        b"(S'x'\nios\nsystem\n.",
        b"\x82\x01.",
        b"(cos\nsystem\nS'x'\no.",
        b"ctorch\nFloatStorage\n(tR.",
        b"ctorch\nfloat32\n)R.",
        b"ctorch\nSize\n)\x81.",
        b"}I1\n.",
        b"ccollections\nOrderedDict\n)RK\x01b0.",
    ],
)
def test_pickles_of_other_operations(body, tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(b"\x80\x02" + body)
    with pytest.raises(WeightsError, match="refused|damaged|not one that PyTorch"):
        read.read(path)


def test_pickles_that_never_end(tmp_path):
    """Each line doubles what the one before it holds."""
    twice = b"(h\x00h\x00tq\x00"
    bodies = {
        "tuples": b"\x80\x02Nq\x00" + twice * 200 + b".",
        "key": b"\x80\x02}Nq\x00" + twice * 200 + b"K\x01s.",
        "pairs": b"\x80\x02ccollections\nOrderedDict\n]Nq\x00"
        + twice * 200
        + b"K\x01\x86a\x85R.",
        "lists": b"\x80\x02]q\x01h\x01a.",
        "memo": b"\x80\x02Nr\xff\xff\xff\x7f.",
        "text": b"\x80\x02X\xff\xff\xff\x7fa.",
        "empty lists": b"\x80\x02" + b"]" * 3_000_000 + b".",
        "bytes": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0fa.",
    }
    start = time.monotonic()
    for name, body in bodies.items():
        path = tmp_path / f"{name}.pth"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/data.pkl", body)
        with pytest.raises(WeightsError):
            read.read(path)
        path.write_bytes(body)
        with pytest.raises(WeightsError):
            read.read(path)
    assert time.monotonic() - start < 20


@pytest.mark.parametrize(
    "offset, shape, strides, message",
    [
        (1, (6,), (1,), r"x reaches number 6 of a storage of 6"),
        (0, (2, 3), (4, 1), r"x reaches number 6 of a storage of 6"),
        (-1, (3,), (1,), "-1 for a size"),
        (0, (3,), (-1,), "-1 for a size"),
        (0, (10**9,), (1,), r"declares 4000000000 bytes of arrays, in a file of"),
        (0, (10**9,), (0,), r"declares 4000000000 bytes of arrays, in a file of"),
        (0, (2**60,), (1,), "for a size"),
        (0, (2, 3), (1,), "x has 1 strides"),
        (0, "ab", (1,), "without a shape"),
    ],
)
def test_tensors_outside_their_storage(offset, shape, strides, message, tmp_path):
    content = {"x": formats.hand_tensor("0", ARRAY, offset, shape, strides)}
    for write in (formats.write_hand_zip, formats.write_hand_stream):
        write(tmp_path / "w.pth", content)
        with pytest.raises(WeightsError, match=message):
            read.read(tmp_path / "w.pth")


# Keras


def test_keras_with_a_lambda(canary, tmp_path):
    def run(x):
        canary.touch()
        return x

    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Lambda(run, name="sneaky"),
            keras.layers.Dense(1),
        ]
    )
    canary.unlink(missing_ok=True)  # building it ran it
    model.save(tmp_path / "w.keras")
    canary.unlink(missing_ok=True)
    message = r"w\.keras: .*refused: its config\.json declares the Lambda 'sneaky'"
    with pytest.raises(WeightsError, match=message):
        read.read(tmp_path / "w.keras")


def test_keras_with_code_deep_inside(tmp_path):
    inner = {"class_name": "__lambda__", "config": {"value": ["4wEAAA=="]}}
    config = {"class_name": "F", "config": {"layers": [[{"activation": inner}]]}}
    formats.write_keras(tmp_path / "w.keras", {"a/b": ARRAY}, config)
    with pytest.raises(WeightsError, match="declares the __lambda__"):
        read.read(tmp_path / "w.keras")


def test_keras_without_its_parts(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(WeightsError, match=r"it has no model\.weights\.h5"):
        read.read(tmp_path / "w.keras")
    with zipfile.ZipFile(tmp_path / "w.keras", "a") as archive:
        archive.writestr("model.weights.h5", "text")
    with pytest.raises(WeightsError, match=r"not a readable \.keras file"):
        read.read(tmp_path / "w.keras")


# HDF5


def link_out(file, target):
    file["x"] = h5py.ExternalLink(target, "/x")


def link_in(file, target):
    file["x"] = h5py.SoftLink("/y")


def store_out(file, target):
    file.create_dataset("x", (4,), "f4", external=[(target, 0, 16)])


def view_out(file, target):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource(target, "x", (4,))
    file.create_virtual_dataset("x", layout)


REFERENCES = {
    link_out: "x is an external link to /x in .*fifo",
    link_in: "x is a link, not an array",
    store_out: "x has its numbers in other files",
    view_out: "x is virtual, its numbers are elsewhere",
}


def test_h5_that_refers_to_another_file(tmp_path):
    """To open the other file, a pipe that nobody writes to, would wait for ever."""
    os.mkfifo(tmp_path / "fifo")
    expected = []
    for add, message in REFERENCES.items():
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            file["a/y"] = ARRAY
            add(file, str(tmp_path / "fifo"))
        (tmp_path / f"{add.__name__}.h5").write_bytes(content.getvalue())
        with zipfile.ZipFile(tmp_path / f"{add.__name__}.keras", "w") as archive:
            archive.writestr("config.json", "{}")
            archive.writestr("model.weights.h5", content.getvalue())
        expected += [
            (f"{add.__name__}.{suffix}", message) for suffix in ("h5", "keras")
        ]
    code = (
        "import sys\nfrom vidzoo.weights import read\nfor path in sys.argv[1:]:\n"
        "    try:\n        read.read(path)\n"
        "    except Exception as error:\n        print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *(tmp_path / name for name, _ in expected)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    for line, (name, message) in zip(done.stdout.splitlines(), expected, strict=True):
        assert re.search(f"^WeightsError .*{name}: .*refused: {message}", line)


def test_h5_of_things_that_are_no_numbers(tmp_path):
    def objects(file):
        file.create_dataset("x", data=[b"a", b"bc"], dtype=h5py.string_dtype())

    def references(file):
        file.create_dataset("x", data=[file.ref], dtype=h5py.ref_dtype)

    def complex_numbers(file):
        file["x"] = np.ones(3, np.complex64)

    def records(file):
        file["x"] = np.zeros(3, [("a", "f4"), ("b", "i4")])

    def empty(file):
        file["x"] = h5py.Empty("f4")

    def again(file):
        file["y"] = ARRAY
        file["x"] = file["y"]

    def circle(file):
        group = file.create_group("a")
        group["x"] = group

    def circle_to_the_top(file):
        file["x"] = file["/"]

    writers = (objects, references, complex_numbers, records, empty, again, circle)
    for write in (*writers, circle_to_the_top):
        path = tmp_path / f"{write.__name__}.h5"
        with h5py.File(path, "w") as file:
            write(file)
        with pytest.raises(WeightsError, match=r"[xy] (holds|is)"):
            read.read(path)


def test_h5_that_lists_what_is_not_there(tmp_path):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = [b"a"]
        file.create_group("a").attrs["weight_names"] = [b"a/kernel:0"]
    with pytest.raises(WeightsError, match="names a/a/kernel:0, which is not there"):
        read.read(tmp_path / "w.h5")
