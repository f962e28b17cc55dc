"""What ActionFlowNet costs at full size: inference without its decoder, and training.

    python -m benchmarks.actionflownet_cost OUT

Inference, in one process and in turn: the classifier that is left when the decoder is
dropped, the bare encoder with a classifier (`ResNet3D`), and the multitask network, on
the same clips of 16 frames of 224 pixels. Training: processes of their own take steps
at batches of 1, 2 and 3, and tell clips per second and their peak of memory; its slope
is what a further clip needs, from which the sum to batches of 128 follows.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks import environment, timing
from benchmarks.arguments import count
from vidzoo import models
from vidzoo.atomic import write_text
from vidzoo.losses import prediction
from vidzoo.models import actionflownet
from vidzoo.quiet import show_vidzoo_logs_only

NUM_CLASSES, FULL_BATCH = 101, 128
BATCHES = (1, 2, 3)
_GIGABYTE = 2**30
_TRAIN = """
import sys, time
import numpy as np
import tensorflow as tf
from vidzoo import models
from vidzoo.training import RECIPES
from vidzoo.training.trainer import PhaseRun
batch, steps = map(int, sys.argv[1:])
recipe = RECIPES["ucf101"]["actionflownet"]["rgb"]
model = models.ActionFlowNet(101)
run = PhaseRun(model, recipe.phases[0], 1000, False, recipe=recipe)
random = np.random.default_rng(0)
clip = tf.constant(random.integers(0, 256, (batch, 16, 224, 224, 3), dtype=np.uint8))
flow = tf.constant(random.normal(0, 2, (batch, 16, 224, 224, 2)).astype("float32"))
seconds = []
for _ in range(steps):
    started = time.perf_counter()
    loss = float(run.step(clip, tf.zeros(batch, tf.int32), flow)[0])
    assert np.isfinite(loss)
    seconds.append(time.perf_counter() - started)
# Of this process alone: what `resource` tells begins at its parent's.
with open("/proc/self/status") as status:
    peak = next(line for line in status if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024, np.median(seconds[1:]))
"""


def main(argv=None) -> int:
    """Runs the benchmark and prints what it measured."""
    args = _parse(argv)
    show_vidzoo_logs_only()
    args.out.mkdir(parents=True, exist_ok=True)
    results = {
        "inference": measure_inference(args.batch_size, args.rounds),
        "training": measure_training(args.steps),
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.actionflownet_cost", *sys.argv[1:]]),
    }
    write_text(args.out / "results.json", json.dumps(results, indent=1) + "\n")
    sys.stdout.write("\n".join(_lines(results)) + "\n")
    return 0


def measure_inference(batch_size: int, rounds: int, **arguments) -> dict:
    """Seconds of a forward pass of three networks, in turn, and their ratios.

    Args:
        batch_size: clips at once.
        rounds: of all three.
        **arguments: of the builders, for a smaller size.
    """
    multitask = models.ActionFlowNet(NUM_CLASSES, **arguments)
    networks = {
        "classifier": actionflownet.classifier(multitask),
        "bare encoder": models.ResNet3D(NUM_CLASSES, variant="actionflownet"),
        "multitask": multitask,
    }
    if arguments:  # the encoder alone of another size is the same builder's
        networks["bare encoder"] = models.ActionFlowNet(
            NUM_CLASSES, decoder=False, **arguments
        )
    shape = (batch_size, *multitask.input.shape[1:])
    clip = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    clip = tf.constant(clip)
    steps = {name: _forward(model, clip) for name, model in networks.items()}
    for step in steps.values():
        step()  # traces
    seconds = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            seconds[name].append(_seconds(step))
    ratios = {
        other: np.array(seconds[other]) / np.array(seconds["classifier"])
        for other in ("bare encoder", "multitask")
    }
    return {
        "batch_size": batch_size,
        "seconds": {name: timing.spread(each) for name, each in seconds.items()},
        "times as long as the classifier": {
            name: timing.spread(each) for name, each in ratios.items()
        },
    }


def _forward(model, clip):
    """A forward pass, compiled, of which every output is waited for."""
    compiled = tf.function(lambda x: model(x, training=False))

    def step():
        outputs = compiled(clip)
        prediction(outputs).numpy()
        if isinstance(outputs, dict) and "flow" in outputs:
            outputs["flow"].numpy()

    return step


def _seconds(step):
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def measure_training(steps: int, batches=BATCHES) -> dict:
    """Peak memory and seconds of training steps, and the sum to a batch of 128."""
    found = {}
    for batch in batches:
        command = [sys.executable, "-c", _TRAIN, str(batch), str(steps)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peak, seconds = map(float, done.stdout.split())
        found[batch] = {"peak_bytes": int(peak), "clips_per_second": batch / seconds}
    return {"steps": steps, "batches": found} | planned(found)


def planned(found) -> dict:
    """The memory of a clip, and of what is there once; by a line through the peaks.

    Args:
        found: batch size -> with `peak_bytes`.
    """
    sizes = np.array(list(found), np.float64)
    peaks = np.array([each["peak_bytes"] for each in found.values()], np.float64)
    per_clip, fixed = np.polyfit(sizes, peaks, 1)
    return {
        "bytes_per_clip": float(per_clip),
        "fixed_bytes": float(fixed),
        "bytes_per_device": {
            num_devices: float(fixed + per_clip * FULL_BATCH / num_devices)
            for num_devices in (1, 2, 4, 8, 16)
        },
    }


def _lines(results):
    inference, train = results["inference"], results["training"]
    for name, each in inference["seconds"].items():
        yield f"{name}: {each['median']:.3f} s for {inference['batch_size']} clips"
    for name, each in inference["times as long as the classifier"].items():
        yield (
            f"{name} / classifier: {each['median']:.3f} "
            f"({each['min']:.3f} to {each['max']:.3f})"
        )
    for batch, each in train["batches"].items():
        yield (
            f"training, {train['steps']} steps of {batch} clips: peak "
            f"{each['peak_bytes'] / _GIGABYTE:.2f} GiB, "
            f"{each['clips_per_second']:.3f} clips/s"
        )
    yield (
        f"a further clip needs {train['bytes_per_clip'] / _GIGABYTE:.2f} GiB, beside "
        f"{train['fixed_bytes'] / _GIGABYTE:.2f} GiB"
    )
    for num_devices, size in train["bytes_per_device"].items():
        yield f"batch {FULL_BATCH} on {num_devices}: {size / _GIGABYTE:.1f} GiB on each"


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.actionflownet_cost")
    parser.add_argument("out", type=Path, help="folder for the results")
    parser.add_argument("--batch_size", type=count, default=1, help="clips (1)")
    parser.add_argument("--rounds", type=count, default=10, help="of inference (10)")
    parser.add_argument("--steps", type=count, default=3, help="of training (3)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
