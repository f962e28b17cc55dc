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


TOY = (
    "--model=tdn",
    "--backbone=toy",
    "--frame_size=32",
    "--recipe=motion-shapes",
    "--batch_size=6",
)


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


BAD = {
    "missing folder": (1, "no-such", ("prepare", "{tmp}/no-such", "{tmp}/out")),
    "unknown layout": (2, "folder", ("prepare", "{videos}", "{tmp}/o", "--layout=x")),
    "size too small": (2, "size", ("prepare", "{videos}", "{tmp}/o", "--size=1")),
    "unknown model": (
        2,
        "tsn, tdn",
        ("train", "{records}", "--model=c3po", "--out={tmp}/run"),
    ),
    "unknown backbone": (
        2,
        "no backbone 'vgg'. Choose one of: resnet18, resnet34, resnet50",
        ("train", "{records}", "--model=tsn", "--backbone=vgg", "--out={tmp}/run"),
    ),
    "unknown recipe": (
        2,
        "finetune, scratch, motion-shapes, hmdb51, act, ucf101, fcvid",
        ("train", "{records}", "--model=tsn", "--recipe=soup", "--out={tmp}/run"),
    ),
    "unknown split": (
        2,
        "train, test",
        ("train", "{records}", *TOY, "--split=val", "--out={tmp}/run"),
    ),
    "test fraction out of range": (
        2,
        "--test_fraction",
        ("prepare", "{videos}", "{tmp}/o", "--test_fraction=2"),
    ),
    "unknown label": (
        1,
        "line 4: unknown label jumpp",
        ("prepare", "{csv}", "{tmp}/o", "--layout=csv", "--classes={classes}"),
    ),
    "negative seed": (
        2,
        "--seed",
        ("train", "{records}", *TOY, "--seed=-1", "--out={tmp}/run"),
    ),
    "batch of none": (
        2,
        "batch_size",
        ("train", "{records}", *TOY, "--dropout=1.5", "--out={tmp}/run"),
    ),
    "out is a file": (
        1,
        "is a file",
        ("train", "{records}", *TOY, "--out={records}/dataset.json"),
    ),
    "scores nowhere": (
        2,
        ".npz",
        ("evaluate", "{run}", "{records}", "--out={tmp}/no/scores.npz"),
    ),
    "scores over weights": (
        1,
        "not a scores file",
        ("evaluate", "{run}", "{records}", "--out={run}/weights.npz"),
    ),
    "metrics over something else": (
        2,
        "run.json: exists",
        ("evaluate", "{run}", "{records}", "--out={run}/run.npz"),
    ),
    "damaged run": (1, "damaged", ("evaluate", "{damaged}", "{records}")),
    "frames too small": (
        2,
        "--frame_size is 4",
        ("train", "{records}", *TOY, "--frame_size=4", "--out={tmp}/run"),
    ),
    "learning rate is no number": (
        2,
        "learning_rate",
        ("train", "{records}", *TOY, "--learning_rate=nan", "--out={tmp}/run"),
    ),
    "records of another size": (
        1,
        "made with size 48",
        ("evaluate", "{run}", "{larger}"),
    ),
    "weights of another variant": (
        1,
        "holds toy v0, but this network is toy v1",
        ("train", "{records}", *TOY, "--weights={variant}", "--out={tmp}/run"),
    ),
    "resume on other records": (
        1,
        "another data",
        ("train", "{larger}", *TOY, "--epochs=6", "--out={run}", "--resume"),
    ),
    "one segment": (
        2,
        "num_segments",
        ("train", "{records}", *TOY, "--num_segments=1", "--out={tmp}/run"),
    ),
    "records missing": (
        1,
        "vidzoo prepare",
        ("train", "{tmp}/no", *TOY, "--out={tmp}/r"),
    ),
    "weights missing": (
        1,
        "no such weights",
        ("train", "{records}", *TOY, "--weights={tmp}/w.npz", "--out={tmp}/run"),
    ),
    "weights of no preset": (
        1,
        "neither a preset nor a file. Presets: googlenet_bvlc",
        ("train", "{records}", *TOY, "--weights=googlenet", "--out={tmp}/run"),
    ),
    "weights of another network's preset": (
        1,
        "holds weights of c3d sports1m, not of toy v1",
        (
            *("train", "{records}", *TOY, "--weights=c3d_sports1m"),
            *("--accept-license", "--out={tmp}/run"),
        ),
    ),
    "no weights on ImageNet": (
        1,
        "no weights of toy v1 that were trained on ImageNet",
        ("train", "{records}", *TOY, "--weights=imagenet", "--out={tmp}/run"),
    ),
    "weights of another backbone": (
        1,
        "built on resnet18",
        (
            "train",
            "{records}",
            "--model=tdn",
            "--backbone=resnet18",
            "--frame_size=32",
            "--weights={run}/weights.npz",
            "--out={tmp}/run",
        ),
    ),
    "run folder taken": (1, "--resume", ("train", "{records}", *TOY, "--out={run}")),
    "resume another model": (
        1,
        "another model",
        (
            "train",
            "{records}",
            "--model=tsn",
            *TOY[1:],
            "--out={run}",
            "--resume",
        ),
    ),
    "evaluate no run": (1, "no run folder", ("evaluate", "{tmp}", "{records}")),
    "evaluate other classes": (1, "classes", ("evaluate", "{run}", "{other}")),
    "unknown protocol": (
        2,
        "center",
        ("evaluate", "{run}", "{records}", "--protocol=x"),
    ),
    "crops that there are not": (
        2,
        "one of 1, 2, 5, 10 crops",
        ("evaluate", "{run}", "{records}", "--protocol=25x3"),
    ),
    "more devices than there are": (
        2,
        "--devices is 64; TensorFlow sees 1 of kind CPU",
        ("train", "{records}", *TOY, "--devices=64", "--out={tmp}/run"),
    ),
    "resume another recipe": (
        1,
        "another recipe (name): motion-shapes, not scratch",
        (
            *("train", "{records}", *TOY, "--epochs=6", "--recipe=scratch"),
            *("--out={run}", "--resume"),
        ),
    ),
    "resume another length": (
        1,
        "another recipe (phases)",
        ("train", "{records}", *TOY, "--epochs=7", "--out={run}", "--resume"),
    ),
    "epochs of a recipe that counts steps": (
        2,
        "Give --steps",
        ("train", "{records}", "--model=tdn", "--backbone=toy", "--recipe=hmdb51")
        + ("--epochs=3", "--out={tmp}/run"),
    ),
    "more lengths than phases": (
        2,
        "`epochs` has 3 values, the recipe 1 phases",
        ("train", "{records}", *TOY, "--epochs=3,4,5", "--out={tmp}/run"),
    ),
    "difference layers that are no prefix": (
        2,
        "`difference_layers`",
        ("train", "{records}", *TOY, "--difference_layers=res3", "--out={tmp}/run"),
    ),
    "difference layers of a TSN": (
        2,
        "--difference_merge is no option of tsn",
        (
            *("train", "{records}", "--model=tsn", *TOY[1:]),
            *("--difference_merge=conv", "--out={tmp}/run"),
        ),
    ),
    "a shard missing": (1, "the shard is missing", ("evaluate", "{run}", "{short}")),
    "a shard too many": (1, "not listed", ("evaluate", "{run}", "{long}")),
    "a shard altered": (
        1,
        "damaged: its SHA-256 is",
        ("train", "{altered}", *TOY, "--out={tmp}/run"),
    ),
    "a label beyond the classes": (
        1,
        "has the label 3; dataset.json lists 3 classes",
        ("train", "{beyond}", *TOY, "--out={tmp}/run"),
    ),
    "several labels under softmax": (
        1,
        "labels",
        ("train", "{several}", *TOY, "--out={tmp}/run"),
    ),
    "splits of one run": (
        2,
        "--split is for one run",
        ("evaluate", "{runs}", "{records}", "--split=test"),
    ),
    "export over something": (1, "exists", ("export", "{run}", "{tmp}")),
    "predict with no model": (
        1,
        "vidzoo export",
        ("predict", "x.avi", "--model={tmp}"),
    ),
}


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
