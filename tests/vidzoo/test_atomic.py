"""Files are whole or as they were."""

import errno
import os

import pytest

from vidzoo.atomic import create, replacing, write_text


def test_a_full_disk_names_the_file(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"old")
    with pytest.raises(OSError, match="No space left") as raised:
        with replacing(path):
            raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(path)
    assert path.read_bytes() == b"old"


def test_writes_and_replaces(tmp_path):
    for text in ("first", "sécond"):
        write_text(tmp_path / "f.txt", text)
        assert (tmp_path / "f.txt").read_text(encoding="utf-8") == text
    assert os.listdir(tmp_path) == ["f.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_what_was_there(error, tmp_path):
    write_text(tmp_path / "f.txt", "old")
    with pytest.raises(error), replacing(tmp_path / "f.txt") as file:
        file.write(b"half of the ne")
        raise error
    assert (tmp_path / "f.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["f.txt"]


def test_permissions_are_the_users(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "f.txt", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "f.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("has_links", [True, False])
def test_creating_never_replaces(has_links, tmp_path, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EPERM, "Operation not permitted")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse)
    written = tmp_path / "written"
    for text in ("first", "second"):
        written.write_text(text)
        if text == "first":
            create(written, tmp_path / "f.txt")
            assert not written.exists()
        else:
            with pytest.raises(FileExistsError):
                create(written, tmp_path / "f.txt")
            assert written.read_text() == "second"
        assert (tmp_path / "f.txt").read_text() == "first"
