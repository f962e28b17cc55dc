"""`vidzoo index` killed at any moment, and going on."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest

from tests.other_process import answering
from tests.vidzoo.tasks.indexing.indexed import ONE, ids, write_picture
from vidzoo.retrieval import IndexFile
from vidzoo.tasks import index_encoder
from vidzoo_data import pictures as data

REPOSITORY = Path(__file__).resolve().parents[4]
# Runs verbs, each in a fork that dies of SIGKILL at a moment; what is imported before
# starts no thread.
DYING = f"""
import json, os, signal, sys
sys.path.insert(0, {str(REPOSITORY)!r})
from tests import toy_backbones
from vidzoo.retrieval import Encoder, Features, index_builder
from vidzoo.tasks import index

index_builder.IndexBuilder.__init__.__kwdefaults__["part_length"] = 2

def dying(function, number):
    left = [number]
    def call(*args, **kwargs):
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return call

places = {{
    "learn": (Features, "__call__"),
    "encode": (Encoder, "__call__"),
    "replace": (os, "replace"),
    "tidy": (index_builder, "_remove"),
}}
for line in sys.stdin:
    moment, number, add = json.loads(line)
    if not (child := os.fork()):
        where, name = places[moment]
        setattr(where, name, dying(getattr(where, name), number))
        settings = {{}} if add else {{
            "network": "toy", "layer": ["res3"], "scales": [1], "size": 32,
            "num_words": 4, "seed": 0,
        }}
        index.run("photos", "pictures.index", weights="toy.npz", add=add,
            batch_size=2, workers=1, **settings)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.fixture
def die(root):
    """Runs `index` in a process that is killed at the n-th step of a kind."""
    with answering(DYING) as ask:

        def run(moment, number, add=False):
            assert ask(moment, number, add) == -signal.SIGKILL

        yield run


@pytest.mark.slow
def test_killed_ten_times(root, index, die):
    """Each run goes on from the one before: the old index, or the new one complete."""
    os.remove("photos/clip.avi")
    path = Path("pictures.index")
    for moment in (
        ("learn", 2),
        ("replace", 2),  # the encoder is kept; the plan is not
        ("replace", 3),  # a part of two pictures is
        ("encode", 3),  # and then two
        ("replace", 5),  # all parts are, and the index is but for its name
    ):
        die(*moment)
        assert not path.exists()
    parts = len(list(root.glob("pictures.index.partial/part-*")))
    assert parts == 5
    die("tidy", 1)
    first = path.read_bytes()
    assert len(ids()) == 10
    code, _, err = index(*ONE)
    assert code == 1 and "is there already" in err
    assert not Path("pictures.index.partial").exists()

    for i in range(4):
        write_picture(root / "photos" / "new" / f"{i}.png", seed=90 + i)
    for moment in (("encode", 2), ("replace", 1), ("replace", 4)):
        die(*moment, add=True)
        assert path.read_bytes() == first
    die("tidy", 1, add=True)
    second = path.read_bytes()
    assert len(ids()) == 14
    code, summary, err = index("--add")
    assert code == 0 and summary["added"] == 0, err
    assert path.read_bytes() == second
    assert sorted(p.name for p in root.glob("*pictures.index*")) == [
        *(".pictures.index.lock", "pictures.index")
    ]
    opened = IndexFile.load(path)
    encoder = index_encoder.open_encoder(opened)
    for entry, vector in zip(opened.entries, opened.vectors, strict=True):
        image = data.read(entry.path, 32)[None]
        np.testing.assert_allclose(vector, encoder(image)[0], atol=1e-4)


@pytest.mark.slow
def test_goes_on_with_what_was_done(root, index, die):
    die("encode", 4)
    code, _, err = index(*ONE, "--num_words=5")
    assert code == 1
    assert "pictures.index.partial: was begun otherwise: num_words is 4, now 5" in err
    code, summary, err = index(*ONE)
    assert code == 0, err
    assert "going on with the words of the run before" in err
    assert "4 of 11 files are there" in err  # two parts of two
    assert summary["added"] == summary["num_entries"] == 14
