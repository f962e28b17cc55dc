"""The index on disk: what comes back, and what is refused."""

import json
import os

import numpy as np
import pytest
import safetensors.numpy

from tests.vidzoo.retrieval.indexes import (
    Fitted,
    add,
    entries_of,
    named,
    save,
    vectors_of,
)
from vidzoo.errors import IndexFileError
from vidzoo.retrieval import (
    Entry,
    IndexFile,
    index_file,
)

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
