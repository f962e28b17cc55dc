"""One process at a time works in a folder."""

import errno
import fcntl

import pytest

from vidzoo.errors import VidzooError
from vidzoo.locking import LOCK, locked


def test_a_second_holder_is_refused_until_the_first_is_done(tmp_path):
    with locked(tmp_path):
        with pytest.raises(VidzooError, match="another process is at work there. Wait"):
            with locked(tmp_path):
                pass
    with locked(tmp_path):
        assert [file.name for file in tmp_path.iterdir()] == [LOCK]


def test_a_file_system_without_locks_holds_nothing_and_says_so(
    tmp_path, monkeypatch, caplog
):
    def refuse(file, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        assert f"{tmp_path}: its file system has no locks" in caplog.text
