"""Which networks of full-length video see the order of frames.

    python -m benchmarks.frame_order OUT

Videos of motion shapes: eight classes that differ in motion alone, each with a twin
that shows the same frames in the other order. Every test video is shown forwards and
backwards, so that what is blind to order answers alike to two videos of two classes,
and cannot pass 50 %. The interval is a bootstrap over these pairs.
Interrupted, it goes on where it was when it is started again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from benchmarks import environment, running
from benchmarks.arguments import count
from benchmarks.paired import correct_answers
from vidzoo import metrics
from vidzoo.evaluation import Scores
from vidzoo.tasks import evaluate, prepare, run_folder, train
from vidzoo_data import synthetic

RECORD_SIZE, FRAME_SIZE = 64, 56
NUM_FRAMES = 15  # of a video and of a clip: two windows
_POOLING = {"model": "feature_pooling", "model_options": {"fc_size": 256}}
_LSTM = {"num_layers": 2, "num_cells": 256}


def _pooling(pooling):
    options = _POOLING["model_options"] | {"pooling": pooling}
    return _POOLING | {"model_options": options}


# name -> arguments of `train.run`
NETWORKS = {
    "LSTM": {"model": "lstm_classifier", "model_options": _LSTM},
    "time-domain convolution": _pooling("time_domain_conv"),
    "local pooling": _pooling("local"),
    "slow pooling": _pooling("slow"),
    "GoogLeNet-style": _pooling("conv") | {"backbone": "tiny_average"},
    "conv pooling": _pooling("conv"),
    "late pooling": _pooling("late"),
    "single frame": {"model": "single_frame", "changes": {"num_frames": 1}},
}


def main(argv=None) -> int:
    """Runs the benchmark and prints a line for each network."""
    return running.run("frame_order", _parse(argv), measure, _show)


def _show(results):
    for name, found in results["networks"].items():
        sys.stdout.write(
            f"{name:24}{found['top1']:.3f}, 95 % interval {found['low']:.3f} to "
            f"{found['high']:.3f}\n"
        )


def measure(args) -> dict:
    """Renders, stores, trains and scores; what was measured, JSON-ready."""
    videos, records = args.out / "videos", args.out / "records"
    synthetic.write(
        videos,
        num_train=args.num_train,
        num_test=args.num_test,
        num_frames=NUM_FRAMES,
        seed=args.seed,
        with_flow=False,
        with_twins=True,
    )
    twins = args.out / "twins"
    for listed, folder in (("motion.csv", records), ("twins.csv", twins)):
        prepare.run(videos / listed, folder, layout="csv", size=RECORD_SIZE)
    return {
        "networks": {name: _one(name, records, twins, args) for name in NETWORKS},
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.frame_order", *sys.argv[1:]]),
    }


def _one(name, records, twins, args):
    """What one network measures after its training."""
    run = args.out / name.replace(" ", "-")
    changes = {"num_frames": NUM_FRAMES, "epochs": args.epochs}
    options = {"backbone": "tiny"} | NETWORKS[name]
    train.run(
        records,
        run,
        recipe="motion-shapes",
        frame_size=FRAME_SIZE,
        seed=args.seed,
        num_devices=1,
        resume=(run / run_folder.DESCRIPTION).is_file(),
        **options | {"changes": changes | options.get("changes", {})},
    )
    # A network on single frames has 15 of them to average.
    protocol = f"{NUM_FRAMES}x1" if name == "single frame" else "center"
    forwards, backwards = (
        evaluate.run(run, folder, protocol=protocol, split=split)[0]
        for split, folder in (("test", records), ("twins", twins))
    )
    return measured(forwards, backwards)


def measured(forwards: Scores, backwards: Scores) -> dict:
    """Accuracy on pairs of twins, with its 95 % interval.

    Args:
        forwards: of the test videos.
        backwards: of their twins, under the same names but for the folder.
    """
    correct = {
        Path(name).name: [is_right]
        for name, is_right in correct_answers(forwards).items()
    }
    for name, is_right in correct_answers(backwards).items():
        correct[Path(name).name].append(is_right)
    shares = np.array([*correct.values()], np.float64).mean(axis=1)
    top1, low, high = metrics.paired_bootstrap(shares, np.zeros_like(shares))
    return {"top1": top1, "low": low, "high": high, "num_pairs": len(shares)}


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.frame_order")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument("--num_train", type=count, default=3200, help="videos (3200)")
    parser.add_argument("--num_test", type=count, default=800, help="videos (800)")
    parser.add_argument("--epochs", type=count, default=8, help="of each (8)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
