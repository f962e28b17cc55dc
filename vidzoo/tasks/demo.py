"""`vidzoo demo`: the whole way, from video files to a served classifier, on a CPU.

Renders motion shapes, whose classes differ in motion alone; trains TSN and TDN alike;
evaluates both; labels the same videos by shape and trains TSN once more, to show that
it can learn; exports the TDN; asks the SavedModel about a video file.
"""

import json
import logging
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from vidzoo.errors import UsageError, VidzooError
from vidzoo.progress import Progress
from vidzoo.tasks import evaluate, export, predict, prepare, train
from vidzoo_data import synthetic

_log = logging.getLogger("vidzoo")
_MARK = "motion-shapes-demo.json"
# For a process that knows TensorFlow only: load the SavedModel, classify a clip.
_TENSORFLOW_ONLY = """
import sys
sys.modules["keras"] = sys.modules["vidzoo"] = None  # importing them is an error
import tensorflow as tf
serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
shape = serve.structured_input_signature[1]["clip"].shape[1:]
scores = serve(clip=tf.zeros((2, *shape), tf.uint8))["scores"]
tf.debugging.assert_near(tf.reduce_sum(scores, axis=1), 1.0, atol=1e-5)
"""


@dataclass(frozen=True)
class Scale:
    """How much the demo does, and what TDN must reach."""

    num_train: int
    num_test: int
    epochs: int
    tdn_low: float  # lower end of the 95 % interval


SCALES = {"demo": Scale(3200, 800, 8, 0.60), "full": Scale(4800, 1600, 16, 0.80)}
RECORD_SIZE = 64
FRAME_SIZE = 56
SEED = 0


def run(out, *, full: bool = False) -> dict:
    """Runs the demo; a folder of an earlier, complete or interrupted demo is replaced.

    Args:
        out: the folder for all that is made.
        full: the longer demo, which reaches a higher accuracy.

    Returns:
        `rows`, one per trained network with its accuracy, what was expected and whether
        it holds; `passed`; `prediction`; `model`, the SavedModel; `seconds` by step.

    Raises:
        UsageError: `out` holds something else.
    """
    out = Path(out)
    scale = SCALES["full" if full else "demo"]
    _claim(out)
    clock = _Clock()
    with Progress("render", scale.num_train + scale.num_test, "videos") as progress:
        synthetic.write(
            out / "videos",
            num_train=scale.num_train,
            num_test=scale.num_test,
            seed=SEED,
            with_flow=False,
            on_progress=lambda done, total: progress.update(done),
        )
    clock.took("render")
    for label in ("motion", "shape"):
        prepare.run(
            out / "videos" / f"{label}.csv",
            out / f"{label}-records",
            layout="csv",
            size=RECORD_SIZE,
        )
    clock.took("prepare")
    rows = [
        _train_and_evaluate(out, "tdn", "motion", scale, clock),
        _train_and_evaluate(out, "tsn", "motion", scale, clock),
        _train_and_evaluate(out, "tsn", "shape", scale, clock),
    ]
    model = out / "model"
    export.run(out / "tdn-motion", model)
    _load_with_tensorflow_only(model)
    video = sorted((out / "videos" / "videos" / "test").rglob("*.avi"))[0]
    answer = predict.run([video], model)[0]
    clock.took("export and predict")
    results = {
        "num_test": scale.num_test,
        "rows": rows,
        "passed": all(row["passed"] for row in rows),
        "prediction": answer,
        "model": str(model),
        "seconds": clock.seconds,
    }
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    return results


def _claim(out):
    """Empties a folder that an earlier demo made; refuses any other with content."""
    if out.exists():
        if any(out.iterdir()) and not (out / _MARK).is_file():
            raise UsageError(f"{out}: holds something else. Choose another --out.")
        for entry in out.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _MARK:
                entry.unlink()
    out.mkdir(parents=True, exist_ok=True)
    (out / _MARK).write_text('{"made_by": "vidzoo demo"}\n')


def _train_and_evaluate(out, network, label, scale, clock):
    run = out / f"{network}-{label}"
    records = out / f"{label}-records"
    train.run(
        records,
        run,
        model=network,
        backbone="tiny",
        recipe="motion-shapes",
        changes={"epochs": scale.epochs},
        frame_size=FRAME_SIZE,
        seed=SEED,
        num_devices=1,  # so that its table does not depend on the machine
    )
    clock.took(f"train {network} on {label}")
    _, measured = evaluate.run(run, records)
    clock.took("evaluate")
    low, top1 = measured["top1_low"], measured["top1"]
    if network == "tdn":
        passed, expected = low >= scale.tdn_low, f"low end >= {scale.tdn_low:.2f}"
    elif label == "motion":
        passed, expected = top1 <= 0.30, "<= 0.30 (chance 0.125)"
    else:
        passed, expected = top1 >= 0.80, ">= 0.80 (chance 0.25)"
    return {
        "network": network.upper(),
        "label": label,
        "top1": top1,
        "low": low,
        "high": measured["top1_high"],
        "expected": expected,
        "passed": passed,
    }


def _load_with_tensorflow_only(model):
    command = [sys.executable, "-c", _TENSORFLOW_ONLY, str(model)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise VidzooError(f"{model}: TensorFlow alone cannot serve it: {why}")
    _log.info("%s: served by a process that imports TensorFlow only", model)


class _Clock:
    """Seconds by step; a step that comes again is added up."""

    def __init__(self):
        self.seconds = {}
        self._last = time.monotonic()

    def took(self, step):
        now = time.monotonic()
        self.seconds[step] = self.seconds.get(step, 0.0) + now - self._last
        self._last = now
