"""TDN against TSN on a small real data set: several seeds, and a paired interval.

    python -m benchmarks.tdn_against_tsn VIDEOS SPLITS OUT --weights=bvlc_googlenet.npz

VIDEOS holds a folder of clips per class, SPLITS the official split files of HMDB51, of
which those classes and clips are taken. For every seed it trains a TSN and a TDN on
GoogLeNet by the recipe `finetune` (clips of 160 pixels) and scores both on the same
views of the test videos. The difference comes with a 95 % interval: a bootstrap over
test videos, each with all of both networks' answers.

`--held_out` trains and scores on split 1's training videos alone, so that settings can
be chosen without a look at split 1's test videos: they are cut into five parts, and
seed 0 is scored on the first, seed 1 on the second, after training on the other four.
Clips cut from one recording stay in one part. Some of these videos are test videos of
splits 2 and 3, so what was chosen here is clean for split 1, the default, alone.
Interrupted, it goes on where it was when it is started again.
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
from vidzoo.tasks import evaluate, prepare, run_folder, train

RECORD_SIZE = FRAME_SIZE = 160
NETWORKS = ("tsn", "tdn")


def main(argv=None) -> int:
    """Runs the benchmark and prints its table."""
    parser = clips_parser("tdn_against_tsn")
    parser.add_argument("--protocol", default="5x2", help="of the test (5x2)")
    parser.add_argument("--official_splits", default="1", help="such as 1,2,3 (1)")
    args = parser.parse_args(argv)
    show_vidzoo_logs_only()
    try:
        return _run(args)
    except VidzooError as error:
        sys.stderr.write(f"benchmarks.tdn_against_tsn: {error}\n")
        return 1


def _run(args):
    args.out.mkdir(parents=True, exist_ok=True)
    listed = args.out / "videos.csv"
    write_text(listed, as_csv(rows_of(args.videos, args.splits)))
    records = args.out / "records"
    prepare.run(listed, records, layout="csv", root=args.videos, size=RECORD_SIZE)
    numbers = args.official_splits.split(",")
    official = [(f"train{i}", f"test{i}") for i in numbers]
    scores = {network: {} for network in NETWORKS}
    for seed in map(int, args.seeds.split(",")):
        fold = seed % NUM_FOLDS
        held_out = [(f"fit1-{fold}", f"val1-{fold}")]
        for fit, test in held_out if args.held_out else official:
            for network in NETWORKS:
                found = _one(args, records, network, fit, test, seed)
                scores[network][f"{test}, seed {seed}"] = found
    results = compare(scores) | {
        "protocol": args.protocol,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.tdn_against_tsn", *sys.argv[1:]]),
    }
    name = "held-out.json" if args.held_out else "results.json"
    write_text(args.out / name, json.dumps(results, indent=1) + "\n")
    _show(results)
    return 0


def compare(scores: dict) -> dict:
    """Accuracies by run, their means, and the difference with its interval.

    Args:
        scores: network -> run, a test split and a seed -> `Scores`; both networks have
            the same runs on the same videos.
    """
    runs = list(scores["tsn"])
    correct = {
        network: {run: correct_answers(scores[network][run]) for run in runs}
        for network in NETWORKS
    }
    streams = {
        f"tdn, {name} alone": {
            run: correct_answers(scores["tdn"][run], logits=name) for run in runs
        }
        for name in scores["tdn"][runs[0]].streams
    }
    accuracies = {
        name: {run: float(np.mean(list(by[run].values()))) for run in runs}
        for name, by in (correct | streams).items()
    }
    means = {name: float(np.mean(list(by.values()))) for name, by in accuracies.items()}
    videos = sorted({video for run in runs for video in correct["tsn"][run]})
    answers = [per_video(correct[network], videos) for network in ("tdn", "tsn")]
    difference, low, high = metrics.paired_bootstrap(*answers)
    return {
        "accuracies": accuracies,
        "means": means,
        "difference": difference,
        "difference_low": low,
        "difference_high": high,
        "num_test": {run: len(correct["tsn"][run]) for run in runs},
        "num_videos": len(videos),
    }


def _one(args, records, network, fit, test, seed):
    run = args.out / f"{network}-{fit}-seed{seed}"
    train.run(
        records,
        run,
        model=network,
        backbone="googlenet",
        recipe="finetune",
        frame_size=FRAME_SIZE,
        weights=args.weights,
        split=fit,
        seed=seed,
        num_devices=1,
        resume=(run / run_folder.DESCRIPTION).is_file(),  # checked to be this very run
    )
    scores, _ = evaluate.run(run, records, protocol=args.protocol, split=test)
    return scores


def _show(results):
    names = ("difference", "difference_low", "difference_high")
    difference = tuple(results[name] for name in names)
    title = f"top-1, protocol {results['protocol']}"
    show(results, title, "network", {"TDN - TSN": difference})


if __name__ == "__main__":
    sys.exit(main())
