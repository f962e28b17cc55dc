"""Shards are what `prepare` wrote, to the byte, and are read once to know it."""

import errno
import hashlib
import json
import os
import re
import shutil

import pytest

from tests.records import coordinate_frames, record, write_records
from vidzoo.errors import RecordError
from vidzoo_data.records import verify
from vidzoo_data.records.read import Records


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of this test's own; returns its folder."""
    monkeypatch.setenv("VIDZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def records(tmp_path):
    """Five shards."""
    frames = coordinate_frames(2, 16, 16)
    videos = [record(f"{i}.avi", frames) for i in range(5)]
    return write_records(tmp_path / "records", videos, per_shard=1)


@pytest.fixture
def read_shards(monkeypatch):
    """The names of the shards that were read, as they are."""
    names = []
    digest = verify._digest

    def spy(path, count):
        names.append(path.name)
        return digest(path, count)

    monkeypatch.setattr(verify, "_digest", spy)
    return names


def shards(records):
    return sorted(records.path.glob("*.tfrecord"))


def flip(file, place=-20):
    """Changes one bit, not the size."""
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def raising(error):
    def function(*_):
        raise error

    return function


def test_whole_records(records):
    progress = []
    records.verify(lambda *numbers: progress.append(numbers))
    total = sum(shard.stat().st_size for shard in shards(records))
    assert progress[0] == (0, total) and progress[-1] == (total, total)
    assert progress == sorted(progress) and len(progress) == 6


@pytest.mark.parametrize("place", [0, 200, -1])
@pytest.mark.parametrize("verified_before", [False, True])
def test_one_flipped_bit(verified_before, place, records):
    if verified_before:
        records.verify()
    shard = shards(records)[3]
    expected = hashlib.sha256(shard.read_bytes()).hexdigest()
    flip(shard, place)
    found = hashlib.sha256(shard.read_bytes()).hexdigest()
    message = (
        rf"{re.escape(str(shard))}: damaged: its SHA-256 is {found[:12]}…, "
        rf"dataset.json says {expected[:12]}…. Copy the shard .*or remove the folder "
    )
    for _ in range(2):
        with pytest.raises(RecordError, match=message) as error:
            Records(records.path).verify()
        assert "\n" not in str(error.value)
    flip(shard, place)
    records.verify()


def test_flipped_bit_under_an_old_date(records):
    """As a backup brings a damaged file back: size and date as before."""
    records.verify()
    shard = shards(records)[0]
    before = shard.stat()
    flip(shard)
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert shard.stat().st_mtime_ns == before.st_mtime_ns
    with pytest.raises(RecordError, match="damaged: its SHA-256 is"):
        records.verify()


def test_missing_and_extra_shards(records):
    shard = shards(records)[2]
    content = shard.read_bytes()
    shard.unlink()
    with pytest.raises(RecordError, match="tfrecord: cannot be read: No such file"):
        records.verify()
    with pytest.raises(RecordError, match="tfrecord: the shard is missing"):
        Records(records.path)
    shard.write_bytes(content)
    shutil.copy(shard, records.path / "shard-00009-of-00010.tfrecord")
    with pytest.raises(
        RecordError, match="00009-of-00010.tfrecord: not listed in data"
    ):
        Records(records.path)


def test_nothing_is_read_twice(records, read_shards):
    records.verify()
    assert sorted(read_shards) == [shard.name for shard in shards(records)]
    del read_shards[:]
    progress = []
    Records(records.path).verify(lambda *numbers: progress.append(numbers))
    assert read_shards == []
    total = sum(shard.stat().st_size for shard in shards(records))
    assert progress == [(total, total)]


def test_only_what_changed_is_read_again(records, read_shards):
    records.verify()
    os.utime(shards(records)[1])
    del read_shards[:]
    records.verify()
    assert read_shards == ["shard-00001-of-00005.tfrecord"]


def test_what_was_right_is_kept_when_another_is_wrong(records, read_shards, cache):
    flip(shards(records)[4])
    with pytest.raises(RecordError, match="00004-of-00005.tfrecord: damaged"):
        records.verify()
    flip(shards(records)[4])
    del read_shards[:]
    records.verify()
    assert read_shards == ["shard-00004-of-00005.tfrecord"]


def test_cache_of_another_folder_is_not_used(records, read_shards, tmp_path, cache):
    records.verify()
    other = tmp_path / "other"
    shutil.copytree(records.path, other)  # with the same dates
    del read_shards[:]
    Records(other).verify()
    assert len(read_shards) == 5
    first, second = (cache / "records-verified").iterdir()
    folder = hashlib.sha256(str(records.path).encode()).hexdigest()
    assert f"{folder}.json" in (first.name, second.name)


def test_cache_in_the_place_of_another_is_not_used(
    records, read_shards, tmp_path, cache
):
    """Nor where its file is renamed: its shards are known by their whole paths."""
    records.verify()
    shutil.copytree(records.path, tmp_path / "other")
    (file,) = (cache / "records-verified").iterdir()
    name = hashlib.sha256(str(tmp_path / "other").encode()).hexdigest()
    file.rename(file.with_name(f"{name}.json"))
    del read_shards[:]
    Records(tmp_path / "other").verify()
    assert len(read_shards) == 5


def test_a_folder_made_anew_is_read_again(records, read_shards, tmp_path):
    records.verify()
    shutil.rmtree(records.path)
    videos = [record(f"{i}.avi", coordinate_frames(3, 16, 16)) for i in range(5)]
    again = write_records(tmp_path / "records", videos, per_shard=1)
    del read_shards[:]
    again.verify()
    assert len(read_shards) == 5


def test_link_to_a_folder_has_one_cache(records, read_shards, tmp_path):
    records.verify()
    (tmp_path / "link").symlink_to(records.path)
    del read_shards[:]
    Records(tmp_path / "link").verify()
    assert read_shards == []


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"x": 1}', b"null"])
def test_damaged_cache_is_no_cache(content, records, read_shards, cache):
    records.verify()
    (file,) = (cache / "records-verified").iterdir()
    file.write_bytes(content)
    del read_shards[:]
    records.verify()
    assert len(read_shards) == 5
    assert len(json.loads(file.read_text())) >= 5


@pytest.mark.parametrize("kind", ["file in its place", "no folder", "full", "no home"])
def test_cache_that_cannot_be_written(kind, records, read_shards, cache, monkeypatch):
    if kind == "file in its place":
        cache.write_text("")
    elif kind == "no folder":
        monkeypatch.setenv("VIDZOO_CACHE", "/dev/null/cache")
    elif kind == "full":
        no_space = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        monkeypatch.setattr(verify.atomic, "write_text", raising(no_space))
    else:
        monkeypatch.delenv("VIDZOO_CACHE")
        monkeypatch.setattr(verify.Path, "home", raising(RuntimeError("no home")))
    for _ in range(2):
        records.verify()
    assert len(read_shards) == 10
    flip(shards(records)[0])
    with pytest.raises(RecordError, match="damaged"):
        records.verify()


def test_other_errors_than_the_file_systems_are_not_hidden(records, monkeypatch):
    monkeypatch.setattr(verify.atomic, "write_text", raising(TypeError("a defect")))
    with pytest.raises(TypeError, match="a defect"):
        records.verify()


def test_cache_of_the_home_folder(records, tmp_path, monkeypatch):
    monkeypatch.delenv("VIDZOO_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for xdg, caches in (("", "home/.cache"), (str(tmp_path / "xdg"), "xdg")):
        monkeypatch.setenv("XDG_CACHE_HOME", xdg)
        records.verify()
        files = list((tmp_path / caches / "vidzoo/records-verified").iterdir())
        assert len(files) == 1 and files[0].suffix == ".json"


def test_what_the_caller_raises_arrives(records, read_shards):
    """Such as Ctrl-C: it ends the reading, and is not taken for damage."""

    def stop(done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        records.verify(stop)
    records.verify()
