"""Fine-tuning on a small data set: TSN on GoogLeNet, several seeds, and a baseline.

    python -m benchmarks.small_data VIDEOS.csv OUT --weights=bvlc_googlenet.npz

prepares the videos (160 pixels on the short side), and for every seed trains, evaluates
and exports a TSN, then asks the SavedModel about the files of the test split. Beside it
stands what a linear classifier reaches on frozen features. Interrupted, it goes on
where it was when it is started again.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from benchmarks import environment
from vidzoo import metrics, models
from vidzoo.atomic import write_text
from vidzoo.errors import VideoError, VidzooError
from vidzoo.progress import Progress
from vidzoo.quiet import show_vidzoo_logs_only
from vidzoo.tasks import evaluate, export, predict, prepare, run_folder, train
from vidzoo_data import clips
from vidzoo_data.records.read import Records

RECORD_SIZE = FRAME_SIZE = 160
NUM_SEGMENTS = 3


def main(argv=None) -> int:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(prog="benchmarks.small_data")
    parser.add_argument("videos", help="CSV of path, label and split or subset")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument("--weights", required=True, help="bvlc GoogLeNet as .npz")
    parser.add_argument("--seeds", default="0,1,2", help="comma-separated (0,1,2)")
    parser.add_argument("--epochs", type=int, help="in place of the recipe's")
    args = parser.parse_args(argv)
    show_vidzoo_logs_only()

    try:
        return _run(args)
    except VidzooError as error:
        sys.stderr.write(f"benchmarks.small_data: {error}\n")
        return 1


def _run(args):
    records = args.out / "records"
    summary = prepare.run(args.videos, records, layout="csv", size=RECORD_SIZE)
    seeds = [int(seed) for seed in args.seeds.split(",")]
    rows = [_one_seed(args, records, seed) for seed in seeds]
    results = {
        "baseline_top1": _linear_baseline(records, args.weights),
        "seeds": rows,
        "mean_top1": float(np.mean([row["top1"] for row in rows])),
        "mean_predict_top3": float(np.mean([row["predict_top3"] for row in rows])),
        "quarantined": dict(summary.quarantined),
        "num_test": len(Records(records).split("test")),
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.small_data", *sys.argv[1:]]),
    }
    write_text(args.out / "results.json", json.dumps(results, indent=1) + "\n")
    _show(results)
    return 0


def _one_seed(args, records, seed):
    run = args.out / f"tsn-googlenet-seed{seed}"
    train.run(
        records,
        run,
        model="tsn",
        backbone="googlenet",
        recipe="finetune",
        changes={"epochs": args.epochs} if args.epochs else {},
        num_segments=NUM_SEGMENTS,
        frame_size=FRAME_SIZE,
        weights=args.weights,
        seed=seed,
        num_devices=1,
        resume=(run / run_folder.DESCRIPTION).is_file(),  # checked to be this very run
    )
    scores, measured = evaluate.run(run, records)
    model = args.out / f"model-seed{seed}"
    if model.exists():
        shutil.rmtree(model)  # it may be of an earlier run
    export.run(run, model)
    log = (run / "log.jsonl").read_text().splitlines()
    top3, apart = _predict_files(Path(args.videos).parent, model, scores)
    return {
        "seed": seed,
        "top1": measured["top1"],
        "mean_class": measured["mean_class"],
        "train_seconds": sum(json.loads(line)["seconds"] for line in log),
        "predict_top3": top3,
        "predict_max_difference": apart,
    }


def _predict_files(root, model, scores):
    """Share of test files with the right class in predict's top 3; largest difference.

    The difference is between the logits of `predict` on the file and of `evaluate` on
    the record.
    """
    classifier = predict.Classifier(model)
    answers = []
    with Progress("predict", len(scores.video_ids), "videos") as progress:
        for i, video_id in enumerate(scores.video_ids):
            answer = classifier.predict(root / video_id)
            if answer.error:
                raise VideoError(answer.error)
            answers.append(answer.logits)
            progress.update(i + 1)
    top3 = metrics.top_k_accuracy(np.stack(answers), scores.labels, 3)
    return top3, float(np.abs(np.stack(answers) - scores.logits).max())


def _linear_baseline(records, weights):
    """Top-1 of logistic regression on frozen GoogLeNet features, averaged over frames.

    Features are l2-normalised; C = 10 as for unit vectors of 1,024 dimensions.
    """
    data = Records(records)
    network = models.TSN(
        len(data.classes),
        num_segments=NUM_SEGMENTS,
        backbone="googlenet",
        frame_shape=(FRAME_SIZE, FRAME_SIZE, 3),
        weights=weights,
    )
    pool = keras.Model(network.input, network.get_layer("image_pool").output)
    forward = tf.function(lambda clip: pool(clip, training=False), jit_compile=False)
    sets = {}
    for split in ("train", "test"):
        features, labels = [], []
        batches = clips.center_batches(
            data,
            split,
            sampling=clips.Segments(NUM_SEGMENTS),
            crop=clips.CenterCrop(FRAME_SIZE),
            batch_size=16,
        )
        for batch in batches:
            frames = forward(batch["rgb"]).numpy()  # (N*T, D)
            features.append(frames.reshape(-1, NUM_SEGMENTS, frames.shape[-1]).mean(1))
            labels.append(batch["label"].numpy())
        sets[split] = np.concatenate(features), np.concatenate(labels)
    classifier = make_pipeline(Normalizer(), LogisticRegression(C=10, max_iter=1000))
    return float(classifier.fit(*sets["train"]).score(*sets["test"]))


def _show(results):
    table = Table(title=f"TSN on GoogLeNet, {results['num_test']} test videos")
    for column in ("seed", "top-1", "mean class", "minutes", "predict: right in top 3"):
        table.add_column(column, justify="right")
    for row in results["seeds"]:
        table.add_row(
            str(row["seed"]),
            f"{row['top1']:.3f}",
            f"{row['mean_class']:.3f}",
            f"{row['train_seconds'] / 60:.1f}",
            f"{row['predict_top3']:.3f}",
        )
    for video_id, why in results["quarantined"].items():
        sys.stderr.write(f"left out: {video_id}: {why}\n")
    mean, top3 = results["mean_top1"], results["mean_predict_top3"]
    table.add_row("mean", f"{mean:.3f}", "", "", f"{top3:.3f}")
    baseline = results["baseline_top1"]
    table.add_row("linear on frozen features", f"{baseline:.3f}", "", "", "")
    console = Console(width=None if sys.stdout.isatty() else 100, markup=False)
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
