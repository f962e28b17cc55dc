"""The command line as a user meets it: exit codes, one-line errors, speed."""

import contextlib
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from tests.command import command
from tests.records import record, write_records
from tests.vidzoo.tasks.bad_input import BAD, TOY
from vidzoo.errors import RecordError


def own_process(*arguments, module="vidzoo", timeout=120):
    """Runs the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def write_video(path, num_frames=12, colour=(200, 40, 40), size=(64, 48)):
    """A clip of one colour under a moving square."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, size, isColor=True
    )
    for t in range(num_frames):
        frame = np.full((size[1], size[0], 3), colour[::-1], np.uint8)
        frame[10:20, t : t + 10] = 255
        writer.write(frame)
    writer.release()


COLOURS = {"blue": (30, 30, 220), "green": (30, 200, 30), "red": (220, 30, 30)}


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three classes of eight clips that a colour tells apart."""
    root = tmp_path_factory.mktemp("videos")
    for name, colour in COLOURS.items():
        for i in range(8):
            write_video(root / name / f"{i}.avi", 10 + i, colour)
    return root


@pytest.fixture(scope="module")
def road(videos, tmp_path_factory):
    """The whole way, once: records, run, model."""
    root = tmp_path_factory.mktemp("road")
    for arguments in (
        ("prepare", videos, root / "records", "--size=32", "--test_fraction=0.25"),
        ("train", root / "records", f"--out={root / 'run'}", *TOY, "--epochs=6"),
    ):
        done = own_process(*arguments, module="tests.toy_command")
        assert done.returncode == 0, done.stderr
    assert command("evaluate", root / "run", root / "records") == 0
    assert command("export", root / "run", root / "model") == 0
    return root


def test_whole_way_learns_and_predict_agrees_with_evaluate(road, videos):
    from vidzoo.evaluation import Scores
    from vidzoo.tasks.predict import Classifier

    scores = Scores.load(road / "run" / "scores-test-center.npz")
    measured = json.loads((road / "run" / "scores-test-center.json").read_text())
    assert measured["num_videos"] == 6
    assert measured["top1"] == (scores.logits.argmax(1) == scores.labels).mean()
    assert measured["top1"] > 0.8  # colours are easy

    classifier = Classifier(road / "model")
    assert classifier.classes == sorted(COLOURS)
    for video_id, logits in zip(scores.video_ids, scores.logits, strict=True):
        answer = classifier.predict(videos / video_id)
        np.testing.assert_allclose(answer.logits, logits, rtol=1e-5, atol=1e-5)
        assert answer.scores.sum() == pytest.approx(1, abs=1e-5)


def test_run_folder_holds_log_checkpoints_and_description(road):
    run = road / "run"
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert lines[-1]["loss"] < lines[0]["loss"]
    kept = sorted(file.name for file in (run / "checkpoints").iterdir())
    assert kept == ["step-00000015.npz", "step-00000018.npz"]
    described = json.loads((run / "run.json").read_text())
    assert described["classes"] == sorted(COLOURS)
    assert described["recipe"]["phases"][0]["epochs"] == 6


def test_predict_as_json_and_with_a_broken_video(road, videos, tmp_path, vidzoo):
    good = videos / "red" / "0.avi"
    broken = tmp_path / "broken.avi"
    broken.write_bytes(good.read_bytes()[:500])
    model = f"--model={road / 'model'}"

    done = own_process("predict", good, model, "--json", "--top=2")
    answers = json.loads(done.stdout)
    assert done.returncode == 0 and done.stderr == ""
    assert [row["class"] for row in answers[0]["top"]][0] == "red"
    assert len(answers[0]["top"]) == 2

    code, out, err = vidzoo("predict", good, broken, model)
    assert code == 3
    assert "red" in out and str(broken) in err
    code, _, err = vidzoo("predict", tmp_path / "none.avi", model)
    assert code == 1
    assert str(tmp_path / "none.avi") in err and err.count("\n") == 1


def test_one_frame_video_works(road, tmp_path, vidzoo):
    write_video(tmp_path / "one.avi", num_frames=1, colour=COLOURS["green"])
    code, out, err = vidzoo(
        "predict", tmp_path / "one.avi", f"--model={road / 'model'}"
    )
    assert code == 0, err
    assert "green" in out


def test_three_broken_among_twenty(videos, tmp_path, vidzoo):
    source = tmp_path / "source"
    for name, colour in COLOURS.items():
        for i in range(7 if name != "red" else 6):
            write_video(source / name / f"{i}.avi", 12, colour)
    half, empty, text = (source / "red" / f"{i}.avi" for i in (1, 2, 3))
    half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
    empty.write_bytes(b"")
    text.write_text("this is no video\n")
    code, out, _ = vidzoo(
        "prepare", source, tmp_path / "records", "--size=32", "--json"
    )
    assert code == 3
    result = json.loads(out)
    assert set(result["quarantined"]) == {f"red/{i}.avi" for i in (1, 2, 3)}
    assert all(result["quarantined"].values())
    assert result["num_videos"] == 17
    rows = (tmp_path / "records" / "quarantine.csv").read_text().splitlines()
    assert len(rows) == 4
    described = json.loads((tmp_path / "records" / "dataset.json").read_text())
    assert sum(len(ids) for ids in described["splits"].values()) == 17


def write_quietly(folder, videos, **options):
    """Records as `write_records` makes them, without opening them."""
    with contextlib.suppress(RecordError):
        write_records(folder, videos, **options)


@pytest.fixture(scope="module")
def other(videos, tmp_path_factory):
    """Records of two of the three classes."""
    root = tmp_path_factory.mktemp("other")
    for name in ("blue", "green"):
        (root / "videos").mkdir(exist_ok=True)
        (root / "videos" / name).symlink_to(videos / name)
    assert command("prepare", root / "videos", root / "records", "--size=32") == 0
    return root / "records"


@pytest.fixture(scope="module")
def places(road, other, videos, tmp_path_factory):
    """Inputs, good and bad, by the name that `BAD` gives them."""
    root = tmp_path_factory.mktemp("places")
    larger = ("--size=48", "--test_fraction=0.25")
    assert command("prepare", videos, root / "larger", *larger) == 0
    (root / "classes.txt").write_text("jump\nsit\n")
    for name in ("1", "2", "3"):
        (root / f"{name}.avi").touch()
    rows = "path,label,split\n1.avi,jump,train\n2.avi,sit,train\n3.avi,jumpp,train\n"
    (root / "list.csv").write_text(rows)
    with np.load(road / "run" / "weights.npz") as data:
        arrays = dict(data)
    header = json.loads(str(arrays["__vidzoo__"])) | {"variant": "v0"}
    arrays["__vidzoo__"] = np.array(json.dumps(header))
    np.savez(root / "variant.npz", **arrays)
    for name in ("short", "long", "altered"):
        shutil.copytree(road / "records", root / name)
    (shard,) = (root / "short").glob("*.tfrecord")
    shard.unlink()
    shutil.copy(road / "records" / shard.name, root / "long" / f"x{shard.name}")
    content = bytearray((root / "altered" / shard.name).read_bytes())
    content[len(content) // 2] ^= 1
    (root / "altered" / shard.name).write_bytes(content)
    frames = np.zeros((2, 32, 32, 3), np.uint8)
    for name, labels in (("beyond", (3,)), ("several", (0, 2))):
        made = [record("a.avi", frames), record("b.avi", frames, labels)]
        write_quietly(root / name, made, classes=("blue", "green", "red"))
    for split in ("train1", "train2"):
        shutil.copytree(road / "run", root / "runs" / split)
    (root / "damaged").mkdir()
    (root / "damaged" / "run.json").write_text("{}")
    return {
        "damaged": root / "damaged",
        **{
            name: root / name
            for name in ("short", "long", "altered", "beyond", "several", "runs")
        },
        "videos": videos,
        "records": road / "records",
        "run": road / "run",
        "other": other,
        "larger": root / "larger",
        "csv": root / "list.csv",
        "classes": root / "classes.txt",
        "variant": root / "variant.npz",
    }


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line(case, places, tmp_path, vidzoo):
    expected_code, text, arguments = BAD[case]
    places = places | {"tmp": tmp_path}
    arguments = [argument.format(**places) for argument in arguments]
    code, out, err = vidzoo(*arguments)
    assert code == expected_code, err
    assert text in err
    assert out == ""
    message = [line for line in err.splitlines() if line.startswith("vidzoo ")]
    assert len(message) == 1
    assert "Traceback" not in err
    assert not (tmp_path / "run" / "weights.npz").exists()


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda root: None, "no"),
        (lambda root: write_video(root / "only" / "a.avi"), "one class"),
    ],
    ids=["empty", "one class"],
)
def test_unusable_folders(make, text, tmp_path, vidzoo):
    source = tmp_path / "source"
    source.mkdir()
    make(source)
    code, _, err = vidzoo("prepare", source, tmp_path / "records")
    assert code == 1
    assert text in err and str(source) in err
    assert not (tmp_path / "records").exists()


def test_a_folder_with_other_files_is_left_alone(road, tmp_path, vidzoo):
    (tmp_path / ".editor.tmp").write_text("mine")
    code, _, err = vidzoo("train", road / "records", *TOY, f"--out={tmp_path}")
    assert code == 1 and "not empty, and no run folder" in err
    assert [file.name for file in tmp_path.iterdir()] == [".editor.tmp"]


def test_unknown_flag_and_verb_are_usage():
    assert own_process("prepare", "--no_such_flag").returncode == 2
    assert own_process("fly").returncode == 2
    done = own_process("train", "x", "--model=tsn", "--out=y", "--epochs=3,x")
    assert done.returncode == 2 and "--epochs: 'x': give a number" in done.stderr
    assert own_process().returncode == 2


def test_help_lists_the_verbs():
    done = own_process("--help")
    assert done.returncode == 0
    for verb in ("demo", "prepare", "train", "evaluate", "fuse", "export", "predict"):
        assert verb in done.stdout


def test_closed_output_is_no_traceback(road):
    command = (
        f"{sys.executable} -m tests.toy_command evaluate {road}/run {road}/records"
    )
    done = subprocess.run(
        f"{command} | true",
        shell=True,
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert "Traceback" not in done.stderr
