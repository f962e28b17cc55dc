"""What a measurement says, not how fast anything is."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from benchmarks import input_pipeline, run, step, timing
from vidzoo import models
from vidzoo.training import RECIPES, devices, trainer
from vidzoo_data import clips

TINY = ("--batch_size=2", "--frame_size=32", "--steps=2", "--warmup=1")
TINY_MODEL = ("--model=tdn", "--backbone=tiny", *TINY)
KEYS = {
    *("mode", "model", "backbone", "num_classes", "num_parameters", "num_segments"),
    *("frame_size", "batch_size", "loop", "data", "jit_compile", "precision"),
    *("workers", "seed", "warmup", "steps", "first_step_seconds", "ms_per_step"),
    *("clips_per_second", "peak_memory_bytes", "backend", "versions", "devices"),
    *("processor", "num_cpus", "onednn", "commit", "command"),
}


@pytest.fixture
def measured(capsys):
    def of(*flags):
        assert run.main([*flags, "--json"]) == run.DONE
        return json.loads(capsys.readouterr().out)

    return of


def check(record):
    assert set(record) == KEYS
    ms = record["ms_per_step"]
    numbers = [*ms.values(), record["clips_per_second"], record["first_step_seconds"]]
    assert all(math.isfinite(number) and number > 0 for number in numbers)
    assert ms["p10"] <= ms["median"] <= ms["p90"]
    per_second = record["batch_size"] / (ms["median"] / 1000)
    assert record["clips_per_second"] == pytest.approx(per_second)
    assert record["peak_memory_bytes"] > 2**20
    assert record["versions"]["keras"] == keras.__version__
    assert record["devices"]
    assert record["onednn"] == devices.onednn()


def test_train_runs_the_step_of_vidzoo_train(measured, monkeypatch):
    calls = []

    class Counted(trainer.PhaseRun):
        def __init__(self, model, phase, steps_per_epoch, jit_compile):
            super().__init__(model, phase, steps_per_epoch, jit_compile)
            assert phase == RECIPES["finetune"]["tsn"]["rgb"].phases[0]
            before, taken = self.step, self.optimizer.variables[0]

            def counting(*batch):
                answer = before(*batch)
                calls.append(int(taken))  # the optimizer's count of steps
                return answer

            self.step = counting

    monkeypatch.setattr(trainer, "PhaseRun", Counted)
    record = measured("--mode=train", *TINY_MODEL)
    check(record)
    assert calls == [1, 2, 3]
    assert record["loop"] == "the step of `vidzoo train`, recipe finetune"
    assert record["jit_compile"] is False
    assert record["precision"] == "float32"
    network = models.TDN(run.NUM_CLASSES, backbone="tiny", frame_shape=(32, 32, 3))
    assert record["num_parameters"] == network.count_params()


def test_infer_with_jit_says_so(measured):
    record = measured("--mode=infer", *TINY_MODEL, "--jit_compile")
    check(record)
    assert record["jit_compile"] is True


def test_mixed_precision_says_so_and_ends_with_the_run(measured):
    record = measured("--mode=infer", *TINY_MODEL, "--mixed_precision")
    check(record)
    assert record["precision"] == "mixed_bfloat16"
    assert keras.config.dtype_policy().name == "float32"


def test_input_on_synthetic_records_says_so(measured):
    record = measured("--mode=input", *TINY, "--workers=1")
    check(record)
    assert record["data"].startswith("synthetic random texture")
    assert record["workers"] == 1
    assert record["model"] is record["num_parameters"] is None


def test_input_on_given_records(measured, tmp_path):
    input_pipeline.synthetic_records(tmp_path, 32, seed=0)
    record = measured("--mode=input", *TINY, f"--records={tmp_path}")
    check(record)
    assert record["data"] == f"{tmp_path}; 8 videos"


def test_synthetic_records_hold_whole_random_videos(tmp_path):
    records = input_pipeline.synthetic_records(tmp_path, 32, seed=0)
    batches = clips.center_batches(
        records,
        "train",
        sampling=clips.Segments(2),
        crop=clips.CenterCrop(32),
        batch_size=8,
    )
    (batch,) = batches.as_numpy_iterator()
    assert batch["rgb"].shape == (8, 2, 32, 32, 3)
    assert batch["rgb"].std() > 20
    assert batch["label"].tolist() == [0, 1] * 4
    assert sorted(i.decode() for i in batch["video_id"]) == list(records.videos)


def test_keras_own_loop_trains_on_vidzoos_loss():
    keras.utils.set_random_seed(0)
    model = models.TDN(3, backbone="tiny", frame_shape=(32, 32, 3), dropout=0.0)
    clip, label = step._random_batch((2, 3, 32, 32, 3), 3, seed=0)
    before = [np.array(variable) for variable in model.trainable_variables]
    train_step = step._keras_step(model, clip, label, jit_compile=False)
    losses = [train_step() for _ in range(8)]
    pairs = zip(before, model.trainable_variables, strict=True)
    assert any(np.any(old != np.array(new)) for old, new in pairs)
    assert losses[-1] < losses[0]


def test_table_and_file_say_the_same(capsys, tmp_path):
    out = tmp_path / "measured.json"
    assert run.main(["--mode=infer", *TINY_MODEL, f"--out={out}"]) == run.DONE
    record = json.loads(out.read_text())
    check(record)
    table = capsys.readouterr().out
    assert f"{record['clips_per_second']:.4g}" in table
    assert "jit                              │ off" in table
    assert f"--out={out}" in record["command"]


def test_times_are_of_the_steps_after_warm_up(monkeypatch):
    clock = iter([0, 5, 10, 11, 20, 20.1, 30, 30.2, 40, 40.3])  # start, end, start ...
    monkeypatch.setattr(timing.time, "perf_counter", lambda: next(clock))
    timed = timing.measure(lambda: None, warmup=2, steps=3)
    record = timed.as_dict(batch_size=4)
    assert record["first_step_seconds"] == 5
    assert record["ms_per_step"]["median"] == pytest.approx(200)
    assert record["ms_per_step"]["p10"] == pytest.approx(120)
    assert record["ms_per_step"]["p90"] == pytest.approx(280)
    assert record["ms_per_step"]["mean"] == pytest.approx(200)
    assert record["clips_per_second"] == pytest.approx(20)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--mode=train", "--model=i3d", *TINY), "no model 'i3d'"),
        (("--mode=infer", "--model=tsn", "--backbone=vgg", *TINY), "no backbone 'vgg'"),
        (("--mode=serve", *TINY_MODEL), "invalid choice: 'serve'"),
        (("--mode=train", *TINY), "--mode=train needs --model."),
        (("--mode=input", *TINY, "--jit_compile"), "--jit_compile has no effect"),
        (("--mode=train", *TINY_MODEL, "--workers=2"), "--workers has no effect"),
        (("--mode=train", *TINY_MODEL, "--steps=0"), "give a number of 1 or more"),
        (("--mode=train", *TINY_MODEL, "--num_segments=1"), "`num_segments` must be"),
        (("--mode=input", *TINY, "--out=nowhere/a.json"), "no such folder: nowhere"),
        (("--mode=train", *TINY_MODEL, "--speed=9"), "--speed=9"),
    ],
)
def test_bad_flags_exit_2_with_the_known_names_in_one_line(capsys, flags, message):
    assert run.main(flags) == run.USAGE
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert "Models: tsn, tdn, cnn_m_2048, feature_pooling, " in printed.err
    assert "Modes: train, infer, input." in printed.err


def test_missing_records_fail_in_one_line(capsys, tmp_path):
    flags = ("--mode=input", *TINY, f"--records={tmp_path / 'none'}")
    assert run.main(flags) == run.FAILED
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no such folder of records" in error


@pytest.mark.slow
def test_other_backends_need_no_tensorflow():
    backend = next((b for b in ("jax", "torch") if importlib.util.find_spec(b)), None)
    if backend is None:
        pytest.skip("neither jax nor torch is installed")
    script = (
        "import sys; sys.modules['tensorflow'] = None\n"
        "from benchmarks import run; sys.exit(run.main(sys.argv[1:]))"
    )
    flags = ("--mode=train", *TINY_MODEL, "--jit_compile", "--json")
    answer = subprocess.run(
        [sys.executable, "-c", script, *flags],
        env=os.environ | {"KERAS_BACKEND": backend},
        cwd=Path(run.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    record = json.loads(answer.stdout)
    check(record)
    assert record["backend"] == backend
    assert record["loop"].startswith("keras train_on_batch")
