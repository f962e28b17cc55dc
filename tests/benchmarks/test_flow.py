"""What the comparison of flow methods says, on a few small pairs."""

import json
import shutil

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
    error = capsys.readouterr().err
    assert "0-gt.flo: is 7 x 5, and its frame, " in error and " 48 x 48;" in error


@pytest.fixture
def roots(tmp_path):
    """FlyingChairs of three pairs, one for validation; Sintel of two, with masks."""
    chairs, sintel = tmp_path / "chairs", tmp_path / "sintel"
    (chairs / "data").mkdir(parents=True)
    scene = synthetic.draw_scene(np.random.default_rng(0), "right", "disk", size=48)
    frames, (flow, visible) = synthetic.render(scene), synthetic.exact_flow(scene)
    for n in (1, 2, 3):
        for t in range(2):
            bgr = cv2.cvtColor(frames[n + t], cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(chairs / f"data/{n:05d}_img{t + 1}.ppm"), bgr)
        flows.write_flo(chairs / f"data/{n:05d}_flow.flo", flow[n])
    (chairs / "FlyingChairs_train_val.txt").write_text("1\n2\n1\n")
    training = sintel / "training"
    for name in ("clean", "final", "flow", "occlusions", "invalid"):
        (training / name / "alley_1").mkdir(parents=True)
    for t in range(3):
        name = f"alley_1/frame_{t + 1:04d}"
        flows.write_png(training / f"clean/{name}.png", frames[t])
        flows.write_png(training / f"final/{name}.png", frames[t] // 2)
        if t < 2:
            flows.write_flo(training / f"flow/{name}.flo", flow[t])
            for kind, mask in (("occlusions", ~visible[t]), ("invalid", ROW)):
                mask = np.where(mask, 255, 0).astype(np.uint8)
                cv2.imwrite(str(training / f"{kind}/{name}.png"), mask)
    return chairs, sintel, flow, visible


ROW = np.zeros((48, 48), bool)
ROW[0] = True  # what `invalid` masks out


def test_whole_data_sets(capsys, roots):
    chairs, sintel, flow, visible = roots
    flags = (f"--flying_chairs={chairs}", f"--sintel={sintel}", *TINY)
    assert benchmark.main([*flags, "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["datasets"]
    assert list(measured) == ["FlyingChairs val", "Sintel clean", "Sintel final"]
    # Zero flow's error is the flow's own length.
    lengths = np.hypot(*np.moveaxis(flow, -1, 0))
    found = measured["FlyingChairs val"]
    assert found["num_pairs"] == found["num_listed"] == 1
    assert found["methods"]["zero flow"] == {"all": pytest.approx(lengths[2].mean())}
    assert found["methods"]["tvl1"]["all"] < found["methods"]["zero flow"]["all"]
    masks = {
        "all": visible[:2] | True,
        "matched": visible[:2],
        "unmatched": ~visible[:2],
    }
    expected = {part: lengths[:2][mask & ~ROW].mean() for part, mask in masks.items()}
    assert (~visible[:2] & ~ROW).any()
    for name in ("Sintel clean", "Sintel final"):
        assert list(measured[name]["methods"]) == METHODS
        assert measured[name]["methods"]["zero flow"] == pytest.approx(expected)
    clean, final = (
        measured[f"Sintel {p}"]["methods"]["dis"] for p in ("clean", "final")
    )
    assert clean != final

    assert benchmark.main([*flags, "--max_pairs=1"]) == 0
    table = capsys.readouterr().out
    assert "FlyingChairs val, 1 pairs; mean endpoint error" in table
    assert "Sintel final, 1 of 2 pairs; mean endpoint error" in table
    assert "unmatched" in table


def test_data_sets_without_split_and_masks(capsys, roots):
    chairs, sintel, *_ = roots
    (chairs / "FlyingChairs_train_val.txt").unlink()
    for kind in ("occlusions", "invalid"):
        shutil.rmtree(sintel / "training" / kind)
    flags = (f"--flying_chairs={chairs}", f"--sintel={sintel}", "--max_pairs=1", *TINY)
    assert benchmark.main(flags) == 0
    table = capsys.readouterr().out
    assert "FlyingChairs, 1 of 3 pairs" in table and "3 pairs without a split" in table
    assert "has no occlusions/, so matched and unmatched pixels are not told" in table
    assert benchmark.main([f"--sintel={chairs}", *TINY]) == 1
    assert "training: there is no such folder; expected" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--pairs=0", "--size=16", "--bound=x"])
def test_bad_flags_exit_2(capsys, flag):
    with pytest.raises(SystemExit) as caught:
        benchmark.main([flag])
    assert caught.value.code == 2
