"""What a kill leaves of an index, and the memory that building one takes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vidzoo.retrieval.indexes import add, build, named, save
from vidzoo.errors import IndexFileError
from vidzoo.retrieval import index_file

REPOSITORY = Path(__file__).resolve().parents[3]


# Forks for each change of an index a process that says when it begins its n-th step,
# and that then waits to be killed.
SERVER = f"""
import json, os, sys, time
sys.path.insert(0, {str(REPOSITORY)!r})
from tests.vidzoo.retrieval import test_index_killed as test
from vidzoo.retrieval import index_format

def slowed(function):
    def call(*args, **kwargs):
        global count
        count += 1
        if count == steps:
            print(os.getpid(), flush=True)
            time.sleep(60)
        return function(*args, **kwargs)
    return call
for name in ("fsync", "replace", "unlink", "rmdir", "mkdir"):
    setattr(os, name, slowed(getattr(os, name)))
index_format._line = slowed(index_format._line)
for line in sys.stdin:
    change, path, steps = json.loads(line)
    count = 0
    if not (child := os.fork()):
        getattr(test, change)(test.Path(path))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print("code", os.waitstatus_to_exitcode(status), flush=True)
"""


def add_some(path):
    add(path, named(10, 20))


def remove_some(path):
    index_file.remove(path, named(0, 5))


def build_all(path):
    build(path, named(0, 10), part_length=3)


@pytest.fixture(scope="module")
def kill_at():
    """Whether a change was killed at its n-th step, rather than done before."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:

        def kill_at(step, change, path):
            server.stdin.write(json.dumps([change, str(path), step]) + "\n")
            server.stdin.flush()
            *name, number = server.stdout.readline().split()
            if waits := not name:
                os.kill(int(number), signal.SIGKILL)
                *name, number = server.stdout.readline().split()
            assert (name, int(number)) == (["code"], -signal.SIGKILL if waits else 0)
            return waits

        yield kill_at
        server.stdin.close()


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
def test_killed_while_changing(change, step, kill_at, old_and_new, path):
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
def test_killed_while_building(kill_at, old_and_new, path):
    """At ten moments, each run going on from the one before, until it is complete."""
    *steps, last = [3, 9, 14, 12, 20, 9, 25, 30, 27, 33]
    for step in steps:
        assert kill_at(step, "build_all", path)
        assert not path.exists()
    assert kill_at(last, "build_all", path)  # the index is there, its parts are too
    assert path.read_bytes() == old_and_new[0]
    assert os.path.exists(f"{path}.partial")
    with pytest.raises(IndexFileError, match="is there already"):
        build_all(path)
    assert path.read_bytes() == old_and_new[0]
    assert sorted(os.listdir(path.parent)) == [f".{path.name}.lock", path.name]


# Memory

PEAK = f"""
import sys
sys.path.insert(0, {str(REPOSITORY)!r})
import numpy as np
from tests.vidzoo.retrieval.indexes import Fitted
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
