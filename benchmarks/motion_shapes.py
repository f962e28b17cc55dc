"""TSN on RGB and on flow, of videos whose classes differ in motion alone.

    python -m benchmarks.motion_shapes OUT

One frame, or frames without order, say nothing of these classes, so RGB is bound to
chance; one field of flow tells them apart. Interrupted, it goes on where it was when it
is started again.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import environment, running
from benchmarks.arguments import count
from vidzoo.tasks import evaluate, flow, run_folder, train
from vidzoo_data import synthetic

RECORD_SIZE, FRAME_SIZE = 64, 56


def main(argv=None) -> int:
    """Runs the benchmark and prints a line for each modality."""
    return running.run("motion_shapes", _parse(argv), measure, _show)


def _show(results):
    chance = 1 / results["num_classes"]
    for name, found in results["tsn"].items():
        sys.stdout.write(
            f"TSN on {name:5}{found['top1']:.3f}, 95 % interval {found['top1_low']:.3f}"
            f" to {found['top1_high']:.3f}; chance {chance:.3f}\n"
        )


def measure(args) -> dict:
    """Renders, stores, trains and scores; what was measured, JSON-ready."""
    videos, records = args.out / "videos", args.out / "records"
    synthetic.write(
        videos,
        num_train=args.num_train,
        num_test=args.num_test,
        seed=args.seed,
        with_flow=False,
    )
    listed = videos / "motion.csv"
    flow.run(listed, records, method=args.method, layout="csv", size=RECORD_SIZE)
    found = {}
    for modality in ("rgb", "flow"):
        run = args.out / modality
        train.run(
            records,
            run,
            model="tsn",
            modality=modality,
            backbone="tiny",
            recipe="motion-shapes",
            frame_size=FRAME_SIZE,
            seed=args.seed,
            num_devices=1,
            resume=(run / run_folder.DESCRIPTION).is_file(),
        )
        _, found[modality] = evaluate.run(run, records)
    return {
        "tsn": found,
        "num_classes": len(found["rgb"]["classes"]),
        "method": args.method,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.motion_shapes", *sys.argv[1:]]),
    }


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.motion_shapes")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument("--method", default="dis", help="of flow (dis)")
    parser.add_argument("--num_train", type=count, default=1600, help="videos (1600)")
    parser.add_argument("--num_test", type=count, default=400, help="videos (400)")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
