"""Training in a process that is stopped, in every way there is, goes on exactly."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests.records import coordinate_frames, record, write_records

# `vidzoo`, leaving the ids of every batch that training gets in a file.
_RECORDED = """
import os, sys
from tests import toy_backbones
from vidzoo import cli
from vidzoo_data import clips

checked, file = clips.checked, open(os.environ["IDS_FILE"], "a")

def recorded(batches, data):
    for batch in checked(batches, data):
        file.write(" ".join(i.decode() for i in batch["video_id"].numpy()) + "\\n")
        file.flush()
        yield batch

clips.checked = recorded
cli.main()
"""
_EPOCHS, _STEPS = 12, 4  # of each epoch


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    """What trains a network on 16 videos, four steps an epoch."""
    folder = tmp_path_factory.mktemp("records")
    random = np.random.default_rng(0)
    videos = []
    for i in range(16):
        frames = coordinate_frames(6)
        frames[..., 2] = random.integers(0, 256, frames.shape[:3])
        videos.append(record(f"{i:02d}.avi", frames, labels=(i % 2,)))
    write_records(folder / "records", videos, per_shard=4)
    return (
        *("train", str(folder / "records"), "--model=tsn", "--backbone=toy"),
        *("--frame_size=32", "--num_segments=2", "--recipe=scratch"),
        *("--batch_size=4", f"--epochs={_EPOCHS}"),
    )


def start(arguments, ids_file):
    return subprocess.Popen(
        [sys.executable, "-c", _RECORDED, *arguments],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"IDS_FILE": str(ids_file)},
    )


def finish(arguments, ids_file):
    process = start(arguments, ids_file)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err


def lines_of(file):
    return file.read_text().splitlines() if file.exists() else []


def weights(run):
    with np.load(run / "weights.npz") as data:
        return {name: data[name] for name in data.files}


@pytest.fixture(scope="module")
def undisturbed(arguments, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish((*arguments, f"--out={folder / 'run'}"), folder / "ids")
    assert len(lines_of(folder / "ids")) == _EPOCHS * _STEPS
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "number, code", [("SIGKILL", -9), ("SIGTERM", 143), ("SIGINT", 130)]
)
def test_stopped_training_goes_on(number, code, arguments, undisturbed, tmp_path):
    run = tmp_path / "run"
    arguments = (*arguments, f"--out={run}")
    process = start(arguments, tmp_path / "before")
    deadline = time.monotonic() + 90
    while len(lines_of(tmp_path / "before")) < 2 * _STEPS + 2:  # within epoch 3
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.01)
    process.send_signal(getattr(signal, number))
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "Traceback" not in err
    assert not (run / "weights.npz").exists()
    newest = max(file.stem for file in (run / "checkpoints").glob("step-*.npz"))
    done = int(newest.removeprefix("step-"))
    before = lines_of(tmp_path / "before")
    if number == "SIGKILL":
        assert done % _STEPS == 0 and done >= _STEPS  # the last whole epoch
    else:
        assert done == len(before)  # the very step
        assert f"stopped after step {done} of 48; the same command with" in err

    finish((*arguments, "--resume"), tmp_path / "after")
    expected = lines_of(undisturbed / "ids")
    assert before == expected[: len(before)]
    assert lines_of(tmp_path / "after") == expected[done:]
    logged = [json.loads(line) for line in lines_of(run / "log.jsonl")]
    assert [line["epoch"] for line in logged] == list(range(1, _EPOCHS + 1))
    assert [line["step"] for line in logged] == list(range(4, 49, _STEPS))
    ours, theirs = weights(run), weights(undisturbed / "run")
    assert ours.keys() == theirs.keys()
    for name, array in theirs.items():
        np.testing.assert_array_equal(ours[name], array, err_msg=name)
