"""RGB, flow and both on a small real data set: several seeds, and paired intervals.

    python -m benchmarks.two_stream VIDEOS SPLITS OUT --weights=bvlc_googlenet.npz

VIDEOS and SPLITS are as in `benchmarks.tdn_against_tsn`. It stores the clips at 128
pixels and 15 frames per second with their flow, and for every seed trains a TSN on RGB
and one on flow, on GoogLeNet by the recipe `finetune` (clips of 112 pixels). Both are
scored on the test videos and fused, RGB to flow as 1 to 1.5. Differences come with a
95 % interval: a bootstrap over test videos, each with all answers.

`--held_out` trains and scores on split 1's training videos alone, as
`benchmarks.tdn_against_tsn` has it. Interrupted, it goes on where it was when it is
started again.
"""

import json
import sys

import numpy as np

from benchmarks import environment
from benchmarks.hmdb51_clips import NUM_FOLDS, as_csv, clips_parser, rows_of
from benchmarks.paired import correct_answers, per_video, show
from vidzoo import metrics
from vidzoo.atomic import write_text
from vidzoo.errors import VidzooError
from vidzoo.quiet import show_vidzoo_logs_only
from vidzoo.tasks import flow, prepare, run_folder, two_stream

RECORD_SIZE, FRAME_SIZE, FPS = 128, 112, 15.0
NETWORKS = ("rgb", "flow", "fusion")


def main(argv=None) -> int:
    """Runs the benchmark and prints its table."""
    args = _parse(argv)
    show_vidzoo_logs_only()
    try:
        return _run(args)
    except VidzooError as error:
        sys.stderr.write(f"benchmarks.two_stream: {error}\n")
        return 1


def _parse(argv):
    parser = clips_parser("two_stream")
    parser.add_argument("--method", default="tvl1", help="of flow (tvl1)")
    parser.add_argument("--protocol", default="5x2", help="of the test (5x2)")
    return parser.parse_args(argv)


def _run(args):
    args.out.mkdir(parents=True, exist_ok=True)
    listed = args.out / "videos.csv"
    write_text(listed, as_csv(rows_of(args.videos, args.splits)))
    frames, records = args.out / "records", args.out / f"records-{args.method}"
    how = {"layout": "csv", "root": args.videos, "size": RECORD_SIZE, "fps": FPS}
    prepare.run(listed, frames, **how)
    flow.run(frames, records, method=args.method)
    scores = {}
    for seed in map(int, args.seeds.split(",")):
        fold = seed % NUM_FOLDS
        fit, test = "train1", "test1"
        if args.held_out:
            fit, test = f"fit1-{fold}", f"val1-{fold}"
        scores[f"{test}, seed {seed}"] = _one(args, records, fit, test, seed)
    results = compare(scores) | {
        "method": args.method,
        "protocol": args.protocol,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.two_stream", *sys.argv[1:]]),
    }
    name = "held-out.json" if args.held_out else "results.json"
    write_text(args.out / name, json.dumps(results, indent=1) + "\n")
    _show(results)
    return 0


def _one(args, records, fit, test, seed):
    """Fused scores of one training, with both streams' own."""
    run = args.out / f"{args.method}-{fit}-seed{seed}"
    begun = (run / "rgb" / run_folder.DESCRIPTION).is_file()
    two_stream.train(
        records,
        run,
        model="tsn",
        backbone="googlenet",
        recipe="finetune",
        frame_size=FRAME_SIZE,
        weights=args.weights,
        split=fit,
        seed=seed,
        num_devices=1,
        resume=begun,  # checked to be this very run
    )
    scores, _ = two_stream.evaluate(run, records, protocol=args.protocol, split=test)
    return scores


def compare(scores: dict) -> dict:
    """Accuracies by run, their means, and differences with their intervals.

    Args:
        scores: run, a test split and a seed -> fused `Scores` of `rgb` and `flow`.
    """
    correct = {
        network: {
            run: correct_answers(each, None if network == "fusion" else network)
            for run, each in scores.items()
        }
        for network in NETWORKS
    }
    videos = sorted({video for by in correct["rgb"].values() for video in by})
    shares = {name: per_video(by, videos) for name, by in correct.items()}
    means = {name: float(each.mean()) for name, each in shares.items()}
    better = max(("rgb", "flow"), key=means.get)
    differences = {}
    for one, other in (("fusion", better), ("flow", "rgb")):
        found = metrics.paired_bootstrap(shares[one], shares[other])
        differences[f"{one} - {other}"] = dict(
            zip(("difference", "low", "high"), found, strict=True)
        )
    return {
        "accuracies": {
            name: {run: float(np.mean(list(each.values()))) for run, each in by.items()}
            for name, by in correct.items()
        },
        "means": means,
        "differences": differences,
        "num_test": {run: len(each) for run, each in correct["rgb"].items()},
        "num_videos": len(videos),
    }


def _show(results):
    differences = {
        name: tuple(found.values()) for name, found in results["differences"].items()
    }
    title = f"top-1, {results['method']}, protocol {results['protocol']}"
    show(results, title, "TSN on", differences)


if __name__ == "__main__":
    sys.exit(main())
