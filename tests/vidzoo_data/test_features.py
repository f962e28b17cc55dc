"""Features as records: written, killed and written on, read, and as clips."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tests.records import coordinate_frames, record, write_records
from tests.vidzoo_data.test_prepare import REPOSITORY, content
from vidzoo.errors import RecordError
from vidzoo_data.clips import (
    CenterCrop,
    Excerpt,
    RandomCrop,
    Segments,
    Whole,
    center_batches,
    record_chunks,
    stream,
    training_batches,
    view_batches,
)
from vidzoo_data.flow import FlowSettings
from vidzoo_data.records import schema, write
from vidzoo_data.records.features import FeatureVideo, write_features
from vidzoo_data.records.read import Records

SHAPE = (2, 3)
LENGTHS = {f"v{i}": 1 + 3 * i for i in range(7)}
DESCRIPTION = {"network": "alexnet", "weights": "ab12", "frame_size": [220, 220]}


def values_of(video_id):
    """Any numbers, other ones for every frame of every video."""
    generator = np.random.default_rng(LENGTHS[video_id])
    return generator.normal(size=(LENGTHS[video_id], *SHAPE)).astype(np.float32)


def write_all(out, compute=values_of, **options):
    videos = (
        FeatureVideo(name, (i % 2,), 2.0, lambda name=name: compute(name))
        for i, name in enumerate(LENGTHS)
    )
    defaults = {
        "name": "ucf101",
        "classes": ("a", "b"),
        "splits": {"train": [*LENGTHS], "test": ["v5", "v2", "gone"]},
        "videos": videos,
        "features": DESCRIPTION,
        "shape": SHAPE,
        "quarantined": [("gone", "it is broken")],
        "videos_per_shard": 3,
    }
    return write_features(out, **defaults | options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that nothing disturbed; do not change it."""
    out = tmp_path_factory.mktemp("features") / "out"
    progress = []
    summary = write_all(out, on_progress=lambda *numbers: progress.append(numbers))
    assert progress == [(done, 7) for done in range(8)]
    assert (summary.num_videos, summary.num_frames) == (7, 70)
    assert summary.quarantined == (("gone", "it is broken"),)
    return out


@pytest.fixture(scope="module")
def records(folder):
    return Records(folder)


# Files


def test_folder_is_one_of_records(folder, records):
    assert len(list(folder.glob("*.tfrecord"))) == 3
    assert not (folder / ".progress").exists()
    records.verify()
    assert (records.name, records.classes) == ("ucf101", ("a", "b"))
    assert records.splits == {"train": [*LENGTHS], "test": ["v2", "v5"]}
    assert records.quarantined == (("gone", "it is broken"),)
    assert records.features == DESCRIPTION == records.made_with["features"]
    assert records.feature_shape == SHAPE
    entry = records.videos["v3"]
    assert (entry.num_frames, entry.fps, entry.labels) == (10, 2.0, (1,))
    assert (entry.height, entry.width) == (0, 0)


def test_records_hold_the_bytes(records):
    for video_id in LENGTHS:
        serialized = records.read(records.videos[video_id])
        parsed = schema.parse(serialized, has_features=True)
        assert parsed["feature/shape"].numpy().tolist() == [2, 3]
        assert parsed["video/num_frames"] == LENGTHS[video_id]
        stored = parsed["frame/feature"].numpy().tolist()
        assert stored == [v.astype("<f4").tobytes() for v in values_of(video_id)]
        with pytest.raises(tf.errors.InvalidArgumentError, match="frame/jpeg"):
            schema.parse(serialized)


def test_features_are_read_by_number(records, monkeypatch):
    pread, num_bytes = os.pread, 0

    def counting(file, size, start):
        nonlocal num_bytes
        num_bytes += size
        return pread(file, size, start)

    entry, numbers = records.videos["v6"], [3, 18, 3, 0]
    expected = values_of("v6")[numbers]
    assert np.array_equal(records.read_features(entry, numbers), expected)
    monkeypatch.setattr(os, "pread", counting)
    found = records.read_features(entry, numbers)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    assert num_bytes == expected.nbytes
    assert records.read_features(entry, []).shape == (0, *SHAPE)


def test_frames_of_one_number(tmp_path):
    video = ("v", (0,), 0.0, lambda: np.float32([3, 1, 2]))
    write_all(tmp_path / "out", videos=[video], shape=())
    found = Records(tmp_path / "out")
    np.testing.assert_array_equal(
        found.read_features(found.videos["v"], [2, 0]), [2, 3]
    )


# Stopped, and written on


def test_finished_folder_computes_nothing(folder):
    before = content(folder)

    def compute(video_id):
        raise AssertionError(video_id)

    assert write_all(folder, compute).num_videos == 7
    assert content(folder) == before


@pytest.mark.parametrize("num_done", range(7))
def test_goes_on_with_the_video_at_which_it_stopped(folder, tmp_path, num_done):
    done, out = [], tmp_path / "out"

    def compute(video_id):
        if len(done) == num_done:
            raise KeyboardInterrupt
        done.append(video_id)
        return values_of(video_id)

    with pytest.raises(KeyboardInterrupt):
        write_all(out, compute)
    assert not (out / "dataset.json").exists()
    later, num_done = [], 7
    write_all(out, lambda v: later.append(v) or values_of(v))
    assert sorted(done + later) == [*LENGTHS]
    assert content(out) == content(folder)


def test_killed_without_notice(folder, tmp_path):
    code = (
        "import os, sys, signal\n"
        "from tests.vidzoo_data import test_features as t\n"
        "done = []\n"
        "def compute(v):\n"
        "  if len(done) == 4: os.kill(os.getpid(), signal.SIGKILL)\n"
        "  done.append(v); print(v, flush=True)\n"
        "  return t.values_of(v)\n"
        "t.write_all(sys.argv[1], compute)"
    )
    out = tmp_path / "out"
    killed = subprocess.run(
        [sys.executable, "-c", code, out],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9
    later = []
    write_all(out, lambda v: later.append(v) or values_of(v))
    assert sorted(killed.stdout.split() + later) == [*LENGTHS]
    assert content(out) == content(folder)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"features": {"network": "vgg"}},
            "made otherwise .features .*alexnet.*, now ",
        ),
        ({"shape": (6,)}, r"feature_shape \[2, 3\], now \[6\]"),
        ({"splits": {"train": ["v1"]}}, "other videos, labels, splits or classes"),
    ],
)
def test_other_features_are_another_folder(folder, options, message):
    with pytest.raises(RecordError, match=message):
        write_all(folder, **options)


# What is refused


def spoilt(**changes):
    """`compute` of which one video is another; named last in the order of shards."""

    def compute(video_id):
        return changes.get(video_id, values_of(video_id))

    return compute


def with_one(value):
    values = values_of("v4")
    values[7, 1, 2] = value
    return values


@pytest.mark.parametrize(
    "values, message",
    [
        (
            with_one(np.nan),
            "v4 are not finite at frame 7. Check the network's weights.",
        ),
        (with_one(-np.inf), "v4 are not finite at frame 7"),
        (
            np.zeros((5, 2, 4), np.float32),
            r"shape \(5, 2, 4\); expected \(T, 2, 3\), T ",
        ),
        (np.zeros((2, 3), np.float32), r"v4 have the shape \(2, 3\); expected"),
        (np.zeros((0, 2, 3), np.float32), r"v4 have the shape \(0, 2, 3\); expected"),
        (np.zeros((5, 2, 3)), "v4 are float64; expected a NumPy array of float32"),
        ([[1.0]], "v4 are list; expected a NumPy array of float32"),
    ],
)
def test_features_that_cannot_be_stored_are_named(tmp_path, values, message):
    with pytest.raises(RecordError, match=message):
        write_all(tmp_path / "out", spoilt(v4=values))
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_features_too_long_for_one_record(tmp_path, monkeypatch):
    monkeypatch.setattr("vidzoo_data.records.features.MAX_RECORD_BYTES", 24 * 18)
    with pytest.raises(RecordError, match="v6 are too many .*: 0.0 GB of 19 frames"):
        write_all(tmp_path / "out")


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"videos": []}, RecordError, "there is no video to compute features of"),
        ({"shape": (3, 0)}, ValueError, r"sides of 1 or more. Received: \(3, 0\)"),
        ({"videos_per_shard": 0}, ValueError, "`videos_per_shard` must be at least 1"),
        (
            {"videos": [FeatureVideo("x", (0,), 1.0, list)] * 2},
            ValueError,
            "named once each. Received twice: x",
        ),
    ],
)
def test_arguments_are_checked(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        write_all(tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_a_shape_that_does_not_fit_its_records(folder, tmp_path):
    for name, data in content(folder).items():
        (tmp_path / name).write_bytes(data)
    described = json.loads((tmp_path / "dataset.json").read_text())
    described["made_with"]["feature_shape"] = [5]
    (tmp_path / "dataset.json").write_text(json.dumps(described))
    records = Records(tmp_path)
    message = "v1 is damaged: features that are not of 20 bytes, as dataset.json says"
    with pytest.raises(RecordError, match=message):
        records.read_features(records.videos["v1"], [0])


def test_each_kind_of_records_says_what_it_holds(records, tmp_path):
    frames = write_records(tmp_path / "frames", [record("v", coordinate_frames(3))])
    assert frames.features is None and frames.feature_shape is None
    how = {"sampling": Segments(2), "batch_size": 1, "crop": CenterCrop(32)}
    holds_frames = "frames: these records hold frames, and features are asked for. Co"
    with pytest.raises(RecordError, match=holds_frames):
        center_batches(frames, "train", modalities={"features": 1}, **how)
    with pytest.raises(RecordError, match=holds_frames):
        frames.read_features(frames.videos["v"], [0])
    holds_features = (
        "out: these records hold features, and frames or flow are asked for"
    )
    for modalities in ({"rgb": 1}, {"flow": 1}, {"features": 1, "rgb": 1}, None):
        with pytest.raises(RecordError, match=holds_features):
            center_batches(records, "train", modalities=modalities, **how)
    with pytest.raises(RecordError, match=holds_features):
        records.read_frames(records.videos["v1"], [0])
    with pytest.raises(RecordError, match=holds_features):
        records.read_flow(records.videos["v1"], [0])
    with pytest.raises(RecordError, match=holds_features):
        write.add_flow(records, tmp_path / "flow", FlowSettings("dis"))
    assert not (tmp_path / "flow").exists()


# Clips

FEATURES = {"features": 1}


def test_whole_videos_have_a_mask(records):
    (batch,) = center_batches(
        records,
        "train",
        sampling=Whole(),
        crop=None,
        modalities=FEATURES,
        batch_size=7,
    ).as_numpy_iterator()
    assert batch["features"].shape == (7, 19, *SHAPE)
    assert batch["features"].dtype == np.float32
    for row, video_id in enumerate(LENGTHS):
        length = LENGTHS[video_id]
        assert batch["video_id"][row].decode() == video_id
        assert batch["mask"][row].tolist() == [True] * length + [False] * (19 - length)
        found = batch["features"][row]
        np.testing.assert_array_equal(found[:length], values_of(video_id))
        assert not found[length:].any()


SAMPLINGS = [
    Whole(fps=1.0, num_frames=12),
    Excerpt(4, Whole(num_frames=9)),
    Segments(5),
    Excerpt(3, Whole(fps=1.0)),
]


@pytest.mark.parametrize("sampling", SAMPLINGS, ids=repr)
def test_every_sampler_takes_features(records, sampling):
    batches = center_batches(
        records,
        "train",
        sampling=sampling,
        crop=None,
        modalities=FEATURES,
        batch_size=4,
    )
    shape = (None, sampling.num_snippets, *SHAPE)
    assert tuple(batches.element_spec["features"].shape) == shape
    found = np.concatenate([b["features"] for b in batches.as_numpy_iterator()])
    for row, video_id in zip(found, LENGTHS, strict=True):
        numbers = sampling.centered(LENGTHS[video_id], 2.0).numpy()[:, 0]
        np.testing.assert_array_equal(row, values_of(video_id)[numbers])


@pytest.mark.parametrize("crop", [None, RandomCrop(220)])
def test_training_batches_of_features(records, crop):
    batches = training_batches(
        records,
        "train",
        sampling=Segments(3),
        crop=crop,
        modalities=FEATURES,
        batch_size=7,
        num_steps=2,
        seed=3,
    )
    for batch in batches.as_numpy_iterator():
        assert sorted(name.decode() for name in batch["video_id"]) == [*LENGTHS]
        for row, name in zip(batch["features"], batch["video_id"], strict=True):
            values = values_of(name.decode())
            places = [np.nonzero((values == v).all(axis=(1, 2)))[0] for v in row]
            assert all(len(place) == 1 for place in places)


def test_random_views_of_features(records):
    sampling = Excerpt(2, Whole(num_frames=8))
    how = {"sampling": sampling, "modalities": FEATURES, "num_clips": 5, "seed": 2}
    batches = view_batches(records, "test", batch_size=4, **how)
    rows = np.concatenate([b["features"] for b in batches.as_numpy_iterator()])
    places = [(video_id, n) for video_id in ("v2", "v5") for n in range(5)]
    for row, (video_id, number) in zip(rows, places, strict=True):
        seed = tf.constant(stream.seed_of(2, "view", video_id, number))
        seed = tf.random.split(seed, 3)[0]
        numbers = sampling.random(LENGTHS[video_id], seed).numpy()[:, 0]
        np.testing.assert_array_equal(row, values_of(video_id)[numbers])
    with pytest.raises(
        ValueError, match="Features have no crops: leave out `size` and"
    ):
        view_batches(records, "test", batch_size=4, size=224, num_crops=10, **how)


def test_chunks_of_features(records):
    entry, how = records.videos["v4"], {"modality": "features", "crop": None}
    chunks = record_chunks(
        records, entry, sampling=Whole(num_frames=20), chunk_length=8, **how
    )
    chunks = list(chunks)
    assert [len(chunk) for chunk in chunks] == [8, 8, 4]
    expected = values_of("v4")[np.arange(20) % 13]
    np.testing.assert_array_equal(np.concatenate(chunks), expected)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"modalities": {"features": 2}}, "must have 1 for features, which are not st"),
        ({"modalities": {"rgb": 1}}, "`crop` must be given for rgb. Received: None"),
        ({"modalities": {"x": 1}}, r"\('rgb', 'flow', 'flow_target', 'features'\)"),
    ],
)
def test_clips_refuse(records, options, message):
    how = {"sampling": Segments(3, 2), "crop": None, "batch_size": 1}
    with pytest.raises(ValueError, match=message):
        center_batches(records, "train", **how | options)
