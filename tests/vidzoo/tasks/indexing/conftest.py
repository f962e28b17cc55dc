"""A folder of pictures and a video, its index, and the verbs."""

import json
import os
import shutil

import pytest

from tests.command import command
from tests.vidzoo.tasks.indexing.indexed import FLAGS, write_picture, write_weights
from tests.vidzoo_data.test_stored_flow import write_video


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """Ten pictures, a video of eight frames, weights, and the index of them."""
    root = tmp_path_factory.mktemp("original")
    for i in range(10):
        write_picture(root / "photos" / "ab"[i % 2] / f"{i}.png", seed=i)
    write_video(root / "photos" / "clip.avi", num_frames=8, shift=20, fps=2.0)
    write_weights(root / "toy.npz", seed=0)
    files = [root / name for name in ("photos", "pictures.index")]
    flags = [*FLAGS, f"--weights={root / 'toy.npz'}"]
    assert command("index", *files, *flags) == 0
    return root


@pytest.fixture
def made(original, tmp_path, monkeypatch):
    """A copy of that, as the working folder."""
    shutil.copytree(original, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


@pytest.fixture
def root(made):
    """The same without the index."""
    os.remove("pictures.index")
    return made


@pytest.fixture
def index(vidzoo):
    """Runs `vidzoo index`: `(code, summary, stderr)`."""

    def run(*flags, folder="photos", out="pictures.index"):
        code, printed, err = vidzoo(
            "index", folder, out, "--weights=toy.npz", *flags, "--json"
        )
        return code, json.loads(printed) if printed else None, err

    return run


@pytest.fixture
def search(vidzoo):
    """Runs `vidzoo search`: `(code, queries, stderr)`."""

    def run(*arguments):
        code, out, err = vidzoo("search", "pictures.index", *arguments, "--json")
        return code, json.loads(out)["queries"] if out else None, err

    return run
