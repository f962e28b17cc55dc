"""FlowNets on data sets of flow: trained on them, and measured on them."""

import json
import shutil

import numpy as np
import pytest

from tests.command import command
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo import models
from vidzoo.errors import FlowError, UsageError
from vidzoo.tasks import flow_error, flow_pairs, run_folder, train
from vidzoo.weights import open_weights
from vidzoo_data.flow import write_flo, write_png

SIZE = {"backbone": "toy", "frame_size": 32, "recipe": "scratch"}
SHORT = {"epochs": 2, "batch_size": 4}


def write_ppm(path, image):
    height, width, _ = image.shape
    path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + image.tobytes())


@pytest.fixture(scope="module")
def chairs(tmp_path_factory):
    """Six pairs of 45x70 pixels that move by two pixels, laid out as FlyingChairs."""
    root = tmp_path_factory.mktemp("chairs")
    random = np.random.default_rng(0)
    for number in range(1, 7):
        frame = random.integers(0, 256, (45, 70, 3), dtype=np.uint8)
        write_ppm(root / f"{number:05d}_img1.ppm", frame)
        write_ppm(root / f"{number:05d}_img2.ppm", np.roll(frame, 2, axis=1))
        flow = np.zeros((45, 70, 2), np.float32)
        flow[..., 0] = 2
        write_flo(root / f"{number:05d}_flow.flo", flow)
    lines = "\n".join("112111") + "\n"
    (root / "FlyingChairs_train_val.txt").write_text(lines)
    return root


@pytest.fixture(scope="module")
def run(chairs, tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "flow"
    options = {"model": "flownet2f", "layout": "flying_chairs"} | SIZE
    train.run(chairs, out, changes=SHORT, **options)
    return out


def test_a_flownet_is_trained_on_pairs(run):
    logged = [json.loads(x) for x in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in logged] == [2, 4]  # five pairs of the split train
    assert all(np.isfinite(line["epe"]) for line in logged)
    described = run_folder.read_finished(run)
    assert described["data"]["source"] == "FlyingChairs"
    assert open_weights(run / "weights.npz").network == "flownet2f"


def test_errors_are_those_of_enlarged_flow(run, chairs):
    """Against the network built for that size by hand, on the padded pair."""
    found = flow_error.run(run, chairs, layout="flying_chairs", split="val")
    assert found["num_pairs"] == 1
    assert found["zero_flow_epe"] == pytest.approx(2.0)
    assert json.loads((run / "flow-flying_chairs-val.json").read_text()) == found
    model = models.FlowNet2F(
        backbone="toy", frame_shape=(64, 96, 6), weights=run / "weights.npz"
    )
    (pair,) = flow_pairs.list_pairs(chairs, "flying_chairs", "val").pairs
    frames = [_read_ppm(path) for path in (pair.frame, pair.next_frame)]
    both = np.concatenate(frames, axis=-1)
    padded = np.pad(both, ((0, 64 - 45), (0, 96 - 70), (0, 0)), mode="edge")
    small = np.asarray(model(padded[None, None], training=False)["flow"])[0, 0]
    flow = _enlarged(small)[:45, :70]
    expected = np.linalg.norm(flow - [2, 0], axis=-1).mean()
    assert found["epe"] == pytest.approx(expected, rel=1e-4)


def test_sintel_is_measured_where_pixels_count(run, tmp_path):
    """Half of the frame is invalid; there the flow is absurd."""
    training = tmp_path / "training"
    for kind in ("clean", "flow", "invalid"):
        (training / kind / "alley").mkdir(parents=True)
    frame = np.random.default_rng(0).integers(0, 256, (45, 70, 3), dtype=np.uint8)
    for number in (1, 2):
        shifted = np.roll(frame, 2 * number, axis=1)
        write_png(training / f"clean/alley/frame_000{number}.png", shifted)
    flow, invalid = np.zeros((45, 70, 2), np.float32), np.zeros((45, 70, 3), np.uint8)
    flow[..., 0], flow[20:], invalid[20:] = 2, 900, 255
    write_flo(training / "flow/alley/frame_0001.flo", flow)
    write_png(training / "invalid/alley/frame_0001.png", invalid)
    found = flow_error.run(run, tmp_path, layout="sintel")
    assert (found["data_set"], found["num_pairs"]) == ("Sintel clean", 1)
    assert found["zero_flow_epe"] == pytest.approx(2.0)
    assert 0 < found["epe"] < 100
    assert (run / "flow-sintel-all.json").is_file()


def _read_ppm(path):
    return np.frombuffer(path.read_bytes()[-45 * 70 * 3 :], np.uint8).reshape(45, 70, 3)


def _enlarged(small):
    """Bilinear by a factor of four, pixel centres aligned, borders continued."""
    for axis in (0, 1):
        count = small.shape[axis]
        places = (np.arange(4 * count) + 0.5) / 4 - 0.5
        low = np.floor(places).astype(int)
        part = (places - low).reshape([-1 if a == axis else 1 for a in range(3)])
        at = [np.take(small, np.clip(low + i, 0, count - 1), axis) for i in (0, 1)]
        small = at[0] * (1 - part) + at[1] * part
    return small


def test_the_command_says_so(run, chairs, tmp_path, capsys):
    out = tmp_path / "found.json"
    options = ["--layout=flying_chairs", f"--out={out}"]
    assert command("flow-error", run, chairs, *options) == 0
    assert "6 pairs: EPE " in capsys.readouterr().out
    assert json.loads(out.read_text())["num_pairs"] == 6
    assert command("flow-error", run, chairs, "--layout=kitti") == 2
    assert "no layout 'kitti' of flow. Choose one of:" in capsys.readouterr().err
    assert command("flow-error", run, tmp_path / "none", *options) == 1


def test_a_damaged_file_is_named(run, chairs, tmp_path):
    for file in chairs.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    flow = tmp_path / "00002_flow.flo"
    flow.write_bytes(flow.read_bytes()[:100])
    with pytest.raises(FlowError, match="00002_flow.flo"):
        flow_error.run(run, tmp_path, layout="flying_chairs")
    assert not (run / "flow-flying_chairs-all.json").exists()


def test_a_pair_without_known_flow_is_named(run, chairs, tmp_path):
    for file in chairs.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    nothing = np.zeros((45, 70), bool)
    write_flo(tmp_path / "00002_flow.flo", np.zeros((45, 70, 2)), nothing)
    with pytest.raises(FlowError, match="of the pair 00002 no pixel's flow is known"):
        flow_error.run(run, tmp_path, layout="flying_chairs")


def test_pairs_that_were_trained_on_are_told(run, chairs, tmp_path, caplog):
    options = {"layout": "flying_chairs", "out": tmp_path / "found.json"}
    flow_error.run(run, chairs, split="val", **options)
    assert "no test" not in caplog.text
    flow_error.run(run, chairs, split="all", **options)
    assert "trained on pairs of FlyingChairs (split train)" in caplog.text


def test_its_flow_of_a_video_is_drawn(run, tmp_path, capsys):
    """Alone, and beside a run on records, which says how videos are stored."""
    video, on_records = tmp_path / "v.avi", tmp_path / "on_records"
    write_video(video, num_frames=8)
    shutil.copytree(run, on_records)
    described = json.loads((run / "run.json").read_text())
    described["data"]["made_with"] = {"size": 40, "fps": None, "jpeg_quality": 90}
    (on_records / "run.json").write_text(json.dumps(described))
    flags = ("--picture=flow", "--frames=1", "--json")
    sizes = []
    for number, (first, *others) in enumerate(
        [(run,), (run, on_records), (on_records, run)]
    ):
        beside = [f"--beside={each}" for each in others]
        out = tmp_path / f"{number}.png"
        assert command("explain", first, video, out, *flags, *beside) == 0
        sizes.append(len(json.loads(capsys.readouterr().out)["runs"]))
        assert out.stat().st_size > 0
    assert sizes == [1, 2, 2]
    assert (tmp_path / "1.png").read_bytes() != (tmp_path / "0.png").read_bytes()


def test_layouts_are_for_flownets_on_two_frames(chairs, tmp_path):
    with pytest.raises(
        UsageError, match="--layout is for --model=flownet2f; tsn needs"
    ):
        train.run(chairs, tmp_path / "run", model="tsn", layout="flying_chairs")
    options = {"model": "flownet2f", "layout": "flying_chairs"} | SIZE
    with pytest.raises(UsageError, match="no split 'test' of flying_chairs"):
        train.run(chairs, tmp_path / "run", split="test", **options)
    with pytest.raises(UsageError, match="--crop is for clips"):
        train.run(chairs, tmp_path / "run", changes={"crop": "corner"}, **options)
    assert not (tmp_path / "run").exists()
