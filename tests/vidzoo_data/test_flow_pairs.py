"""Pairs of FlyingChairs and Sintel, as they are on disk, to batches."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from vidzoo.errors import FlowError
from vidzoo_data import clips, synthetic
from vidzoo_data import flow as flows

HEIGHT, WIDTH = 40, 50
NUM_PAIRS = 5


def write_ppm(path, image):
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def content(number, height=HEIGHT, width=WIDTH):
    """Two frames and flow: red is the pair's number, green the column, blue the row."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = 20 * number
    frame[..., 1] = np.arange(width)
    frame[..., 2] = np.arange(height)[:, None]
    flow = np.zeros((height, width, 2), np.float32)
    flow[..., 0] = np.arange(width)
    flow[..., 1] = -number
    return frame, frame + 100, flow


@pytest.fixture
def chairs(tmp_path):
    """Pairs in FlyingChairs' layout; the pixel (3, 30) of each has no known flow."""
    valid = np.ones((HEIGHT, WIDTH), bool)
    valid[3, 30] = False
    for n in range(1, NUM_PAIRS + 1):
        frame, next_frame, flow = content(n)
        write_ppm(tmp_path / f"{n:05d}_img1.ppm", frame)
        write_ppm(tmp_path / f"{n:05d}_img2.ppm", next_frame)
        flows.write_flo(tmp_path / f"{n:05d}_flow.flo", flow, valid)
    return flows.flying_chairs(tmp_path)


@pytest.fixture
def sintel(tmp_path):
    """Two scenes of three frames, of 33 x 70 pixels; row 5 of each is invalid."""
    training = tmp_path / "training"
    for scene in range(2):
        for kind in ("clean", "flow", "invalid"):
            (training / kind / f"scene_{scene}").mkdir(parents=True)
        for n in range(1, 4):
            frame, _, flow = content(3 * scene + n, 33, 70)
            name = f"scene_{scene}/frame_{n:04d}"
            flows.write_png(training / "clean" / f"{name}.png", frame)
            if n < 3:
                mask = np.zeros((33, 70, 3), np.uint8)
                mask[5] = 255
                flows.write_flo(training / "flow" / f"{name}.flo", flow)
                flows.write_png(training / "invalid" / f"{name}.png", mask)
    return flows.sintel(tmp_path)


def arrays(batches):
    return [{name: value.numpy() for name, value in b.items()} for b in batches]


def train(dataset, **options):
    defaults = {"size": 24, "batch_size": 2, "num_steps": 6, "seed": 3}
    return arrays(clips.pair_batches(dataset, **defaults | options))


def assert_equal(batch, other):
    assert batch.keys() == other.keys()
    for name, value in batch.items():
        np.testing.assert_array_equal(value, other[name])


# Training


def test_the_middle_of_a_pair_is_shown_as_it_is(chairs):
    batch = train(chairs, batch_size=NUM_PAIRS, num_steps=1)[0]
    assert batch["rgb"].dtype == np.uint8
    assert batch["rgb"].shape == (NUM_PAIRS, 1, 24, 24, 6)
    assert batch["flow_target"].dtype == np.float32
    assert batch["flow_target"].shape == (NUM_PAIRS, 1, 24, 24, 2)
    assert batch["label"].dtype == np.int32
    np.testing.assert_array_equal(batch["label"], np.zeros(NUM_PAIRS))
    assert sorted(batch["video_id"].tolist()) == [b"%05d" % n for n in range(1, 6)]
    for n in range(NUM_PAIRS):
        frame, next_frame, flow = content(int(batch["video_id"][n]))
        window = np.s_[8:32, 13:37]
        np.testing.assert_array_equal(batch["rgb"][n, 0, ..., :3], frame[window])
        np.testing.assert_array_equal(batch["rgb"][n, 0, ..., 3:], next_frame[window])
        np.testing.assert_array_equal(batch["flow_target"][n, 0], flow[window])


def test_every_pass_is_another_permutation(chairs):
    ids = np.concatenate([b["video_id"] for b in train(chairs, num_steps=10)])
    passes = ids.reshape(4, NUM_PAIRS).tolist()
    assert all(sorted(p) == sorted(passes[0]) for p in passes)
    assert len({tuple(p) for p in passes}) > 1


@pytest.mark.parametrize("augmentation", [None, clips.Similarity()])
def test_a_batch_depends_on_seed_and_step_alone(chairs, augmentation):
    batches = train(chairs, augmentation=augmentation, workers=1)
    assert len(batches) == 6
    again = train(chairs, augmentation=augmentation, workers=3)
    later = train(chairs, augmentation=augmentation, first_step=4)
    for batch, other in zip(batches, again, strict=True):
        assert_equal(batch, other)
    for batch, other in zip(batches[4:], later, strict=True):
        assert_equal(batch, other)
    other = train(chairs, augmentation=augmentation, seed=4)
    assert any(
        (a["rgb"] != b["rgb"]).any() for a, b in zip(batches, other, strict=True)
    )


def test_a_moved_pair_is_still_a_pair(tmp_path):
    """Of rendered scenes: the next frame, carried back, is the frame."""
    for n, motion in enumerate(("left", "up", "turn_left", "grow"), start=1):
        rng = np.random.default_rng(n)
        scene = synthetic.draw_scene(rng, motion, "square", size=96, num_frames=2)
        for i, frame in enumerate(synthetic.render(scene), start=1):
            write_ppm(tmp_path / f"{n:05d}_img{i}.ppm", frame)
        (flow,), (visible,) = synthetic.exact_flow(scene)
        flows.write_flo(tmp_path / f"{n:05d}_flow.flo", flow, visible)
    dataset = flows.flying_chairs(tmp_path)
    batches = train(
        dataset, size=64, batch_size=4, augmentation=clips.Similarity(), num_steps=3
    )
    shown = set()
    for batch in batches:
        for pair, (flow,) in zip(batch["rgb"][:, 0], batch["flow_target"], strict=True):
            frame, next_frame = np.split(pair, 2, axis=-1)
            warped, inside = flows.warp(next_frame, flow)
            moving = inside & (np.linalg.norm(np.nan_to_num(flow), axis=-1) > 1)
            errors = [
                flows.photometric_error(frame, image, moving)
                for image in (warped, next_frame)
            ]
            assert errors[0] < 0.5 * errors[1]
            shown.add(frame.tobytes())
    assert len(shown) == 12  # every time it is moved otherwise


# Test


def test_the_middle_of_every_pair(sintel):
    (batch,) = arrays(clips.center_pair_batches(sintel, size=16, batch_size=8))
    assert batch["rgb"].shape == (4, 1, 16, 16, 6)
    assert batch["video_id"].tolist() == [
        f"scene_{scene}/frame_{n:04d}".encode() for scene in range(2) for n in (1, 2)
    ]
    np.testing.assert_array_equal(batch["rgb"][:, 0, 0, 0, 0], [20, 40, 80, 100])
    np.testing.assert_array_equal(batch["rgb"][:, 0, 0, 0, 3], [40, 60, 100, 120])
    np.testing.assert_array_equal(batch["rgb"][0, 0, 0, :, 1], np.arange(27, 43))
    assert np.isfinite(batch["flow_target"]).all()


def test_whole_pairs_are_padded_and_the_rest_is_unknown(sintel):
    batches = arrays(clips.whole_pair_batches(sintel, batch_size=3))
    assert [len(batch["rgb"]) for batch in batches] == [3, 1]
    batch = batches[0]
    assert batch["rgb"].shape == (3, 1, 64, 96, 6)
    assert batch["flow_target"].shape == (3, 1, 64, 96, 2)
    frame, _, flow = content(1, 33, 70)
    np.testing.assert_array_equal(batch["rgb"][0, 0, :33, :70, :3], frame)
    assert (batch["rgb"][0, 0, 33:, 70:, 1:3] == [69, 32]).all()
    known = np.isfinite(batch["flow_target"][0, 0]).all(axis=-1)
    expected = np.zeros((64, 96), bool)
    expected[:33, :70] = True
    expected[5] = False  # where Sintel says so
    np.testing.assert_array_equal(known, expected)
    np.testing.assert_array_equal(
        batch["flow_target"][0, 0][known], flow[known[:33, :70]]
    )


def test_whole_pairs_of_several_sizes_are_padded_to_the_largest(tmp_path):
    for n, (height, width) in enumerate([(32, 64), (40, 20)], start=1):
        frame, next_frame, flow = content(n, height, width)
        write_ppm(tmp_path / f"{n:05d}_img1.ppm", frame)
        write_ppm(tmp_path / f"{n:05d}_img2.ppm", next_frame)
        flows.write_flo(tmp_path / f"{n:05d}_flow.flo", flow)
    dataset = flows.flying_chairs(tmp_path)
    (batch,) = arrays(clips.whole_pair_batches(dataset, batch_size=2))
    assert batch["rgb"].shape == (2, 1, 64, 64, 6)
    known = np.isfinite(batch["flow_target"]).all(axis=(1, 4))
    assert known.sum(axis=(1, 2)).tolist() == [32 * 64, 40 * 20]


def test_real_flying_chairs(shared_data):
    dataset = flows.flying_chairs(shared_data / "flow" / "flyingchairs")
    (batch,) = arrays(clips.center_pair_batches(dataset, size=224, batch_size=4))
    (whole,) = arrays(clips.whole_pair_batches(dataset, batch_size=4))
    assert whole["rgb"].shape == (4, 1, 384, 512, 6)
    for n, pair in enumerate(dataset.pairs):
        flow, valid = flows.read_flo(pair.flow)
        assert valid.all()
        np.testing.assert_array_equal(whole["flow_target"][n, 0], flow)
        np.testing.assert_array_equal(batch["flow_target"][n, 0], flow[80:304, 144:368])


# What is refused


@pytest.mark.parametrize("ending", ["_img1.ppm", "_img2.ppm", "_flow.flo"])
@pytest.mark.parametrize(
    "make",
    [
        lambda dataset: clips.pair_batches(
            dataset, size=24, batch_size=2, num_steps=5, augmentation=clips.Similarity()
        ),
        lambda dataset: clips.whole_pair_batches(dataset, batch_size=2),
    ],
)
def test_a_damaged_file_is_named(chairs, tmp_path, ending, make):
    file = tmp_path / f"00004{ending}"
    file.write_bytes(file.read_bytes()[:-7])
    with pytest.raises(FlowError, match=rf"^.*00004{ending}: the header says 50 x 40"):
        list(clips.checked(make(chairs), chairs))


def test_flow_of_another_size_than_its_frames(chairs, tmp_path):
    flows.write_flo(tmp_path / "00002_flow.flo", content(2, 40, 48)[2])
    batches = clips.center_pair_batches(chairs, size=24, batch_size=2)
    message = (
        "^.*00002_flow.flo: is 48 x 40, and its frame, .*00002_img1.ppm, 50 x 40; "
        "they are of different videos"
    )
    with pytest.raises(FlowError, match=message):
        list(clips.checked(batches, chairs))


_LOOK_AT_ONE = """
import sys
from vidzoo_data import clips
from vidzoo_data.flow import datasets
found = datasets.flying_chairs(sys.argv[1])
batches = iter(clips.pair_batches(found, size=32, batch_size=64, num_steps=99))
print(next(batches)["rgb"].shape)
"""


def test_a_program_that_looks_at_one_batch_ends(tmp_path):
    """Threads that read ahead and Python's end would wait for each other."""
    frame, next_frame, flow = content(1, 384, 512)  # so that reading takes its time
    write_ppm(tmp_path / "00001_img1.ppm", frame)
    write_ppm(tmp_path / "00001_img2.ppm", next_frame)
    flows.write_flo(tmp_path / "00001_flow.flo", flow)
    done = subprocess.run(
        [sys.executable, "-c", _LOOK_AT_ONE, tmp_path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(64, 1, 32, 32, 6)\n"
    assert "the program ends" not in done.stderr
