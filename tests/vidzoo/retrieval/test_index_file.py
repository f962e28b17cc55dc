"""The index on disk: what comes back, what is refused, what a kill leaves."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from vidzoo.errors import IndexFileError, VidzooError
from vidzoo.locking import locked_file
from vidzoo.retrieval import (
    Entry,
    IndexBuilder,
    IndexFile,
    index_builder,
    index_file,
)

REPOSITORY = Path(__file__).resolve().parents[3]


class Fitted:
    """An encoder, as an index sees it."""

    def __init__(self, layer="inception_3a", seed=0, **description):
        self._description = {
            "network": {"name": "googlenet", "weights": "sha256:12"},
            "layer": layer,
            "scales": [1, 2],
            **description,
        }
        random = np.random.default_rng(seed)
        self._arrays = {
            "codebook": random.standard_normal((5, 3)).astype(np.float32),
            "mean": random.standard_normal(7),
            "count": np.array(23),
            "half": random.standard_normal(3).astype(np.float16),
            "is_used": np.array([True, False, True]),
        }

    def arrays(self):
        return self._arrays

    def description(self):
        return self._description


def vectors_of(names, dim=6):
    """A vector for each name that depends on the name alone."""
    rows = [
        np.random.default_rng([ord(c) for c in n]).standard_normal(dim) for n in names
    ]
    return np.array(rows, np.float32)


def entries_of(names):
    return [Entry(name, name) for name in names]


def named(start, stop):
    return [f"p{i:03d}.jpg" for i in range(start, stop)]


def save(path, names, encoder=None):
    index_file.save(path, encoder or Fitted(), vectors_of(names), entries_of(names))
    return path


def add(path, names):
    index_file.add(path, Fitted(), vectors_of(names), entries_of(names))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pictures.index"


# What comes back


def test_comes_back_as_it_was(path):
    names = ["b/é.jpg", "a.jpg", "a line\nbreak.jpg", "bad\udcff.jpg"]
    entries = [
        *entries_of(names),
        Entry("clip.avi#10", "clip.avi", 10.0),
        Entry("clip.avi#9", "clip.avi", 9.5),
    ]
    vectors = vectors_of([entry.entry_id for entry in entries])
    encoder = Fitted()
    index_file.save(path, encoder, vectors, entries)
    index = IndexFile.load(path, encoder)
    assert [entry.entry_id for entry in index.entries] == [
        *("a line\nbreak.jpg", "a.jpg", "b/é.jpg", "bad\udcff.jpg"),
        *("clip.avi#9", "clip.avi#10"),  # by time
    ]
    assert sorted(index.entries, key=str) == sorted(entries, key=str)
    assert index.entries[-1] == index.entries[5] == Entry("clip.avi#10", "clip.avi", 10)
    assert index.entries[1:3] == [index.entries[1], index.entries[2]]
    by_entry = dict(zip(entries, vectors, strict=True))
    np.testing.assert_array_equal(index.vectors, [by_entry[e] for e in index.entries])
    assert index.vectors.dtype == np.float32
    assert index.description == encoder.description()
    assert index.arrays.keys() == encoder.arrays().keys()
    for name, array in encoder.arrays().items():
        np.testing.assert_array_equal(index.arrays[name], array)
        assert index.arrays[name].dtype == array.dtype
    assert index.fingerprint == index_file.fingerprint(encoder)


def test_vectors_are_mapped_aligned_and_read_only(path):
    index = IndexFile.load(save(path, named(0, 9)))
    assert isinstance(index.vectors.base, np.memmap)
    for array in (index.vectors, *index.arrays.values()):
        assert array.flags.aligned and not array.flags.writeable


def test_another_library_reads_it(path):
    encoder = Fitted()
    names = named(0, 9)
    save(path, names, encoder)
    arrays = safetensors.numpy.load_file(path)
    np.testing.assert_array_equal(arrays["vectors"], vectors_of(names))
    np.testing.assert_array_equal(
        arrays["encoder/codebook"], encoder.arrays()["codebook"]
    )
    lines = arrays["entries"].tobytes().decode().splitlines()
    assert [json.loads(line) for line in lines] == [[n, n, None] for n in names]


def test_nothing_else_is_left_but_a_lock(path):
    save(path, named(0, 3))
    add(path, named(3, 5))
    assert sorted(os.listdir(path.parent)) == [f".{path.name}.lock", path.name]


# Adding and removing


def test_the_way_there_makes_no_difference(path, tmp_path):
    """Adding equals building at once, removing undoes it, to the byte."""
    names = named(0, 12)
    whole = save(tmp_path / "whole", names).read_bytes()
    half = save(path, names[::2]).read_bytes()
    add(path, names[1::2])
    assert path.read_bytes() == whole
    index_file.remove(path, names[1::2])
    assert path.read_bytes() == half


def test_an_open_index_stays_as_it_was(path):
    index = IndexFile.load(save(path, named(0, 4)))
    before = index.vectors.copy()
    add(path, named(4, 8))
    index_file.remove(path, named(0, 4))
    np.testing.assert_array_equal(index.vectors, before)
    assert len(IndexFile.load(path).entries) == 4


def unchanged(path, change, error, message):
    before = path.read_bytes()
    with pytest.raises(error, match=message):
        change()
    assert path.read_bytes() == before


def test_adding_is_refused(path):
    save(path, named(0, 3))
    unchanged(
        path,
        lambda: add(path, named(2, 5)),
        IndexFileError,
        r"pictures.index: holds p002.jpg already; remove what is to be replaced",
    )
    unchanged(
        path,
        lambda: index_file.add(path, Fitted(), np.ones((1, 4)), [Entry("x", "x")]),
        IndexFileError,
        "its vectors have 6 dimensions; those to be added have 4",
    )
    unchanged(
        path,
        lambda: index_file.add(
            path, Fitted("inception_3b"), np.ones((1, 6)), [Entry("x", "x")]
        ),
        IndexFileError,
        "made with another encoder: layer is inception_3a, now inception_3b",
    )


def test_removing_is_refused(path):
    save(path, named(0, 3))
    unchanged(
        path,
        lambda: index_file.remove(path, ["p001.jpg", "x.jpg"]),
        IndexFileError,
        "holds no x.jpg; expected ids of its 3 entries, such as p000.jpg",
    )
    unchanged(
        path,
        lambda: index_file.remove(path, named(0, 3)),
        IndexFileError,
        "none of its 3 entries would be left; delete the file instead",
    )


def test_values_are_checked(path):
    two = entries_of(["a", "b"])
    for vectors in (np.ones(2), np.ones((3, 4)), np.ones((2, 0))):
        with pytest.raises(
            ValueError, match=r"must be \(N, D\), one for each of the 2"
        ):
            index_file.save(path, Fitted(), vectors, two)
    with pytest.raises(ValueError, match="different ids. Received twice: a"):
        index_file.save(path, Fitted(), np.ones((2, 4)), entries_of(["a", "a"]))
    vectors = np.ones((2, 4))
    vectors[1, 2] = np.nan
    with pytest.raises(IndexFileError, match="the vector of b holds NaN or infinity"):
        index_file.save(path, Fitted(), vectors, two)
    with pytest.raises(
        IndexFileError, match="index without entries cannot be searched"
    ):
        index_file.save(path, Fitted(), np.ones((0, 4)), [])
    assert not path.exists()


def test_saving_replaces_nothing(path):
    path.write_text("mine")
    with pytest.raises(IndexFileError, match="is there already; add to it, or choose"):
        save(path, named(0, 3))
    assert path.read_text() == "mine"


# Another encoder


def other_arrays(**changed):
    encoder = Fitted()
    encoder._arrays = {**encoder.arrays(), **changed}
    encoder._arrays = {n: a for n, a in encoder.arrays().items() if a is not None}
    return encoder


@pytest.mark.parametrize(
    "encoder, message",
    [
        (Fitted("inception_5b"), "layer is inception_3a, now inception_5b"),
        (Fitted(scales=[1]), r"scales is \[1, 2\], now \[1\]"),
        (
            Fitted(network={"name": "googlenet", "weights": "sha256:99"}),
            "encoder: network.weights is sha256:12, now sha256:99. Search",
        ),
        (Fitted(ssr=True), "ssr is None, now True"),
        (
            other_arrays(codebook=np.zeros((5, 3), np.float32)),
            "encoder: codebook has other values. Search",
        ),
        (
            other_arrays(codebook=np.zeros((8, 3), np.float32)),
            r"codebook is float32 \(5, 3\), now float32 \(8, 3\)",
        ),
        (other_arrays(mean=None), r"mean is float64 \(7,\), now missing"),
    ],
)
def test_another_encoder_is_refused(encoder, message, path):
    save(path, named(0, 3))
    with pytest.raises(IndexFileError, match=message):
        IndexFile.load(path, encoder)


def test_fingerprint_knows_kinds_and_names_but_no_order():
    encoder = Fitted()
    one = index_file.fingerprint(encoder)
    encoder._description = dict(reversed(encoder.description().items()))
    encoder._arrays = dict(reversed(encoder.arrays().items()))
    assert index_file.fingerprint(encoder) == one
    others = [
        other_arrays(mean=encoder.arrays()["mean"].astype(np.float32)),
        other_arrays(mean=encoder.arrays()["mean"].reshape(7, 1)),
        other_arrays(mean=None, average=encoder.arrays()["mean"]),
    ]
    assert len({one, *map(index_file.fingerprint, others)}) == 4


# Damage


def test_every_damaged_byte_is_found(path):
    whole = save(path, named(0, 3)).read_bytes()
    for place in range(0, len(whole), 3):
        damaged = bytearray(whole)
        damaged[place] ^= 0x11
        path.write_bytes(damaged)
        with pytest.raises(IndexFileError, match=str(path)):
            IndexFile.load(path)
    path.write_bytes(whole)
    assert len(IndexFile.load(path).entries) == 3


def test_every_truncation_is_found(path):
    whole = save(path, named(0, 3)).read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(IndexFileError):
            IndexFile.load(path)
    path.write_bytes(whole[:-1])
    message = f"the file is cut short: its header says that it has {len(whole)} bytes"
    with pytest.raises(IndexFileError, match=message):
        IndexFile.load(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(IndexFileError, match="the file is damaged: its header says"):
        IndexFile.load(path)


def test_other_files_are_refused(path, tmp_path):
    with pytest.raises(IndexFileError, match="there is no such index. `vidzoo index`"):
        IndexFile.load(path)
    with pytest.raises(IndexFileError, match="cannot be read: Is a directory"):
        IndexFile.load(tmp_path)
    for content in (b"", b"hello", b"\xff" * 100, b"\2" + bytes(7) + b"{}"):
        path.write_bytes(content)
        with pytest.raises(
            IndexFileError, match="not an index, or one whose beginning"
        ):
            IndexFile.load(path)
    safetensors.numpy.save_file({"vectors": np.ones((2, 2))}, path, {"format": "np"})
    with pytest.raises(
        IndexFileError, match="says it is None; expected vidzoo index 1"
    ):
        IndexFile.load(path)


def test_adding_to_nothing_leaves_no_lock(path):
    for change in (lambda: add(path, ["a"]), lambda: index_file.remove(path, ["a"])):
        with pytest.raises(IndexFileError, match="there is no such index"):
            change()
    assert not os.listdir(path.parent)
    with pytest.raises(IndexFileError, match="nowhere: there is no such folder"):
        save(path.parent / "nowhere" / "x", ["a"])


# Building


def build(path, names, **options):
    with IndexBuilder(path, Fitted(), dict.fromkeys(names, 9), **options) as builder:
        for name in names:
            if name not in builder.done:
                builder.append(vectors_of([name]), entries_of([name]))
        return builder.finish()


def test_built_equals_saved(path, tmp_path):
    names = named(0, 23)
    index = build(path, names, part_length=5)
    assert path.read_bytes() == save(tmp_path / "saved", names).read_bytes()
    assert len(index.entries) == 23
    assert not (tmp_path / f"{path.name}.partial").exists()


def test_goes_on_where_it_was(path, tmp_path):
    names = named(0, 12)
    inputs = dict.fromkeys(names, 9)
    for start in (0, 5, 7):  # leaving the block writes what there is
        with IndexBuilder(path, Fitted(), inputs, part_length=4) as builder:
            assert builder.done == set(names[:start])
            some = names[start : {0: 5, 5: 7, 7: 12}[start]]
            builder.append(vectors_of(some), entries_of(some))
    build(path, names)
    assert path.read_bytes() == save(tmp_path / "saved", names).read_bytes()


def test_changed_and_missing_files_are_made_again(path):
    inputs = dict.fromkeys(named(0, 9), 9)
    with IndexBuilder(path, Fitted(), inputs, part_length=3) as builder:
        for name in inputs:
            builder.append(vectors_of([name]), entries_of([name]))
    inputs["p001.jpg"] = 10  # another picture of the same name
    del inputs["p007.jpg"]
    with IndexBuilder(path, Fitted(), inputs) as builder:
        assert builder.done == set(named(3, 6))  # the others' parts are dropped whole


def test_a_damaged_part_is_made_again(path, tmp_path):
    names = named(0, 9)
    with IndexBuilder(
        path, Fitted(), dict.fromkeys(names, 9), part_length=3
    ) as builder:
        for name in names[:7]:
            builder.append(vectors_of([name]), entries_of([name]))
    part = sorted(tmp_path.glob("*.partial/part-*"))[1]
    part.write_bytes(part.read_bytes()[:-5])
    build(path, names)
    assert path.read_bytes() == save(tmp_path / "saved", names).read_bytes()


def test_frames_of_a_video_stay_together(path):
    frames = [Entry(f"clip.avi#{i}", "clip.avi", i / 2) for i in range(7)]
    with IndexBuilder(path, Fitted(), {"clip.avi": 5}, part_length=2) as builder:
        builder.append(vectors_of([f.entry_id for f in frames]), frames)
        assert builder.done == {"clip.avi"}
        assert list(builder.finish().entries) == frames


def add_all(path, names, inputs, **options):
    with IndexBuilder(path, Fitted(), inputs, adds=True, **options) as builder:
        done = set(builder.done)
        for name in names:
            if name not in builder.done:
                builder.append(vectors_of([name]), entries_of([name]))
        return done, builder.finish()


def test_adding_part_by_part(path, tmp_path):
    """Equals building at once, to the byte, and goes on where it was."""
    save(path, named(0, 10))
    inputs = dict.fromkeys(named(0, 20), 9)
    with IndexBuilder(path, Fitted(), inputs, adds=True, part_length=3) as builder:
        for name in named(10, 17):
            builder.append(vectors_of([name]), entries_of([name]))
        with pytest.raises(ValueError, match="none there already. Received: p003.jpg"):
            builder.append(vectors_of(named(3, 4)), entries_of(named(3, 4)))
    assert len(IndexFile.load(path).entries) == 10
    done, index = add_all(path, named(10, 20), inputs)
    assert done == set(named(0, 17)) and len(index.entries) == 20
    whole = save(tmp_path / "whole", named(0, 20)).read_bytes()
    assert path.read_bytes() == whole
    add_all(path, [], inputs)  # nothing new
    assert path.read_bytes() == whole
    assert not (tmp_path / f"{path.name}.partial").exists()
    with pytest.raises(IndexFileError, match="there is no such index"):
        add_all(tmp_path / "nowhere", [], inputs)
    with pytest.raises(IndexFileError, match="now inception_5b"):
        with IndexBuilder(path, Fitted("inception_5b"), inputs, adds=True):
            pass


def test_building_leaves_what_adding_left(path, tmp_path):
    """Its parts are not of a build that was killed when all was done."""
    save(path, named(0, 10))
    inputs = dict.fromkeys(named(0, 12), 9)
    with IndexBuilder(path, Fitted(), inputs, adds=True) as builder:
        builder.append(vectors_of(["p010.jpg"]), entries_of(["p010.jpg"]))
    with pytest.raises(IndexFileError, match="is there already; add to it"):
        build(path, named(0, 12))
    done, _ = add_all(path, named(11, 12), inputs)
    assert done == set(named(0, 11))


def test_notes_stay_and_are_no_part_of_the_fingerprint(path):
    notes = {"weights": {"file": "../é.npz"}, "fps": 1.5}
    inputs = dict.fromkeys(named(0, 4), 9)
    with IndexBuilder(path, Fitted(), inputs, notes=notes) as builder:
        builder.append(vectors_of(named(0, 4)), entries_of(named(0, 4)))
        assert builder.finish().notes == notes
    add(path, ["x.jpg"])
    add_all(path, ["y.jpg"], {"y.jpg": 9})
    index_file.remove(path, ["p001.jpg"])
    index = IndexFile.load(path, Fitted())
    assert index.notes == notes and len(index.entries) == 5


def test_the_encoder_is_kept_until_the_index_is_there(path, tmp_path):
    settings = {"seed": 3, "layers": ["a"]}
    assert index_builder.kept_encoder(path, settings) is None
    index_builder.keep_encoder(path, Fitted(), settings)
    arrays, description = index_builder.kept_encoder(path, settings)
    assert description == Fitted().description()
    assert arrays.keys() == Fitted().arrays().keys()
    for name, array in Fitted().arrays().items():
        np.testing.assert_array_equal(arrays[name], array)
    message = r"partial: was begun otherwise: seed is 3, now 4. Go on with the same"
    with pytest.raises(IndexFileError, match=message):
        index_builder.kept_encoder(path, settings | {"seed": 4})
    kept = tmp_path / f"{path.name}.partial" / "encoder.safetensors"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])  # is learned again
    assert index_builder.kept_encoder(path, settings) is None
    build(path, named(0, 4))
    assert not kept.parent.exists()
    with pytest.raises(IndexFileError, match="is there already"):
        index_builder.kept_encoder(path, settings)


def test_building_is_refused(path, tmp_path):
    inputs = {"a": 1, "b": 1}
    with IndexBuilder(path, Fitted(), inputs) as builder:
        with pytest.raises(IndexFileError, match="nothing was added of 2 pictures and"):
            builder.finish()
        builder.append(np.ones((1, 3)), entries_of(["a"]))
        for vectors, entries, message in (
            (np.ones((1, 4)), entries_of(["b"]), r"must be \(n, 3\) like those before"),
            (
                np.ones((1, 3)),
                entries_of(["a"]),
                "none there already. Received: a of a",
            ),
            (np.ones((1, 3)), entries_of(["c"]), "of the inputs.*Received: c of c"),
        ):
            with pytest.raises(ValueError, match=message):
                builder.append(vectors, entries)
        with pytest.raises(VidzooError, match="another process is at work on it. Wait"):
            save(path, ["z"])
    message = (
        "partial: was begun with another encoder: layer is inception_3a, now x. Rem"
    )
    with pytest.raises(IndexFileError, match=message):
        with IndexBuilder(path, Fitted("x"), inputs):
            pass
    message = "was begun with another encoder: what was fitted, such as its vocabulary"
    with pytest.raises(IndexFileError, match=message):
        with IndexBuilder(path, Fitted(seed=1), inputs):
            pass
    shutil.rmtree(tmp_path / f"{path.name}.partial")
    save(path, ["z"])
    with pytest.raises(IndexFileError, match="is there already; add to it"):
        build(path, ["a"])


def test_a_folder_of_the_users_is_left_alone(path, tmp_path):
    folder = tmp_path / f"{path.name}.partial"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(IndexFileError, match="holds other files, such as mine.txt"):
        build(path, ["a"])
    assert os.listdir(folder) == ["mine.txt"] and not path.exists()


def test_a_full_disk_is_named(path, monkeypatch):
    save(path, named(0, 3))
    before = path.read_bytes()

    def refuse(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(
        IndexFileError, match="cannot be read or written: No space left"
    ):
        add(path, ["x"])
    with pytest.raises(IndexFileError, match="No space left on device. Make room"):
        build(path.with_name("other"), ["x"])
    monkeypatch.undo()
    assert path.read_bytes() == before
    assert not list(path.parent.glob("*.tmp"))


def test_two_processes_do_not_work_on_one_file(path):
    save(path, named(0, 3))
    with locked_file(path):
        for change in (
            lambda: add(path, ["x"]),
            lambda: index_file.remove(path, ["p000.jpg"]),
            lambda: build(path, ["x"]),
        ):
            with pytest.raises(VidzooError, match="pictures.index: another process is"):
                change()
        assert len(IndexFile.load(path).entries) == 3  # reading needs no lock


# Killed without notice

# Runs a change of an index in a process that says when it begins, and that is slow
# enough, block by block, to be killed anywhere in it.
KILLED = f"""
import os, sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.vidzoo.retrieval import test_index_file as test
from vidzoo.retrieval import index_format

steps = int(sys.argv[3])
count = 0
def slowed(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == steps:
            print("here", flush=True)
            time.sleep(60)
        return function(*args, **kwargs)
    return call
for name in ("fsync", "replace", "unlink", "rmdir", "mkdir"):
    setattr(os, name, slowed(getattr(os, name)))
index_format._line = slowed(index_format._line)
path = test.Path(sys.argv[2])
getattr(test, sys.argv[1])(path)
print("done", flush=True)
"""


def add_some(path):
    add(path, named(10, 20))


def remove_some(path):
    index_file.remove(path, named(0, 5))


def build_all(path):
    build(path, named(0, 10), part_length=3)


def kill_at(step, change, path):
    """Whether the change was killed at its n-th step, rather than done before."""
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, change, path, str(step)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stdout.readline()
        if said == "here\n":
            process.send_signal(signal.SIGKILL)
    assert said in ("here\n", "done\n")
    assert process.returncode == (-signal.SIGKILL if said == "here\n" else 0)
    return said == "here\n"


@pytest.fixture(scope="module")
def old_and_new(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexes")
    old = save(folder / "old", named(0, 10)).read_bytes()
    new = {
        "add_some": save(folder / "more", named(0, 20)).read_bytes(),
        "remove_some": save(folder / "fewer", named(5, 10)).read_bytes(),
    }
    return old, new


# 30 lines are written at a time, twice, between reading and renaming.
@pytest.mark.slow
@pytest.mark.parametrize(
    "change, step",
    [
        *(("add_some", step) for step in (1, 25, 41, 42, 43)),
        *(("remove_some", step) for step in (7, 11, 12, 13)),
    ],
)
def test_killed_while_changing(change, step, old_and_new, path):
    """Line by line, before fsync, before the rename, and before the folder's fsync."""
    old, new = old_and_new
    path.write_bytes(old)
    assert kill_at(step, change, path)
    renamed = step in (43, 13)
    assert path.read_bytes() == (new[change] if renamed else old)
    leftovers = list(path.parent.glob(".*.tmp"))
    assert len(leftovers) == (not renamed)
    if not renamed:
        globals()[change](path)  # goes through as if nothing had been
        assert path.read_bytes() == new[change]
        assert not list(path.parent.glob(".*.tmp"))


@pytest.mark.slow
def test_killed_while_building(old_and_new, path):
    """At ten moments, each run going on from the one before, until it is complete."""
    kills, steps = 0, [3, 9, 14, 12, 20, 9, 25, 30, 27, 33]
    for step in steps:
        if kill_at(step, "build_all", path):
            kills += 1
            assert not path.exists() or path.read_bytes() == old_and_new[0]
        if path.exists():
            break
    build_or_tidy(path)
    assert kills >= 3
    assert path.read_bytes() == old_and_new[0]
    assert sorted(os.listdir(path.parent)) == [f".{path.name}.lock", path.name]


def build_or_tidy(path):
    if path.exists():
        with pytest.raises(IndexFileError, match="is there already"):
            build_all(path)
    else:
        build_all(path)


# Memory

PEAK = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
import numpy as np
from tests.vidzoo.retrieval.test_index_file import Fitted
from vidzoo.retrieval import Entry, IndexBuilder

path, number, dim = sys.argv[1], int(sys.argv[2]), 1024
names = [f"p{{i:05d}}.jpg" for i in range(number)]
random = np.random.default_rng(0)
with IndexBuilder(path, Fitted(), dict.fromkeys(names, 1)) as builder:
    for name in names:
        builder.append(random.standard_normal((1, dim)), [Entry(name, name)])
    builder.finish()
with open("/proc/self/status") as lines:
    print(next(1024 * int(x.split()[1]) for x in lines if x.startswith("VmHWM")))
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc"
)
def test_memory_does_not_grow_with_the_index(tmp_path):
    """The vectors of 9,000 more entries take 37 MB; the entries themselves a few."""
    peaks = []
    for number in (1000, 10_000):
        path = tmp_path / f"{number}.index"
        done = subprocess.run(
            [sys.executable, "-c", PEAK, path, str(number)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(int(done.stdout))
        assert path.stat().st_size > 4096 * number
        path.unlink()
    assert peaks[1] - peaks[0] < 9000 * 4096 / 3
