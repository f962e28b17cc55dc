"""Building an index, and adding to one, part by part."""

import os
import shutil
import tracemalloc

import numpy as np
import pytest

from tests.vidzoo.retrieval.indexes import (
    Fitted,
    add,
    build,
    entries_of,
    named,
    save,
    vectors_of,
)
from vidzoo.errors import IndexFileError, VidzooError
from vidzoo.locking import locked_file
from vidzoo.retrieval import (
    Entry,
    IndexBuilder,
    IndexFile,
    index_builder,
    index_file,
)


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


CLIP = [Entry(f"clip.avi#{i}", "clip.avi", i / 2) for i in range(7)]
WITH_CLIP = {"a.jpg": 9, "clip.avi": 5, "z.jpg": 9}


def append_pieces(builder, entries, last=True, step=2):
    """Yields after each call; without the last one the clip is not whole."""
    for start in range(0, len(entries), step):
        some = entries[start : start + step]
        more = not last or start + step < len(entries)
        builder.append(vectors_of([e.entry_id for e in some]), some, more=more)
        yield


def build_with_clip(path, after=lambda: None, **options):
    """A picture, a clip in pieces, a picture; `after` each call that adds something."""
    with IndexBuilder(path, Fitted(), WITH_CLIP, **options) as builder:
        done = set(builder.done)
        for name in WITH_CLIP:
            if name in done:
                continue
            if name != "clip.avi":
                builder.append(vectors_of([name]), entries_of([name]))
                after()
                continue
            for number, _ in enumerate(append_pieces(builder, CLIP), 1):
                assert (name in builder.done) == (number == 4)
                after()
        return done, builder.finish()


@pytest.fixture
def with_clip(tmp_path):
    """The index of both pictures and the clip, saved at once."""
    entries = [*entries_of(["a.jpg"]), *CLIP, *entries_of(["z.jpg"])]
    vectors = vectors_of([entry.entry_id for entry in entries])
    index_file.save(tmp_path / "saved", Fitted(), vectors, entries)
    return (tmp_path / "saved").read_bytes()


@pytest.mark.parametrize("part_length", [1, 2, 3, 5, 100])
def test_a_video_may_come_in_pieces(part_length, path, with_clip):
    build_with_clip(path, part_length=part_length)
    assert path.read_bytes() == with_clip


def test_pieces_count_once_all_are_there(path, with_clip, tmp_path):
    """What a kill after any call leaves is gone on with, and never half a clip."""
    left = []

    def keep():
        left.append(tmp_path / f"{len(left)}.index")
        shutil.copytree(f"{path}.partial", f"{left[-1]}.partial")

    build_with_clip(path, keep, part_length=1)
    assert len(left) == 1 + 4 + 1
    found = [build_with_clip(each)[0] for each in left]
    assert all(each.read_bytes() == with_clip for each in left)
    assert found[:4] == [{"a.jpg"}] * 4
    assert found[4:] == [{"a.jpg", "clip.avi"}, set(WITH_CLIP)]


@pytest.mark.parametrize("number", range(1, 5))
def test_a_damaged_piece_is_made_again_with_the_others(number, path, with_clip):
    with IndexBuilder(path, Fitted(), WITH_CLIP, part_length=1) as builder:
        builder.append(vectors_of(["a.jpg"]), entries_of(["a.jpg"]))
        list(append_pieces(builder, CLIP))
    parts = sorted(path.with_name(f"{path.name}.partial").glob("part-*"))
    assert len(parts) == 5
    parts[number].write_bytes(parts[number].read_bytes()[:-5])
    done, _ = build_with_clip(path)
    assert done == {"a.jpg"} and path.read_bytes() == with_clip


@pytest.mark.parametrize("part_length", [1, 100])
def test_a_video_that_breaks_is_left_out(part_length, path, tmp_path):
    """Another file comes, or the end, before its last piece."""
    with IndexBuilder(path, Fitted(), WITH_CLIP, part_length=part_length) as builder:
        builder.append(vectors_of(["a.jpg"]), entries_of(["a.jpg"]))
        list(append_pieces(builder, CLIP, last=False))
        builder.append(vectors_of(["z.jpg"]), entries_of(["z.jpg"]))
        assert builder.done == {"a.jpg", "z.jpg"}
        list(append_pieces(builder, CLIP, last=False))
        builder.finish()
    saved = save(tmp_path / "saved", ["a.jpg", "z.jpg"])
    assert path.read_bytes() == saved.read_bytes()


def test_pieces_are_of_one_file(path):
    with IndexBuilder(path, Fitted(), WITH_CLIP) as builder:
        others = entries_of(["a.jpg", "z.jpg"])
        message = "of a.jpg alone, of which there is more. Received: z.jpg of z.jpg"
        with pytest.raises(ValueError, match=message):
            builder.append(np.ones((2, 6)), others, more=True)
        builder.append(np.ones((2, 6)), CLIP[:2], more=True)
        with pytest.raises(
            ValueError, match="none there already. Received: clip.avi#1"
        ):
            builder.append(np.ones((2, 6)), CLIP[1:3])


def test_memory_does_not_grow_with_a_video(path):
    """Of 40 and of 400 calls of 32 kB each."""
    peaks = []
    for number in (40, 400):
        tracemalloc.start()
        with IndexBuilder(
            path.with_name(f"{number}"), Fitted(), {"clip.avi": 5}, part_length=16
        ) as builder:
            for i in range(number):
                entries = [Entry(f"clip.avi#{i}-{j}", "clip.avi", i) for j in range(4)]
                builder.append(np.ones((4, 2048)), entries, more=i < number - 1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert path.with_name(f"{number}.partial").is_dir()
    assert peaks[1] - peaks[0] < 360 * 32_768 / 8


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
    settings, files = {"seed": 3, "layers": ["a"]}, {"a.jpg": 7, "b.jpg": 8}
    assert index_builder.kept_encoder(path, settings, files) is None
    index_builder.keep_encoder(path, Fitted(), settings, files)
    as_before = dict(reversed(files.items()))  # whatever their order
    arrays, description = index_builder.kept_encoder(path, settings, as_before)
    assert description == Fitted().description()
    assert arrays.keys() == Fitted().arrays().keys()
    for name, array in Fitted().arrays().items():
        np.testing.assert_array_equal(arrays[name], array)
    message = r"partial: was begun otherwise: seed is 3, now 4. Go on with the same"
    with pytest.raises(IndexFileError, match=message):
        index_builder.kept_encoder(path, settings | {"seed": 4}, files)
    for others in ({"a.jpg": 7}, files | {"b.jpg": 9}, files | {"c.jpg": 1}):
        message = (
            "partial: was begun otherwise: the files that words are learned of are "
            "others, or were changed. Go on with the same settings and files, remove"
        )
        with pytest.raises(IndexFileError, match=message):
            index_builder.kept_encoder(path, settings, others)
    kept = tmp_path / f"{path.name}.partial" / "encoder.safetensors"
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-1])  # is learned again
    assert index_builder.kept_encoder(path, settings, files) is None
    build(path, named(0, 4))
    assert not kept.parent.exists()
    with pytest.raises(IndexFileError, match="is there already"):
        index_builder.kept_encoder(path, settings, files)


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
