"""Motion shapes: one frame says nothing, the twin is the reverse, flow is exact."""

import csv
import dataclasses
import math
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import stats

from vidzoo.errors import VideoError
from vidzoo_data import parallel, synthetic, video
from vidzoo_data.synthetic import dataset, rendering

CLASSES = [
    (motion, synthetic.SHAPES[i % len(synthetic.SHAPES)])
    for i, motion in enumerate(synthetic.MOTIONS)
]


def draw(seed, motion, shape="star", **options):
    return synthetic.draw_scene(np.random.default_rng(seed), motion, shape, **options)


def states(scene):
    """`(T, 4)`: x, y, log-scale and angle at every frame."""
    return np.array(
        [synthetic.state_at(scene, t) for t in range(scene.num_frames)], float
    )


def apparent_states(motion, num_scenes, num_frames, seed):
    """`(num_scenes, 4)`: x, y, log of the size and angle at a random frame."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(num_scenes):
        scene = synthetic.draw_scene(rng, motion, "disk", num_frames=num_frames)
        row = np.array(synthetic.state_at(scene, int(rng.integers(num_frames))))
        row[2] += math.log(scene.mean_radius)
        row[3] %= 2 * math.pi
        rows.append(row)
    return np.array(rows)


def displacement(scene):
    """Mean length of the flow over the shape and the clip, in pixels per frame."""
    flow, _ = synthetic.exact_flow(scene)
    return np.linalg.norm(flow, axis=-1)[rendering._inside(scene)[:-1]].mean()


@pytest.mark.parametrize(("motion", "shape"), CLASSES)
def test_twin_is_the_exact_reverse(motion, shape):
    scene = draw(1, motion, shape, size=64, num_frames=5)
    twin = synthetic.twin(scene)
    assert twin.motion == synthetic.TWIN[motion] != motion
    assert synthetic.twin(twin) == scene
    frames = synthetic.render(scene)
    assert frames.dtype == np.uint8 and frames.shape == (5, 64, 64, 3)
    np.testing.assert_array_equal(synthetic.render(twin), frames[::-1])
    np.testing.assert_array_equal(synthetic.render(scene), frames)
    assert (frames[0] != frames[-1]).any()


@pytest.mark.parametrize("motion", synthetic.MOTIONS)
def test_twins_have_one_distribution(motion):
    for seed in range(20):
        assert draw(seed, synthetic.TWIN[motion]) == synthetic.twin(draw(seed, motion))


@pytest.mark.parametrize("num_frames", [2, 8, 24])
def test_a_single_frame_says_nothing(num_frames):
    samples = [
        apparent_states(motion, 2500, num_frames, seed)
        for seed, motion in enumerate(synthetic.MOTIONS)
    ]
    for i, motion in enumerate(synthetic.MOTIONS):
        others = np.concatenate(samples[:i] + samples[i + 1 :])
        for column, name in enumerate(("x", "y", "size", "angle")):
            p = stats.ks_2samp(samples[i][:, column], others[:, column]).pvalue
            # Level 0.01 for all 3 x 8 x 4 comparisons of this test together.
            assert p > 0.01 / 96, (motion, name, p)
        # Nor do two of them together: they are uncorrelated within each class.
        correlation = np.corrcoef(samples[i].T)[np.triu_indices(4, 1)]
        assert np.abs(correlation).max() < 0.1, motion


@pytest.mark.parametrize(
    ("column", "moving", "still"), [(0, "left", "up"), (1, "up", "grow")]
)
def test_that_check_would_notice_a_missing_offset(column, moving, still):
    rng = np.random.default_rng(0)
    sample = apparent_states(moving, 700, 8, seed=1)[:, column]
    centres = 63.5 + rng.uniform(-6, 6, 700)  # what `still` would have without it
    assert stats.ks_2samp(sample, centres).pvalue < 1e-6
    kept = apparent_states(still, 700, 8, seed=2)[:, column]
    assert stats.ks_2samp(sample, kept).pvalue > 1e-3


@pytest.mark.parametrize(
    "motion", ["left", "right", "up", "down", "turn_left", "turn_right"]
)
def test_shapes_move_three_to_five_pixels_per_frame(motion):
    lengths = []
    for seed in range(12):
        scene = draw(seed, motion, synthetic.SHAPES[seed % 4])
        lengths.append(displacement(scene))
    # The corners of some shapes lie outside the frame, where no flow is.
    assert 2.8 < min(lengths) and max(lengths) < 5.1
    assert max(lengths) - min(lengths) > 0.9


@pytest.mark.parametrize("motion", ["grow", "shrink"])
def test_growth_is_as_fast_as_the_largest_ratio_allows(motion):
    lengths = [displacement(draw(seed, motion, "disk")) for seed in range(12)]
    assert 3.0 < min(lengths) and max(lengths) < 4.5


@pytest.mark.parametrize("num_frames", [8, 14, 40])
def test_long_clips_stay_within_scale_and_frame(num_frames):
    for seed in range(60):
        growth = np.ptp(states(draw(seed, "grow", num_frames=num_frames))[:, 2])
        travel = np.ptp(states(draw(seed, "right", num_frames=num_frames))[:, 0])
        assert math.exp(growth) < 3.2 + 1e-9
        assert travel < 64 + 1e-9
    assert math.exp(growth) == pytest.approx(3.2)


@pytest.mark.parametrize("shape", synthetic.SHAPES)
def test_shape_is_mostly_in_the_frame(shape):
    corners = rendering._outline(shape)
    x, y = corners.T
    area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
    seen = []
    for seed in range(16):
        scene = draw(seed, synthetic.MOTIONS[seed % 8], shape, size=64)
        scales = np.exp(states(scene)[:, 2])
        whole = area * (scene.mean_radius * scales) ** 2
        seen.extend(rendering._inside(scene).sum((1, 2)) / whole)
    assert min(seen) > 0.7 and np.mean(seen) > 0.97
    assert max(seen) < 1.2  # and the shape has the size that it should


def test_outlines_have_unit_mean_radius():
    y, x = np.mgrid[-3:3:601j, -3:3:601j]
    for shape in synthetic.SHAPES:
        corners = np.rint(rendering._outline(shape) * 100 + 300).astype(np.int32)
        mask = cv2.fillPoly(np.zeros(x.shape, np.uint8), [corners], 1)
        assert np.hypot(x, y)[mask > 0].mean() == pytest.approx(1, abs=0.01), shape


@pytest.mark.parametrize(("motion", "shape"), CLASSES)
def test_flow_points_the_way_the_class_says(motion, shape):
    scene = draw(2, motion, shape, size=64)
    flow, visible = synthetic.exact_flow(scene)
    assert flow.dtype == np.float32 and flow.shape == (7, 64, 64, 2)
    assert visible.dtype == bool and visible.shape == (7, 64, 64)
    inside = rendering._inside(scene)[3]
    assert not flow[3][~inside].any()
    u, v = flow[3][inside].T
    y, x = np.nonzero(inside)
    centre = synthetic.state_at(scene, 3)
    x, y = x - centre.x, y - centre.y
    measured = {
        "left": -u,
        "right": u,
        "up": -v,
        "down": v,
        "turn_left": y * u - x * v,  # counter-clockwise as seen: (1, 0) to (0, -1)
        "turn_right": x * v - y * u,
        "grow": x * u + y * v,
        "shrink": -(x * u + y * v),
    }[motion]
    assert (measured >= 0).all() and measured.mean() > 0.5


@pytest.mark.parametrize(("motion", "shape"), CLASSES)
@pytest.mark.parametrize("size", [64, 128])
def test_flow_carries_the_next_frame_back(motion, shape, size):
    scene = draw(3, motion, shape, size=size, num_frames=6)
    frames = synthetic.render(scene).astype(np.float32)
    flow, visible = synthetic.exact_flow(scene)
    inside = rendering._inside(scene)
    grid = np.mgrid[:size, :size].astype(np.float32)
    for t in range(5):
        position = flow[t] + np.stack([grid[1], grid[0]], axis=-1)
        back = cv2.remap(frames[t + 1], position, None, cv2.INTER_CUBIC)
        core = cv2.erode(inside[t].astype(np.uint8), np.ones((5, 5))) > 0
        core &= visible[t]
        warped = np.abs(back - frames[t])[core].mean()
        unwarped = np.abs(frames[t + 1] - frames[t])[core].mean()
        assert warped < 1.5 and warped < 0.25 * unwarped, (t, warped, unwarped)
        edge = cv2.dilate((inside[t] | inside[t + 1]).astype(np.uint8), np.ones((5, 5)))
        np.testing.assert_array_equal(back[edge == 0], frames[t][edge == 0])


def test_visible_leaves_out_what_is_covered_or_leaves():
    scene = draw(4, "right", "square", size=64)
    _, visible = synthetic.exact_flow(scene)
    inside = rendering._inside(scene)
    np.testing.assert_array_equal(
        visible[~inside[:-1]], ~inside[1:][~inside[:-1]], "background"
    )
    assert visible[inside[:-1]].all()
    at_the_border = dataclasses.replace(scene, mid=scene.mid._replace(x=60.0))
    flow, visible = synthetic.exact_flow(at_the_border)
    inside = rendering._inside(at_the_border)[:-1]
    lands = np.arange(64) + flow[..., 0] <= 63
    np.testing.assert_array_equal(visible[inside], lands[inside])
    assert not visible[inside].all()


@pytest.mark.parametrize("shape", synthetic.SHAPES)
def test_turning_is_seen_on_every_shape(shape):
    scene = draw(5, "turn_left", shape, size=64)
    frames = synthetic.render(scene).astype(float)
    both = rendering._inside(scene)[:2].all(axis=0)
    assert np.abs(frames[1] - frames[0])[both].mean() > 2


def test_unknown_names_and_bad_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="`motion` must be one of .*'left'.*'spin'"):
        draw(0, "spin")
    with pytest.raises(ValueError, match="`shape` must be one of .*'disk'.*'cube'"):
        draw(0, "left", "cube")
    with pytest.raises(ValueError, match="`size` must be at least 32 .*: 16"):
        draw(0, "left", size=16)
    with pytest.raises(ValueError, match="`num_frames` must be at least 2.*: 1"):
        draw(0, "left", num_frames=1)
    for options, message in [
        ({"num_train": -1}, "`num_train` must be at least 0.*: -1"),
        ({"workers": 0}, "`workers` must be at least 1.*: 0"),
        ({"size": 65}, "`size` must be even.*: 65"),
        ({"fps": 0}, "`fps` must be above zero.*: 0"),
    ]:
        with pytest.raises(ValueError, match=message):
            synthetic.write(tmp_path / "a", **{"num_train": 1, "num_test": 1} | options)
    assert not (tmp_path / "a").exists()


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("written")
    progress = []
    synthetic.write(
        out,
        num_train=16,
        num_test=8,
        size=64,
        seed=3,
        workers=1,
        on_progress=lambda *numbers: progress.append(numbers),
    )
    assert progress == [(i + 1, 24) for i in range(24)]
    return out


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def read_list(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_lists_name_every_video_once_in_both_labellings(written):
    motion = read_list(written / "motion.csv")
    shape = read_list(written / "shape.csv")
    assert list(motion[0]) == list(shape[0]) == ["path", "label", "split"]
    assert [row["label"] for row in motion] == list(synthetic.MOTIONS) * 3
    assert {row["label"] for row in shape} == set(synthetic.SHAPES)
    assert [row["path"] for row in motion] == [row["path"] for row in shape]
    assert [row["split"] for row in motion] == ["train"] * 16 + ["test"] * 8
    videos = {path.relative_to(written).as_posix() for path in written.rglob("*.avi")}
    assert {row["path"] for row in motion} == videos
    assert len(contents(written)) == 24 * 2 + 3


def test_videos_hold_the_frames_and_the_flow_beside_them(written):
    for row in read_list(written / "motion.csv")[-8:]:
        path = written / row["path"]
        with video.open_video(path) as decoded:
            assert decoded.fps == 10
            frames = np.stack(list(decoded)).astype(float)
        assert frames.shape == (8, 64, 64, 3)
        with np.load(path.with_suffix(".npz")) as stored:
            flow, visible = stored["flow"], stored["visible"]
        assert flow.shape == (7, 64, 64, 2) and flow.dtype == np.float32
        assert visible.shape == (7, 64, 64) and visible.dtype == bool
        assert (np.sign(flow[..., 0].sum()) == -1) or row["label"] != "left"
        assert (np.sign(flow[..., 1].sum()) == 1) or row["label"] != "down"


def test_compression_keeps_brightness(tmp_path):
    frames = synthetic.render(draw(6, "left"))
    dataset._write_video(tmp_path / "a.avi", frames, 10)
    with video.open_video(tmp_path / "a.avi") as decoded:
        stored = np.stack(list(decoded))
    brightness = np.array([0.299, 0.587, 0.114])
    assert np.abs(stored @ brightness - frames @ brightness).mean() < 2


def test_bytes_do_not_depend_on_workers_or_number_of_videos(written, tmp_path):
    synthetic.write(tmp_path, num_train=9, num_test=8, size=64, seed=3, workers=2)
    ours, theirs = contents(tmp_path), contents(written)
    videos = [name for name in ours if name.startswith("videos")]
    assert len(videos) == 34
    assert all(ours[name] == theirs[name] for name in videos)


def test_a_script_needs_no_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; from vidzoo_data import synthetic; print('once')\n"
        "synthetic.write(sys.argv[1], num_train=3, num_test=0, size=32, workers=2)\n"
    )
    done = subprocess.run(
        [sys.executable, script, tmp_path / "out"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(video.__file__).parents[1])},
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "once\n", "")
    assert len(read_list(tmp_path / "out" / "motion.csv")) == 3


def test_crash_of_a_worker_is_said(tmp_path, monkeypatch):
    def run_in_order(function, items, *, workers):
        yield parallel.CRASHED

    monkeypatch.setattr(parallel, "run_in_order", run_in_order)
    with pytest.raises(VideoError, match="000000.avi: the process writing it crashed"):
        synthetic.write(tmp_path, num_train=2, num_test=0, size=32, workers=2)
    assert not (tmp_path / "motion.csv").exists()


def test_rerun_writes_only_what_is_missing(written, tmp_path):
    options = {"num_train": 3, "num_test": 1, "size": 64, "seed": 3, "workers": 1}
    synthetic.write(tmp_path, **options, with_flow=False)
    assert not list(tmp_path.rglob("*.npz"))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.avi")}
    lost = tmp_path / "videos" / "train" / "000001.avi"
    lost.unlink()
    synthetic.write(tmp_path, **options)
    assert len(list(tmp_path.rglob("*.npz"))) == 4
    assert lost.read_bytes() == contents(written)["videos/train/000001.avi"]
    del before[lost]
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    with pytest.raises(ValueError, match=r"settings.json .*'seed': 3.*'seed': 4"):
        synthetic.write(tmp_path, **options | {"seed": 4})


def test_seeds_differ(written, tmp_path):
    synthetic.write(tmp_path, num_train=1, num_test=1, size=64, seed=4, workers=1)
    ours, theirs = contents(tmp_path), contents(written)
    train, test = "videos/train/000000.avi", "videos/test/000000.avi"
    assert len({ours[train], theirs[train], ours[test], theirs[test]}) == 4


def test_workers_do_not_load_tensorflow():
    code = "import sys, vidzoo_data.synthetic; sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_twins_of_the_test_videos_are_listed_apart(tmp_path):
    """Their files show the test videos' frames backwards, pixel by pixel."""
    synthetic.write(
        tmp_path,
        num_train=1,
        num_test=9,
        size=32,
        num_frames=3,
        with_flow=False,
        with_twins=True,
    )
    listed = {}
    for name in ("motion", "twins"):
        with open(tmp_path / f"{name}.csv", newline="", encoding="utf-8") as file:
            listed[name] = [r for r in csv.DictReader(file) if r["split"] != "train"]
    assert len(listed["motion"]) == len(listed["twins"]) == 9
    for row, twin in zip(listed["motion"], listed["twins"], strict=True):
        assert Path(row["path"]).name == Path(twin["path"]).name
        assert twin["label"] == synthetic.TWIN[row["label"]]
        assert (row["split"], twin["split"]) == ("test", "twins")
        frames, backwards = (
            np.stack(list(video.open_video(tmp_path / each["path"])))
            for each in (row, twin)
        )
        np.testing.assert_array_equal(backwards, frames[::-1])
