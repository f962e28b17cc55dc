"""TensorFlow's oneDNN kernels on a CPU, off and on, in turn.

    python -m benchmarks.onednn OUT

Every round starts a process without them and one with them, in turns the other way
round. Each takes training steps and forward passes of two networks of 2-D convolutions
and three of 3-D ones, on small random clips in memory; a time is the median step's.
Told are the median, least and largest ratio of the rounds.
"""

import argparse
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks import environment, running, timing
from benchmarks.arguments import count
from vidzoo import models
from vidzoo.errors import VidzooError

NUM_CLASSES = 10
_OF_2D = {"frame_shape": (112, 112, 3)}
# Network -> what builds it, and clips of a batch.
NETWORKS = {
    "TSN on GoogLeNet": (partial(models.TSN, backbone="googlenet", **_OF_2D), 4),
    "TDN on ResNet-18": (partial(models.TDN, backbone="resnet18", **_OF_2D), 4),
    "ResNet3D": (partial(models.ResNet3D, num_frames=16, frame_shape=(32, 32, 3)), 1),
    "small encoder": (
        partial(
            models.ActionFlowNet,
            backbone="tiny3d",
            decoder=False,
            frame_shape=(64, 64, 3),
        ),
        2,
    ),
    "C3D": (partial(models.C3D, frame_shape=(64, 64, 3)), 1),
}
MODES = ("train", "infer")
_MEASURE = """
import sys
from benchmarks import onednn
onednn.measure_here(*map(int, sys.argv[1:]))
"""


def main(argv=None) -> int:
    """Runs the benchmark and prints its table."""
    return running.run("onednn", _parse(argv), measure, _show)


def _parse(argv):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onednn")
    parser.add_argument("out", metavar="OUT", type=Path, help="folder of results.json")
    parser.add_argument("--rounds", type=count, default=3, help="each off and on (3)")
    parser.add_argument("--steps", type=count, default=3, help="measured (3)")
    parser.add_argument("--seed", type=int, default=0, help="of the clips (0)")
    return parser.parse_args(argv)


def measure(args) -> dict:
    """Milliseconds of a step without and with oneDNN, and their ratios, JSON-ready."""
    args.out.mkdir(parents=True, exist_ok=True)
    rounds = []
    for number in range(args.rounds):
        order = (False, True) if number % 2 == 0 else (True, False)
        found = {on: _in_a_process(on, args.steps, args.seed) for on in order}
        rounds.append((found[False], found[True]))
        sys.stderr.write(f"onednn: {len(rounds)}/{args.rounds} rounds\n")
    about = environment.describe()
    del about["onednn"]  # of this process, which measures nothing
    return compared(rounds) | {
        "environment": about,
        "command": " ".join(["python -m benchmarks.onednn", *sys.argv[1:]]),
    }


def _in_a_process(on, steps, seed):
    flags = {
        "TF_ENABLE_ONEDNN_OPTS": str(int(on)),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(steps), str(seed)],
        env=os.environ | flags,
        stdout=subprocess.PIPE,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    if found["onednn"] != on:
        raise VidzooError(
            f"this TensorFlow leaves oneDNN {'off' if on else 'on'} whatever it is "
            "told; there is nothing to compare. Use one for Linux on x86-64."
        )
    return found["milliseconds"]


def measure_here(steps: int, seed: int) -> None:
    """Prints, as JSON, network -> mode -> median milliseconds, in this process."""
    from benchmarks import step
    from vidzoo.training import devices

    found = {}
    for name, (build, batch_size) in NETWORKS.items():
        model = build(NUM_CLASSES)
        shape = (batch_size, *model.input.shape[1:])
        found[name] = {}
        for mode in MODES:
            workload = getattr(step, mode)(model, shape, jit_compile=False, seed=seed)
            timed = timing.measure(workload.step, warmup=1, steps=steps)
            found[name][mode] = float(np.median(timed.milliseconds))
    told = {"onednn": devices.onednn(), "milliseconds": found}
    sys.stdout.write(json.dumps(told) + "\n")


def compared(rounds) -> dict:
    """What several rounds found, without oneDNN and with it.

    Args:
        rounds: of each `(off, on)`, either one network -> mode -> milliseconds.
    """

    def over_rounds(value):
        return {
            name: {
                mode: timing.spread(
                    [value(off[name][mode], on[name][mode]) for off, on in rounds]
                )
                for mode in MODES
            }
            for name in rounds[0][0]
        }

    return {
        "milliseconds off": over_rounds(lambda off, on: off),
        "milliseconds on": over_rounds(lambda off, on: on),
        "times as long without": over_rounds(lambda off, on: off / on),
    }


def _show(results):
    for name, modes in results["times as long without"].items():
        for mode, each in modes.items():
            on = results["milliseconds on"][name][mode]["median"]
            sys.stdout.write(
                f"{name:17} {mode}: {each['median']:.2f} times as long without oneDNN"
                f" ({each['min']:.2f} to {each['max']:.2f}); with it {on:.0f} ms\n"
            )


if __name__ == "__main__":
    sys.exit(main())
