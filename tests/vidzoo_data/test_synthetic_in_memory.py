"""Motion shapes read back as arrays: each video with its own flow and label."""

import csv
import shutil

import numpy as np
import pytest

from vidzoo.errors import FlowError, SourceError, VideoError
from vidzoo_data import flow as flows
from vidzoo_data import synthetic

OPTIONS = {"num_train": 16, "num_test": 8, "size": 32, "num_frames": 5, "workers": 1}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("written") / "shapes"
    synthetic.write(out, **OPTIONS)
    return out


@pytest.fixture
def copied(written, tmp_path):
    return shutil.copytree(written, tmp_path / "shapes")


def test_frames_flow_and_labels_of_a_split(written):
    found = synthetic.arrays(written, "train")
    assert found.frames.shape == (16, 5, 32, 32, 3) and found.frames.dtype == np.uint8
    assert found.flow.shape == (16, 4, 32, 32, 2) and found.flow.dtype == np.float32
    assert found.labels.dtype == np.int32
    with open(written / "motion.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    named = [synthetic.MOTIONS[label] for label in found.labels]
    assert named == [row["label"] for row in rows]
    for row, flow in zip(rows, found.flow, strict=True):
        with np.load((written / row["path"]).with_suffix(".npz")) as file:
            np.testing.assert_array_equal(flow, file["flow"])
    test = synthetic.arrays(written, "test")
    assert len(test.frames) == 8
    assert (test.frames != found.frames[:8]).any()


def test_the_flow_is_that_of_the_frames(written):
    """It carries each next frame back, better than another video's does."""
    found = synthetic.arrays(written, "train")
    for v in range(16):
        other = found.flow[(v + 1) % 16]
        moving = np.linalg.norm(found.flow[v], axis=-1) > 0
        errors = []
        for flow in (found.flow[v], other):
            warped = [
                flows.warp(found.frames[v, t + 1], flow[t])[0][moving[t]]
                for t in range(4)
            ]
            shown = [found.frames[v, t][moving[t]].astype(float) for t in range(4)]
            errors.append(np.abs(np.concatenate(warped) - np.concatenate(shown)).mean())
        assert errors[0] < errors[1]


def test_half_the_bytes_of_flow(written):
    exact = synthetic.arrays(written, "train")
    half = synthetic.arrays(written, "train", flow_type="float16")
    assert half.flow.dtype == np.float16
    assert np.abs(half.flow - exact.flow).max() <= 1 / 512
    assert exact.num_bytes == 16 * (5 * 32 * 32 * 3 + 4 * 32 * 32 * 2 * 4 + 4)
    assert exact.num_bytes - half.num_bytes == exact.flow.nbytes // 2


def test_the_first_videos_are_as_many_of_each_class(written):
    every = synthetic.arrays(written, "train")
    first = synthetic.arrays(written, "train", num_videos=8)
    np.testing.assert_array_equal(first.labels, np.arange(8))
    np.testing.assert_array_equal(first.frames, every.frames[:8])
    np.testing.assert_array_equal(first.flow, every.flow[:8])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"split": "val"}, r"`split` must be one of \('train', 'test'\). .*'val'"),
        ({"flow_type": "int8"}, "`flow_type` must be one of .*'int8'"),
        ({"num_videos": 0}, "from 1 to 8, as many as .*shapes has for test.*: 0"),
        ({"num_videos": 9}, "from 1 to 8, .* Received: 9"),
    ],
)
def test_arguments_that_cannot_be(written, options, message):
    with pytest.raises(ValueError, match=message):
        synthetic.arrays(written, **{"split": "test"} | options)


def test_folders_without_motion_shapes(tmp_path):
    with pytest.raises(SourceError, match="motion.csv: there is no such file.*write"):
        synthetic.arrays(tmp_path, "train")
    synthetic.write(tmp_path / "out", **OPTIONS | {"num_test": 0, "num_train": 1})
    with pytest.raises(SourceError, match="motion.csv: no video of the split test"):
        synthetic.arrays(tmp_path / "out", "test")


def test_files_that_are_missing_or_damaged(copied):
    flow = copied / "videos" / "test" / "000001.npz"
    data = flow.read_bytes()
    flow.unlink()
    with pytest.raises(FlowError, match="000001.npz: there is no such file; write .*"):
        synthetic.arrays(copied, "test")
    flow.write_bytes(data[: len(data) // 2])
    with pytest.raises(FlowError, match="000001.npz: damaged .*; write the motion"):
        synthetic.arrays(copied, "test")
    np.savez(flow, flow=np.zeros((4, 16, 32, 2), np.float32))
    message = r"000001.npz: the flow is \(4, 16, 32, 2\), and that of 000001.avi would"
    with pytest.raises(FlowError, match=message):
        synthetic.arrays(copied, "test")
    (copied / "videos" / "test" / "000000.avi").unlink()
    with pytest.raises(VideoError, match="000000.avi"):
        synthetic.arrays(copied, "test")
