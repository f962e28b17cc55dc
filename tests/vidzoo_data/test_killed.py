"""`prepare` killed without notice: what a next run makes of it, to the byte."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

import pytest

from tests.vidzoo_data.test_prepare import REPOSITORY, content, make_videos
from vidzoo.errors import RecordError
from vidzoo_data import atomic, sources
from vidzoo_data.records import resumable, write

OPTIONS = {"size": 64, "videos_per_shard": 4, "workers": 2}

# Imports all once; then, for each folder that it reads, a process of its own writes
# records there, and says its id and how many videos are done. Read with `stop`, the
# process halts after six of them, in the middle of a shard, without ending; read with a
# number n, it has no workers and kills itself right before its n-th step on the disk.
SERVER = f"""
import os, signal, sys
from vidzoo_data import parallel, sources
from vidzoo_data.records import write

def die_before(step):
    count = 0
    def counted(function):
        def call(*args, **kwargs):
            nonlocal count
            count += 1
            if count == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)
        return call
    for name in ("fsync", "replace", "unlink", "rmdir", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))
    parallel.run_in_order = lambda task, paths, workers: iter(map(task, paths))

def say(done, total):
    print(done, flush=True)
    if how == "stop" and done == 6:
        os.kill(os.getpid(), signal.SIGSTOP)

source = sources.read("folder", sys.argv[1])
for line in sys.stdin:
    out, how = line.split()
    child = os.fork()
    if child == 0:
        print(os.getpid(), flush=True)
        if how.isdigit():
            die_before(int(how))
        write.prepare(source, out, on_progress=say, **{OPTIONS})
        os._exit(0)
    status = os.waitpid(child, os.WUNTRACED)[1]
    while os.WIFSTOPPED(status):
        print("stopped 6", flush=True)
        status = os.waitpid(child, os.WUNTRACED)[1]
    print("code", os.waitstatus_to_exitcode(status), flush=True)
"""


class Run:
    """One process that writes records.

    Attributes:
        pid: of the process.
        progress: numbers of videos done, as far as they were read.
        code: how it ended; None before.
    """

    def __init__(self, server, out, how="whole"):
        self._output = server.stdout
        server.stdin.write(f"{out} {how}\n")
        server.stdin.flush()
        self.pid = int(self._output.readline())
        self.progress, self.code = [], None

    def follow(self, num_lines=None):
        """Reads so many lines of progress, or all until it ends."""
        while self.code is None and num_lines != 0:
            *what, number = self._output.readline().split()
            if what == ["code"]:
                self.code = int(number)
            elif not what:
                self.progress.append(int(number))
            num_lines = None if num_lines is None else num_lines - 1
        return self

    def until_stopped(self):
        """Reads until it has halted, which a later SIGCONT then ends for certain."""
        while self._output.readline().split() != ["stopped", "6"]:
            pass
        return self

    def kill(self):
        """Ends it without notice, unless it came to its end before."""
        if self.code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        return self.follow()


@pytest.fixture(scope="module")
def server(videos):
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, videos],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "TF_CPP_MIN_LOG_LEVEL": "3"},
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """24 videos, one of them broken: six shards."""
    root = make_videos(tmp_path_factory.mktemp("videos"), 24)
    (root / "b" / "05.avi").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def source(videos):
    return sources.read("folder", videos)


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    """What a run that nothing disturbed writes, by file name."""
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    summary = write.prepare(source, out, **OPTIONS)
    assert (summary.num_videos, len(summary.quarantined)) == (23, 1)
    files = content(out)
    others = {"dataset.json", "videos.csv", "quarantine.csv"}
    assert len(files.keys() - others) == 6 and others < files.keys()
    assert b"b/05.avi,the file is empty" in files["quarantine.csv"]
    return files


def check_same(out, undisturbed):
    assert sorted(entry.name for entry in out.iterdir()) == sorted(undisturbed)
    assert content(out) == undisturbed


@pytest.mark.slow
def test_ten_kills(server, source, undisturbed, tmp_path):
    """At random moments, one after the other, until a folder is complete; then anew."""
    moments = random.Random(0)
    kills = mid_shard = went_on = folders = 0
    out = tmp_path / "0"
    while kills < 10:
        run = Run(server, out).follow(moments.randint(1, 9))
        time.sleep(moments.uniform(0, 0.03))
        run.kill()
        assert run.code in (-9, 0)
        kills += run.code == -9
        mid_shard += bool(list(out.glob(atomic.TEMPORARY_FILES)))
        went_on += run.progress[0] > 0
        if (out / "dataset.json").exists():
            write.prepare(source, out, **OPTIONS)
            check_same(out, undisturbed)
            folders += 1
            out = tmp_path / str(folders)
    write.prepare(source, out, **OPTIONS)
    check_same(out, undisturbed)
    assert mid_shard >= 1  # of ten, six as a rule
    assert went_on >= 1


@pytest.mark.slow
def test_killed_before_every_step(server, undisturbed, tmp_path):
    codes, num_mid_shard = [], 0
    while 0 not in codes:
        step = len(codes) + 1
        out = tmp_path / str(step)
        codes.append(Run(server, out, step).follow().code)
        num_mid_shard += bool(list(out.glob(atomic.TEMPORARY_FILES)))
        assert Run(server, out, 10**9).follow().code == 0  # to the end
        check_same(out, undisturbed)
    assert codes == [-9] * (len(codes) - 1) + [0]
    # A shard and its result take three steps each, the last three files as many.
    assert len(codes) > 6 * 6 + 3 * 3
    assert num_mid_shard >= 6


# Two at once


def test_second_process_stops_and_disturbs_nothing(
    server, source, undisturbed, tmp_path
):
    out = tmp_path / "out"
    run = Run(server, out, "stop").until_stopped()
    try:
        files = sorted(content(out))
        assert any(name.endswith(".tmp") for name in files)
        with pytest.raises(RecordError) as error:
            write.prepare(source, out, **OPTIONS)
        assert str(error.value) == (
            f"{out}: another process is writing records there; wait until it is done, "
            "or choose another folder."
        )
        assert sorted(content(out)) == files
    finally:
        os.kill(run.pid, signal.SIGCONT)
    assert run.follow().code == 0
    check_same(out, undisturbed)


def test_killed_process_leaves_no_lock(server, source, undisturbed, tmp_path):
    out = tmp_path / "out"
    assert Run(server, out, "stop").until_stopped().kill().code == -9
    assert (out / ".progress" / "lock").is_file()
    write.prepare(source, out, **OPTIONS)
    check_same(out, undisturbed)


def test_complete_folder_is_not_written_to(source, undisturbed, tmp_path):
    """Not even a lock, so that it may lie where nobody may write."""
    out = tmp_path / "out"
    write.prepare(source, out, **OPTIONS)
    out.chmod(0o555)
    before = {entry.name: entry.stat().st_mtime_ns for entry in out.iterdir()}
    changed = out.stat().st_mtime_ns
    write.prepare(source, out, **OPTIONS)
    assert {e.name: e.stat().st_mtime_ns for e in out.iterdir()} == before
    assert out.stat().st_mtime_ns == changed
    out.chmod(0o755)


def test_lock_of_a_run_that_ended_meanwhile_is_no_lock(
    source, undisturbed, tmp_path, monkeypatch
):
    """The other ends between our opening of its lock file and our locking of it."""
    out = tmp_path / "out"
    flock, ended = resumable.fcntl.flock, []

    def end_other_first(*args):
        if not ended:
            ended.append(True)
            write.prepare(source, out, **OPTIONS)
        flock(*args)

    (out / ".progress").mkdir(parents=True)
    monkeypatch.setattr(resumable.fcntl, "flock", end_other_first)
    summary = write.prepare(source, out, **OPTIONS)
    assert summary.num_videos == json.loads(undisturbed["dataset.json"])["num_videos"]
    check_same(out, undisturbed)


@pytest.mark.parametrize("code", sorted(resumable._NO_LOCKS))
def test_file_system_without_locks(code, source, undisturbed, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(resumable.fcntl, "flock", flock)
    write.prepare(source, tmp_path / "out", **OPTIONS)
    check_same(tmp_path / "out", undisturbed)
