"""FlyingChairs and Sintel on disk: which files make a pair, and what its masks say."""

import json
import shutil

import cv2
import numpy as np
import pytest

from vidzoo import metrics
from vidzoo.errors import FlowError
from vidzoo_data import flow as flows

HEIGHT, WIDTH = 5, 7


def write_ppm(path, image):
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))


def image(seed):
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def field(seed):
    random = np.random.default_rng(seed)
    return random.normal(0, 3, (HEIGHT, WIDTH, 2)).astype(np.float32)


# FlyingChairs


@pytest.fixture
def chairs(tmp_path):
    """Four pairs of the release, the second and fourth for validation."""
    data = tmp_path / "FlyingChairs_release" / "data"
    data.mkdir(parents=True)
    for n in range(1, 5):
        write_ppm(data / f"{n:05d}_img1.ppm", image(n))
        write_ppm(data / f"{n:05d}_img2.ppm", image(10 + n))
        flows.write_flo(data / f"{n:05d}_flow.flo", field(n))
    (data.parent / "FlyingChairs_train_val.txt").write_text("1\r\n2\r\n1\r\n2\r\n")
    return data.parent


def names(dataset):
    return [pair.name for pair in dataset.pairs]


def test_flying_chairs(chairs):
    every = flows.flying_chairs(chairs)
    assert (every.name, every.notes) == ("FlyingChairs", ())
    assert names(every) == ["00001", "00002", "00003", "00004"]
    for split, expected in (("train", ["00001", "00003"]), ("val", ["00002", "00004"])):
        for root in (chairs, chairs / "data"):
            dataset = flows.flying_chairs(root, split)
            assert (dataset.name, names(dataset)) == (f"FlyingChairs {split}", expected)
    sample = flows.read_sample(every.pairs[2])
    np.testing.assert_array_equal(sample.frame, image(3))
    np.testing.assert_array_equal(sample.next_frame, image(13))
    np.testing.assert_array_equal(sample.flow, field(3))
    assert sample.valid.all() and sample.occluded is None
    with pytest.raises(ValueError, match="`split` must be one of .* Received: test"):
        flows.flying_chairs(chairs, "test")


def test_flying_chairs_without_a_split(chairs):
    (chairs / "FlyingChairs_train_val.txt").unlink()
    dataset = flows.flying_chairs(chairs)
    assert len(dataset.pairs) == 4
    assert dataset.notes == (
        f"{chairs} has no FlyingChairs_train_val.txt: 4 pairs without a split",
    )
    with pytest.raises(FlowError, match="_train_val.txt: there is no such file, which"):
        flows.flying_chairs(chairs, "val")


def test_a_part_of_flying_chairs_keeps_its_numbers(chairs):
    for path in (chairs / "data").glob("00001_*"):
        path.unlink()
    dataset = flows.flying_chairs(chairs, "train")
    assert names(dataset) == ["00003"]
    assert dataset.notes[0].startswith("1 of 4 pairs in ")
    for path in (chairs / "data").glob("00003_*"):
        path.unlink()
    with pytest.raises(FlowError, match="data: no pair is in the split train of .*txt"):
        flows.flying_chairs(chairs, "train")


@pytest.mark.parametrize("missing", ["img1.ppm", "img2.ppm", "flow.flo"])
def test_a_file_of_a_pair_is_missing(chairs, missing):
    (chairs / f"data/00002_{missing}").unlink()
    with pytest.raises(
        FlowError, match=f"00002_{missing}: there is no such file, though others of th"
    ):
        flows.flying_chairs(chairs)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n2\n1\n", "has 3 lines, and there is a pair 00004; they belong together"),
        ("1\n2\n3\n1\n", "line 3: found 3; expected 1 .training. or 2"),
        ("", "the file is empty"),
    ],
)
def test_damaged_split_file(chairs, text, message):
    (chairs / "FlyingChairs_train_val.txt").write_text(text)
    with pytest.raises(FlowError, match=f"_train_val.txt.*{message}"):
        flows.flying_chairs(chairs, "val")


def test_no_flying_chairs(tmp_path):
    with pytest.raises(FlowError, match="nowhere: there is no such folder; expected F"):
        flows.flying_chairs(tmp_path / "nowhere")
    with pytest.raises(FlowError, match="no pair of FlyingChairs .*; unpack FlyingCha"):
        flows.flying_chairs(tmp_path)


def test_sizes_that_differ(chairs):
    pair = flows.flying_chairs(chairs).pairs[0]
    flows.write_flo(pair.flow, np.zeros((HEIGHT, WIDTH + 1, 2)))
    with pytest.raises(
        FlowError, match="00001_flow.flo: is 8 x 5, and its frame, .* 7"
    ):
        flows.read_sample(pair)
    write_ppm(pair.next_frame, image(0)[1:])
    with pytest.raises(FlowError, match="00001_img2.ppm: the frame is 7 x 4, and the"):
        flows.read_sample(pair)


def test_real_flying_chairs(shared_data):
    """Four pairs; zero flow's error was computed elsewhere from the same files."""
    root = shared_data / "flow" / "flyingchairs"
    dataset = flows.flying_chairs(root)
    assert names(dataset) == [f"{n:07d}" for n in range(4)]
    assert "4 pairs without a split" in dataset.notes[0]
    expected = json.loads((shared_data / "expected" / "flow.json").read_text())
    for pair in dataset.pairs:
        listed = expected[f"flow/flyingchairs/{pair.name}"]
        sample = flows.read_sample(pair)
        assert sample.frame.shape == sample.next_frame.shape == (384, 512, 3)
        zero = np.zeros_like(sample.flow)
        error = metrics.endpoint_error(zero, sample.flow, sample.valid)
        assert error == pytest.approx(listed["epe_zero_flow"], abs=6e-4)
        before = flows.photometric_error(sample.frame, sample.next_frame)
        assert before > flows.photometric_error(
            sample.frame, flows.warp(sample.next_frame, sample.flow)[0]
        )


def test_examples_are_not_numbered_as_the_release_is(shared_data, tmp_path):
    for path in (shared_data / "flow" / "flyingchairs").iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "FlyingChairs_train_val.txt").write_text("1\n2\n1\n1\n")
    with pytest.raises(FlowError, match="0000000-gt.flo: is not numbered as the relea"):
        flows.flying_chairs(tmp_path)


# Sintel


@pytest.fixture
def sintel(tmp_path):
    """Scenes of three and two frames, with masks as the release has them."""
    training = tmp_path / "training"
    for scene, num_frames in (("alley_1", 3), ("temple_3", 2)):
        for kind in ("clean", "final", "flow", "occlusions", "invalid"):
            (training / kind / scene).mkdir(parents=True)
        for t in range(1, num_frames + 1):
            name = f"{scene}/frame_{t:04d}"
            flows.write_png(training / f"clean/{name}.png", image(t))
            flows.write_png(training / f"final/{name}.png", image(20 + t))
            cv2.imwrite(str(training / f"invalid/{name}.png"), mask(4))
            if t < num_frames:
                flows.write_flo(training / f"flow/{name}.flo", field(t))
                cv2.imwrite(str(training / f"occlusions/{name}.png"), mask(t))
    return tmp_path


def mask(row):
    """Grey, 255 in one row."""
    values = np.zeros((HEIGHT, WIDTH), np.uint8)
    values[row] = 255
    return values


def test_sintel(sintel):
    clean = flows.sintel(sintel)
    assert (clean.name, clean.notes) == ("Sintel clean", ())
    assert names(clean) == [
        "alley_1/frame_0001",
        "alley_1/frame_0002",
        "temple_3/frame_0001",
    ]
    sample = flows.read_sample(clean.pairs[1])
    np.testing.assert_array_equal(sample.frame, image(2))
    np.testing.assert_array_equal(sample.next_frame, image(3))
    np.testing.assert_array_equal(sample.flow, field(2))
    np.testing.assert_array_equal(sample.occluded, mask(2) > 0)
    np.testing.assert_array_equal(sample.valid, mask(4) == 0)
    final = flows.sintel(sintel, "final")
    assert (final.name, names(final)) == ("Sintel final", names(clean))
    np.testing.assert_array_equal(flows.read_sample(final.pairs[0]).frame, image(21))
    with pytest.raises(ValueError, match="`pass_` must be one of .* Received: albedo"):
        flows.sintel(sintel, "albedo")


def test_sintel_without_masks(sintel):
    for kind in ("occlusions", "invalid"):
        shutil.rmtree(sintel / "training" / kind)
    dataset = flows.sintel(sintel)
    assert [note.split("training has ")[1] for note in dataset.notes] == [
        "no occlusions/, so matched and unmatched pixels are not told apart",
        "no invalid/, so all pixels of known flow count",
    ]
    sample = flows.read_sample(dataset.pairs[0])
    assert sample.occluded is None and sample.valid.all()


@pytest.mark.parametrize(
    "missing",
    [
        "clean/alley_1/frame_0001.png",
        "clean/alley_1/frame_0003.png",
        "flow/alley_1/frame_0001.flo",
        "flow/alley_1/frame_0002.flo",
        "occlusions/alley_1/frame_0002.png",
        "invalid/temple_3/frame_0001.png",
    ],
)
def test_a_file_of_a_scene_is_missing(sintel, missing):
    (sintel / "training" / missing).unlink()
    with pytest.raises(
        FlowError, match=f"training/{missing}: there is no such file, t"
    ):
        flows.sintel(sintel)


def test_no_sintel(sintel, tmp_path):
    with pytest.raises(FlowError, match="training: there is no such folder; expected"):
        flows.sintel(tmp_path / "nowhere")
    shutil.rmtree(sintel / "training" / "clean" / "temple_3")
    with pytest.raises(FlowError, match="clean/temple_3: there is no such folder; exp"):
        flows.sintel(sintel)
    shutil.rmtree(sintel / "training" / "flow")
    (sintel / "training" / "flow").mkdir()
    with pytest.raises(FlowError, match=r"flow: no flow \(SCENE/frame_0001.flo\); unp"):
        flows.sintel(sintel)


def test_a_mask_of_another_size(sintel):
    pair = flows.sintel(sintel).pairs[0]
    cv2.imwrite(str(pair.occlusions), mask(0)[:, 1:])
    with pytest.raises(
        FlowError, match="frame_0001.png: is 6 x 5, and its frame, .* 7"
    ):
        flows.read_sample(pair)
