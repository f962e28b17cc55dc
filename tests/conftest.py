"""What the tests share: real data where it is there, and quiet, seeded runs."""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Nothing is remembered between runs, nor in the user's own cache.
os.environ["VIDZOO_CACHE"] = tempfile.mkdtemp(prefix="vidzoo-tests-")
atexit.register(shutil.rmtree, os.environ["VIDZOO_CACHE"], ignore_errors=True)

import pytest  # noqa: E402

import vidzoo  # noqa: E402, F401 - turns oneDNN on, which must precede TensorFlow

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data():
    """The folder of real clips and weights; skips, aloud, where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"real test data is not at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(autouse=True)
def vidzoo_log():
    """The log as it is in a new process: what runs a command sends it to stderr."""

    def reset():
        log = logging.getLogger("vidzoo")
        log.handlers[:] = []
        log.setLevel(logging.NOTSET)
        log.propagate = True

    reset()
    yield
    reset()


@pytest.fixture
def quick_backbones(monkeypatch):
    """`tiny` and `tiny3d` are toys, for what builds them by these names."""
    from tests.toy_backbones import TOYS, TOYS_3D
    from vidzoo.models import backbones

    monkeypatch.setitem(backbones.BACKBONES, "tiny", TOYS["toy"])
    monkeypatch.setitem(backbones.BACKBONES_3D, "tiny3d", TOYS_3D["toy3d"])
