"""What the comparison of flow methods says, on a few small pairs."""

import json

import cv2
import numpy as np
import pytest

from benchmarks import flow as benchmark
from vidzoo_data import flow as flows
from vidzoo_data import synthetic

TINY = ("--pairs=2", "--size=48")
METHODS = ["zero flow", "tvl1", "dis", "farneback", "rlof-epic"]


@pytest.fixture
def pairs(tmp_path):
    """A pair in FlyingChairs' names and one in Middlebury's, with unknown pixels."""
    folder = tmp_path / "data"
    (folder / "Whale").mkdir(parents=True)
    scene = synthetic.draw_scene(np.random.default_rng(0), "right", "disk", size=48)
    frames, (flow, visible) = synthetic.render(scene), synthetic.exact_flow(scene)
    for t in range(2):
        bgr = cv2.cvtColor(frames[t], cv2.COLOR_RGB2BGR)
        assert cv2.imwrite(str(folder / f"0-img{t}.ppm"), bgr)
        flows.write_png(folder / "Whale" / f"frame{10 + t}.png", frames[t])
    flows.write_flo(folder / "0-gt.flo", flow[0])
    flows.write_flo(folder / "Whale" / "flow10.flo", flow[0], visible[0])
    return folder, int((~visible[0]).sum())


def test_errors_of_every_method(capsys, tmp_path, pairs):
    folder, num_hidden = pairs
    out, pictures = tmp_path / "measured.json", tmp_path / "pictures"
    flags = [*TINY, "--json", f"--out={out}", f"--pictures={pictures}"]
    assert benchmark.main([str(folder), *flags]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured == json.loads(out.read_text())
    assert list(measured["motion_shapes"]) == METHODS
    zero = measured["motion_shapes"]["zero flow"]
    assert zero["visible"]["median"] == 0 < zero["visible"]["mean"]
    assert zero["moving"]["mean"] > zero["visible"]["mean"]
    # Zero is stored as half a step above it, in x and y.
    assert zero["png"]["median"] == pytest.approx(2**0.5 * 20 / 255, abs=1e-5)
    assert list(measured["pairs"]) == ["0", "Whale"]
    assert measured["pairs"]["0"]["unknown"] == 0
    assert measured["pairs"]["Whale"]["unknown"] == num_hidden > 0
    for pair in measured["pairs"].values():
        assert pair["photometric_warped"] < pair["photometric"]
        errors = {name: found["mean"] for name, found in pair["methods"].items()}
        assert list(errors) == METHODS
        assert errors["tvl1"] < errors["zero flow"]
    shown = sorted(path.name for path in pictures.iterdir())
    assert len(shown) == 10 and "Whale-zero-flow.png" in shown
    assert flows.read_frame(pictures / "0-tvl1.png").shape == (48, 192, 3)


def test_table(capsys, pairs):
    folder, num_hidden = pairs
    assert benchmark.main([str(folder), *TINY]) == 0
    table = capsys.readouterr().out
    for word in (*METHODS, "Whale", "seed 0", "cores; commit", f"{num_hidden} unknown"):
        assert word in table


def test_folders_without_pairs_fail_in_one_line(capsys, tmp_path):
    assert benchmark.main([str(tmp_path), *TINY]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "no pair with ground truth" in error


def test_flow_of_another_video_fails(capsys, pairs):
    folder, _ = pairs
    flows.write_flo(folder / "0-gt.flo", np.zeros((5, 7, 2)))
    assert benchmark.main([str(folder), *TINY]) == 1
    assert "the flow is (5, 7) and its frames are (48, 48)" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--pairs=0", "--size=16", "--bound=x"])
def test_bad_flags_exit_2(capsys, flag):
    with pytest.raises(SystemExit) as caught:
        benchmark.main([flag])
    assert caught.value.code == 2
