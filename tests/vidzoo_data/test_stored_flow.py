"""Flow beside the frames of records: what is stored, and how a run goes on."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest
import tensorflow as tf

from tests.vidzoo_data.test_prepare import REPOSITORY, content, make_video, read_csv
from vidzoo.errors import FlowError, RecordError
from vidzoo_data import flow as flows
from vidzoo_data import parallel, sources, video
from vidzoo_data.flow import compute, stored
from vidzoo_data.records import encode, schema, write
from vidzoo_data.records.read import Records

OPTIONS = {"size": 48, "videos_per_shard": 3, "workers": 1}
KINDS = ("png", "jpeg")
DIS = flows.FlowSettings("dis")


def write_video(path, *, num_frames=8, shift=2, fps=30.0, seed=0):
    """A texture that moves right by `shift` pixels a frame, 48 x 64."""
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(0, 256, (48, 400, 3), np.uint8)
    texture = cv2.GaussianBlur(noise, (0, 0), 2.0)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)
    codec = cv2.VideoWriter_fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, fps, (64, 48))
    for i in range(num_frames):
        start = 300 - shift * i
        writer.write(np.ascontiguousarray(texture[:, start : start + 64]))
    writer.release()
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Seven videos of two classes, one of them of a single frame, one broken."""
    root = tmp_path_factory.mktemp("videos")
    for i in range(7):
        write_video(root / "ab"[i % 2] / f"{i}.avi", num_frames=3 + i % 3, seed=i)
    write_video(root / "a" / "single.avi", num_frames=1)
    (root / "b" / "broken.avi").write_bytes(b"")
    return root


@pytest.fixture(scope="module")
def source(videos):
    return sources.read("folder", videos)


@pytest.fixture(scope="module")
def plain(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("plain") / "out"
    write.prepare(source, out, **OPTIONS)
    return out


@pytest.fixture(scope="module")
def with_flow(source, tmp_path_factory):
    out = tmp_path_factory.mktemp("flow") / "out"
    write.prepare(source, out, flow=DIS, **OPTIONS)
    return out


def fields(records, video_id):
    """Flow of one video, `(T, H, W, 2)` pixels."""
    entry = records.videos[video_id]
    x, y = records.read_flow(entry, range(entry.num_flow))
    bound = records.flow["bound"]
    pairs = zip(x, y, strict=True)
    return np.stack([flows.from_images(*pair, bound) for pair in pairs])


# What is stored


def test_flow_is_that_between_the_stored_frames(with_flow):
    records = Records(with_flow)
    assert records.flow == DIS.as_dict() == records.made_with["flow"]
    entry = records.videos["a/2.avi"]
    assert (entry.num_frames, entry.num_flow) == (5, 4)
    jpegs = records.read_frames(entry, range(5))
    frames = [
        cv2.cvtColor(cv2.imdecode(np.frombuffer(j, np.uint8), 1), cv2.COLOR_BGR2RGB)
        for j in jpegs
    ]
    found = fields(records, "a/2.avi")
    for i in range(4):
        expected = flows.dis(frames[i], frames[i + 1])
        inside = np.abs(expected) <= 20
        off = np.abs(found[i] - expected)[inside]
        assert off.max() <= 20 / 255 + 1e-5
    assert np.median(found[..., 0]) == pytest.approx(2, abs=0.2)


def test_every_field_of_the_record(with_flow):
    records = Records(with_flow)
    entry = records.videos["a/2.avi"]
    parsed = schema.parse(records.read(entry), has_flow=True)
    assert parsed[schema.FLOW_BOUND].numpy() == 20
    assert parsed[schema.FLOW_METHOD].numpy() == b"dis"
    assert parsed[schema.FLOW_FPS].numpy() == 30
    x, y = records.read_flow(entry, [3, 0])
    for name, images in ((schema.FLOW_X, x), (schema.FLOW_Y, y)):
        whole = parsed[name].numpy()
        assert len(whole) == 5 and whole[4] == b""
        assert images == [whole[3], whole[0]]
    without = schema.parse(records.read(entry))
    assert not {schema.FLOW_X, schema.FLOW_BOUND} & without.keys()


def test_a_video_of_one_frame_stands_still(with_flow):
    records = Records(with_flow)
    entry = records.videos["a/single.avi"]
    assert (entry.num_frames, entry.num_flow) == (1, 1)
    assert np.abs(fields(records, "a/single.avi")).max() <= 20 / 255 + 1e-6


def test_identical_frames_have_no_flow(tmp_path):
    path = write_video(tmp_path / "still.avi", shift=0)
    for method in flows.METHODS:
        encoded = encode.encode_video(path, size=48, flow=flows.FlowSettings(method))
        assert len(encoded.flow.x) == 7
        for image in (*encoded.flow.x, *encoded.flow.y):
            assert (cv2.imdecode(np.frombuffer(image, np.uint8), 0) == 128).all()


def test_tiny_frames(tmp_path):
    path = make_video(tmp_path / "tiny.avi", height=5, width=7)
    for method in flows.METHODS:
        settings = flows.FlowSettings(method)
        encoded = encode.encode_video(path, size=(16, 22), flow=settings)
        assert len(encoded.flow.x) == 5
        flow = flows.from_images(encoded.flow.x[0], encoded.flow.y[0], 20)
        assert flow.shape == (16, 22, 2) and np.isfinite(flow).all()


def test_flow_to_a_frame_that_is_not_stored(tmp_path):
    """Section 3.3.4: frames at one rate, each with the flow over 1/15 s from it."""
    path = write_video(tmp_path / "v.avi", num_frames=25, shift=1, fps=30)
    settings = flows.FlowSettings("dis", bound=40.0, fps=15)
    encoded = encode.encode_video(path, size=48, fps=2.5, flow=settings)
    # Of frames 0, 12 and 24, to 2 and 14; frame 26 is not there.
    assert (len(encoded.jpegs), len(encoded.flow.x)) == (3, 2)
    assert encoded.flow.fps == 15
    for x, y in zip(encoded.flow.x, encoded.flow.y, strict=True):
        flow = flows.from_images(x, y, 40)
        assert np.median(flow[..., 0]) == pytest.approx(2, abs=0.3)
        assert np.median(flow[..., 1]) == pytest.approx(0, abs=0.3)


def test_flow_at_a_rate_is_the_same_from_records(tmp_path, tmp_path_factory):
    root = tmp_path / "videos"
    for i in range(2):
        write_video(root / "ab"[i] / "v.avi", num_frames=9, shift=1, fps=30)
    source = sources.read("folder", root)
    settings = flows.FlowSettings("dis", fps=10)
    write.prepare(source, tmp_path / "at_once", flow=settings, **OPTIONS)
    write.prepare(source, tmp_path / "frames", **OPTIONS)
    write.add_flow(Records(tmp_path / "frames"), tmp_path / "added", settings)
    at_once, added = content(tmp_path / "at_once"), content(tmp_path / "added")
    shards = [name for name in added if name.endswith(".tfrecord")]
    assert shards and all(added[name] == at_once[name] for name in shards)
    assert Records(tmp_path / "added").videos["a/v.avi"].num_flow == 6


def test_a_rate_that_the_frames_do_not_have(tmp_path):
    path = write_video(tmp_path / "v.avi", fps=10)
    settings = flows.FlowSettings("dis", fps=15)
    message = "v.avi: flow at 15 frames per second was asked for, .* at 10 only; ask"
    with pytest.raises(FlowError, match=message):
        encode.encode_video(path, flow=settings)
    assert encode.encode_or_reason(str(path), flow=settings).startswith("flow at 15")


def test_flow_as_jpeg_is_near(tmp_path):
    path = write_video(tmp_path / "v.avi")
    settings = (
        flows.FlowSettings("dis", image_format=kind) for kind in ("png", "jpeg")
    )
    png, jpeg = (encode.encode_video(path, size=48, flow=each) for each in settings)
    assert jpeg.flow.x[2].startswith(b"\xff\xd8")
    a, b = (flows.from_images(e.flow.x[2], e.flow.y[2], 20) for e in (png, jpeg))
    assert 0 < np.abs(a - b).mean() < 0.3


# Both ways to a folder with flow


def test_added_flow_is_what_prepare_makes(plain, with_flow, tmp_path):
    records = Records(plain)
    summary = write.add_flow(records, tmp_path / "added", DIS, workers=2)
    added, expected = Records(tmp_path / "added"), Records(with_flow)
    assert added.videos.keys() == expected.videos.keys() and added.videos
    for video_id, entry in expected.videos.items():
        assert added.read(added.videos[video_id]) == expected.read(entry)
    assert added.quarantined == expected.quarantined
    assert added.num_short == expected.num_short
    assert added.flow == expected.flow and added.splits == records.splits
    assert [name for name, _ in summary.quarantined] == ["b/broken.avi"]
    again = write.add_flow(records, tmp_path / "added", DIS)
    assert dataclasses.asdict(again) == dataclasses.asdict(summary)


def test_records_without_flow_are_what_they_were(plain):
    assert Records(plain).flow is None
    assert "num_flow" not in read_csv(plain / "videos.csv")[0]
    assert "flow" not in Records(plain).made_with


def test_other_settings_need_another_folder(plain, with_flow):
    settings = flows.FlowSettings("dis", bound=40.0)
    with pytest.raises(RecordError, match="made otherwise .*flow .*20.0.*now .*40.0"):
        write.add_flow(Records(plain), with_flow, settings)
    with pytest.raises(RecordError, match="made otherwise"):
        write.add_flow(Records(plain), plain, settings)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"method": "epicflow"}, "`method` must be one of tvl1, dis, .*: epicflow"),
        ({"bound": 0}, "`bound` must be above 0. Received: 0"),
        ({"fps": float("nan")}, "`fps` must be above 0. Received: nan"),
        ({"image_format": "gif"}, "`image_format` must be one of png, jpeg.*: gif"),
    ],
)
def test_settings_out_of_range(wrong, message):
    with pytest.raises(ValueError, match=message):
        flows.FlowSettings(**wrong)


def test_without_contrib_modules_nothing_is_begun(plain, source, tmp_path, monkeypatch):
    monkeypatch.delattr(cv2, "optflow")
    message = "install opencv-contrib-python-headless"
    for begin in (
        lambda out: write.add_flow(Records(plain), out, flows.FlowSettings()),
        lambda out: write.prepare(source, out, flow=flows.FlowSettings(), **OPTIONS),
    ):
        with pytest.raises(FlowError, match=message):
            begin(tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_video_whose_flow_fails_is_quarantined(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(
        parallel, "run_in_order", lambda f, items, workers: map(f, items)
    )
    monkeypatch.setattr(parallel, "run_in_order", one_by_one)
    real = flows.METHODS["dis"]

    def fail_once(frame, next_frame):
        fail_once.count += 1
        if fail_once.count == 3:
            raise FlowError("OpenCV found flow that is not finite")
        return real(frame, next_frame)

    fail_once.count = 0
    monkeypatch.setitem(compute.METHODS, "dis", fail_once)
    summary = write.add_flow(Records(plain), tmp_path / "out", DIS)
    reasons = dict(summary.quarantined)
    del reasons["b/broken.avi"]  # of before
    ((failed, reason),) = reasons.items()
    assert reason == "OpenCV found flow that is not finite"
    assert Records(plain).videos.keys() - Records(tmp_path / "out").videos == {failed}


def test_an_error_of_opencv_is_one_videos(tmp_path, monkeypatch):
    """OpenCV's remap, in DIS as in TV-L1, refuses sides of 32767 and more."""
    frame = np.zeros((4, 33000, 3), np.uint8)
    other = frame.copy()
    other[:, ::7] = 200
    with pytest.raises(FlowError, match="cannot compute flow of 33000x4 frames"):
        flows.dis(frame, other)


def test_a_record_without_room_for_its_flow(plain, tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi")
    encoded = encode.encode_video(path, size=48)
    frames = sum(map(len, encoded.jpegs))
    monkeypatch.setattr(encode, "MAX_RECORD_BYTES", frames + 1000)
    reason = "too long to store as one record: . fields of 7 have"
    assert re.match(reason, encode.add_flow_or_reason(encoded, settings=DIS))
    assert re.match(reason, encode.encode_or_reason(str(path), size=48, flow=DIS))
    assert not isinstance(encode.encode_or_reason(str(path), size=48), str)


def test_frames_that_change_size(tmp_path, monkeypatch):
    path = write_video(tmp_path / "v.avi")
    frames = [np.zeros((48, 64, 3), np.uint8)] * 2 + [np.zeros((48, 80, 3), np.uint8)]
    monkeypatch.setattr(video.Decoded, "_retrieve", lambda self: frames.pop(0))
    reason = encode.encode_or_reason(str(path), size=48, flow=DIS)
    assert reason.startswith("the frame size changes from 64x48 to 80x48 inside")


def test_a_worker_that_dies_takes_its_video_alone(plain, tmp_path):
    """One whose frames are told by their size: the process ends as it sees them."""
    entry = Records(plain).videos["a/2.avi"]
    code = DIES.format(size=entry.num_frames)
    (tmp_path / "sitecustomize.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, plain, tmp_path / "out", "dis"],
        env=os.environ
        | {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}", "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0
    left_out = dict(Records(tmp_path / "out").quarantined)
    longest = {i for i, e in Records(plain).videos.items() if e.num_frames == 5}
    assert left_out.keys() == longest | {"b/broken.avi"}
    assert "the process that worked on it died" in left_out["a/2.avi"]


def test_a_rate_that_records_do_not_have_is_told_before_the_start(plain, tmp_path):
    settings = flows.FlowSettings("dis", fps=60)
    message = "8 of 8 videos cannot have this flow; first: a/0.avi: flow at 60 frames"
    with pytest.raises(FlowError, match=message):
        write.add_flow(Records(plain), tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


# A run that is killed

KILLED = """
import sys
from vidzoo_data import flow as flows
from vidzoo_data.records import write
from vidzoo_data.records.read import Records

settings = flows.FlowSettings(sys.argv[3])
write.add_flow(Records(sys.argv[1]), sys.argv[2], settings, workers=2)
"""


# In every process: a worker ends as it computes the flow of a video of so many frames.
DIES = """
import os, sys
if "spawn_main" in " ".join(sys.orig_argv):
    from vidzoo_data.flow import stored
    compute = stored._computed

    def computed(pairs, *rest):
        if len(pairs) == {size} - 1:
            os._exit(9)
        return compute(pairs, *rest)

    stored._computed = computed
"""
# In every process: a line for each video whose flow is computed.
LOGS = """
import os, sys
if "spawn_main" in " ".join(sys.orig_argv):
    from vidzoo_data.flow import stored
    compute = stored._computed

    def computed(*arguments):
        found = compute(*arguments)
        with open(os.environ["FLOW_LOG"], "a") as file:
            file.write(f"{len(found[0])}\\n")
        return found

    stored._computed = computed
"""


def one_by_one(function, items, *, workers):
    """`parallel.run_in_order` without processes."""
    del workers
    yield from map(function, items)


def test_killed_without_notice(plain, tmp_path, monkeypatch):
    """What was computed is not computed again, but for one video of each worker."""
    out = tmp_path / "out"
    kept = out / ".progress" / "kept"
    log = tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(LOGS)
    path = f"{tmp_path}:{REPOSITORY}"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, plain, out, "tvl1"],
        env=os.environ
        | {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "FLOW_LOG": str(log)},
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(kept.glob("?" * 64)) and time.monotonic() < deadline:
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)  # the workers as well
    process.wait()
    found = list(kept.glob("?" * 64))
    done = len(list(out.glob("*.tfrecord")))
    assert found or done
    num_pairs = {}
    for entry in Records(plain).videos.values():
        num_pairs[entry.video_id] = max(entry.num_frames - 1, 1)

    computed = []
    real = compute.METHODS["tvl1"]
    monkeypatch.setattr(parallel, "run_in_order", one_by_one)
    monkeypatch.setitem(
        compute.METHODS, "tvl1", lambda *pair: computed.append(1) or real(*pair)
    )
    held = sum(len(stored._kept(file)[0]) for file in found)
    for shard in out.glob("*.tfrecord"):
        for serialized in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            video_id = schema.parse(serialized)[schema.VIDEO_ID].numpy().decode()
            held += num_pairs[video_id]
    settings = flows.FlowSettings("tvl1")
    write.add_flow(Records(plain), out, settings)
    assert len(computed) == sum(num_pairs.values()) - held
    finished = list(map(int, log.read_text().split()))
    lost = sum(finished) - held  # computed, and not yet kept: one video per worker
    assert 0 <= lost <= 2 * max(num_pairs.values()) and finished
    write.add_flow(Records(plain), tmp_path / "undisturbed", settings)
    assert content(out) == content(tmp_path / "undisturbed")


def test_what_was_kept_is_removed_with_its_shard(plain, tmp_path, monkeypatch):
    monkeypatch.setattr(parallel, "run_in_order", one_by_one)
    counts = []

    def count(done, total):
        counts.append(len(list((tmp_path / "out/.progress/kept").glob("*"))))

    write.add_flow(Records(plain), tmp_path / "out", DIS, on_progress=count)
    assert max(counts) > 1
    assert not (tmp_path / "out" / ".progress").exists()


def test_kept_flow_is_of_these_frames_and_settings(tmp_path):
    encoded = encode.encode_video(write_video(tmp_path / "v.avi"), size=48)
    pairs = list(zip(encoded.jpegs, encoded.jpegs[1:], strict=False))
    keep_in = tmp_path / "kept"
    first = stored.stored_flow(pairs, DIS, 30.0, keep_in)
    assert first == stored.stored_flow(pairs, DIS, 30.0, keep_in)
    assert [file for file in keep_in.iterdir()] == [first.kept_at]
    others = (
        (pairs[:-1], DIS),
        (pairs, flows.FlowSettings("farneback")),
        (pairs, flows.FlowSettings("dis", bound=40.0)),
    )
    paths = {stored.stored_flow(*other, 30.0, keep_in).kept_at for other in others}
    assert len(paths | {first.kept_at}) == 4


def test_how_long_stored_frames_take_is_guessed(plain, with_flow):
    records = Records(plain)
    number, seconds = write.probe_stored_flow(records, DIS)
    assert number == sum(max(e.num_frames - 1, 1) for e in records.videos.values())
    assert 0 < seconds < 30


def test_equal_settings_are_equal():
    assert flows.FlowSettings("dis", bound=40).as_dict()["bound"] == 40.0
    text = json.dumps(flows.FlowSettings("dis", bound=40, fps=15).as_dict())
    assert text == json.dumps(flows.FlowSettings("dis", bound=40.0, fps=15.0).as_dict())


def test_how_long_it_takes_is_guessed(source):
    number, seconds = write.probe_flow(source, size=48, fps=None, flow=DIS, workers=1)
    # 3 to 5 frames in seven videos, one frame in the eighth; the ninth is broken.
    assert 0.8 * 30 <= number <= 1.3 * 30
    assert 0 < seconds < 30
