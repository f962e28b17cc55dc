"""Networks of full-length video on real features: UCF101's frames as VGG-16 sees them.

    python -m benchmarks.ucf101_features FEATURES OUT

FEATURES is a `.npz` of stored fc6 features: `features` uint8 `(V, T, 4096)` times
`scale` `(V,)`, `label` and `train` `(V,)`, `classes` and `ucf101_name`. They become
records, on which late pooling, an LSTM and, as the baseline, a classifier of single
frames are trained, the "(fc)" way of the dissertation's table 3.2: the network that
made the features does not learn. The LSTM's four rules of inference (section 3.3.3) are
compared on the same weights. Interrupted, it goes on where it was when it is started
again.

`--held_out` trains on most of the training videos and scores the rest, those of every
fifth group, for choosing settings.
"""

import argparse
import re
import sys
from pathlib import Path

import numpy as np
from sklearn.linear_model import RidgeClassifier

from benchmarks import environment, running
from benchmarks.paired import correct_answers, per_video, show
from vidzoo import metrics
from vidzoo.evaluation import classify
from vidzoo.models.lstm_classifier import INFERENCES
from vidzoo.tasks import evaluate, expansion, run_folder, train
from vidzoo_data import clips
from vidzoo_data.records import features as stored
from vidzoo_data.records.read import Records

# name -> arguments of `train.run`, or with several `num_frames` of `expansion.train`.
# Chosen on training videos: docs/models/feature_pooling.md.
NETWORKS = {
    "single frame": {"model": "single_frame", "changes": {"num_frames": 1}},
    "late pooling": {
        "model": "feature_pooling",
        "num_frames": (1, 25),
        "changes": [
            {"epochs": 60, "dropout": 0.3},
            {"epochs": 8, "dropout": 0.3, "learning_rate": 1e-3},
        ],
        "model_options": {"pooling": "late", "fc_size": 512},
    },
    "LSTM": {
        "model": "lstm_classifier",
        "model_options": {"num_layers": 1, "num_cells": 512},
    },
}
_NUM_FRAMES = 25


def main(argv=None) -> int:
    """Runs the benchmark and prints its tables."""
    return running.run("ucf101_features", _parse(argv), _run, _show)


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.ucf101_features")
    parser.add_argument("features", type=Path, help=".npz of stored features")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument("--seeds", default="0,1,2", help="of training (0,1,2)")
    parser.add_argument(
        "--networks", default=",".join(NETWORKS), help="which, with commas (all)"
    )
    parser.add_argument(
        "--held_out", action="store_true", help="choose settings: no test video"
    )
    return parser.parse_args(argv)


def _run(args):
    records = args.out / "records"
    arrays = dict(np.load(args.features))
    write_records(arrays, records)
    fit, test = ("fit", "val") if args.held_out else ("train", "test")
    scores = {}
    for name in args.networks.split(","):
        for seed in map(int, args.seeds.split(",")):
            run = args.out / f"{fit}-{name.replace(' ', '-')}-seed{seed}"
            for rule, found in _one(name, records, run, fit, test, seed).items():
                scores.setdefault(rule, {})[f"seed {seed}"] = found
    return compare(scores) | {
        "ridge": ridge(arrays, _numbers(Records(records), fit, test)),
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.ucf101_features", *sys.argv[1:]]),
    }


def write_records(arrays, out) -> None:
    """Stores the features as records, with the splits of the file and two to choose by.

    Args:
        arrays: of the `.npz`.
        out: the folder.
    """
    ids = arrays["ucf101_name"].tolist()
    is_train = arrays["train"].astype(bool)
    groups = np.array([int(re.search(r"_g(\d+)_", name)[1]) for name in ids])
    held_out = groups % 5 == 0
    splits = {
        "train": is_train,
        "test": ~is_train,
        "fit": is_train & ~held_out,
        "val": is_train & held_out,
    }
    classes = [str(name) for name in arrays["classes"]]
    labels = np.unique(arrays["label"], return_inverse=True)[1]

    def compute(row):
        scale = np.float32(arrays["scale"][row])
        return lambda: arrays["features"][row].astype(np.float32) * scale

    stored.write_features(
        out,
        name="ucf101_vgg16_relu6",
        classes=classes,
        splits={
            name: [ids[row] for row in np.flatnonzero(chosen)]
            for name, chosen in splits.items()
        },
        videos=[
            stored.FeatureVideo(ids[row], (int(labels[row]),), 0.0, compute(row))
            for row in range(len(ids))
        ],
        features={"backbone": "vgg16", "layer": "fc6"},
        shape=arrays["features"].shape[2:],
    )


def _one(name, records, run, fit, test, seed):
    """Scores of one training: by name, of an LSTM for each rule."""
    options = NETWORKS[name] | {"recipe": "features", "split": fit, "seed": seed}
    if "num_frames" in options:
        expansion.train(records, run, num_devices=1, resume=run.is_dir(), **options)
        run /= expansion.name_of(options["num_frames"][-1])
    else:
        resume = (run / run_folder.DESCRIPTION).is_file()
        train.run(records, run, num_devices=1, resume=resume, **options)
    if name != "LSTM":
        # All frames are looked at: those of a single-frame network are averaged.
        scores, _ = evaluate.run(run, records, protocol="whole-video", split=test)
        return {name: scores}
    return {
        f"LSTM, {rule}": _with_rule(run, records, test, rule) for rule in INFERENCES
    }


def _with_rule(run, records, split, rule):
    """Scores of an LSTM's weights with another rule of inference."""
    description = run_folder.read_finished(run)
    arguments = description["arguments"] | {"inference": rule}
    model = run_folder.build_model(
        description["model"], arguments, run / run_folder.WEIGHTS
    )
    data = Records(records)
    batches = clips.center_batches(
        data,
        split,
        sampling=clips.Excerpt(_NUM_FRAMES, clips.Whole()),
        crop=None,
        batch_size=16,
        modalities={"features": 1},
    )
    return classify(
        model, batches, data.classes, f"center, {rule}", modality="features"
    )


def _numbers(data, *splits):
    return [[video.video_id for video in data.split(split)] for split in splits]


def ridge(arrays, ids) -> dict[str, float]:
    """The accuracy of a ridge classifier on one frame, and on pooled frames.

    Args:
        arrays: of the `.npz`.
        ids: of the training videos, and of the test videos.
    """
    place = {name: row for row, name in enumerate(arrays["ucf101_name"].tolist())}
    fit, test = ([place[video] for video in each] for each in ids)
    values = arrays["features"].astype(np.float32) * arrays["scale"][:, None, None]
    pooled = {
        "middle frame": values[:, _NUM_FRAMES // 2],
        "mean": values.mean(axis=1),
        "max": values.max(axis=1),
    }
    found = {}
    for name, x in pooled.items():
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
        model = RidgeClassifier().fit(x[fit], arrays["label"][fit])
        found[name] = float(model.score(x[test], arrays["label"][test]))
    return found


def compare(scores) -> dict:
    """Accuracies, their means with intervals, and differences to single frames.

    Args:
        scores: network -> seed -> `Scores`.
    """
    correct = {
        name: {seed: correct_answers(each) for seed, each in by.items()}
        for name, by in scores.items()
    }
    videos = sorted(next(iter(next(iter(correct.values())).values())))
    shares = {name: per_video(by, videos) for name, by in correct.items()}
    means, differences = {}, {}
    for name, share in shares.items():
        nothing = np.zeros_like(share)
        means[name] = metrics.paired_bootstrap(share, nothing)
    rules = [name for name in shares if name.startswith("LSTM")]
    pairs = [(name, "single frame") for name in ("late pooling", "LSTM, weighted")]
    pairs += [("LSTM, weighted", name) for name in rules if "weighted" not in name]
    for one, other in pairs:
        if one in shares and other in shares:
            found = metrics.paired_bootstrap(shares[one], shares[other])
            differences[f"{one} - {other}"] = found
    return {
        "accuracies": {
            name: {
                seed: float(np.mean(list(each.values()))) for seed, each in by.items()
            }
            for name, by in correct.items()
        },
        "means": {name: mean for name, (mean, _, _) in means.items()},
        "intervals": {name: [low, high] for name, (_, low, high) in means.items()},
        "differences": differences,
        "num_test": dict.fromkeys(next(iter(correct.values())), len(videos)),
        "num_videos": len(videos),
    }


def _share(answers):
    return float(np.mean(list(answers.values())))


def _show(results):
    show(results, "top-1, stored features", "network", results["differences"])
    for name, (low, high) in results["intervals"].items():
        sys.stdout.write(
            f"{name}: {results['means'][name]:.3f}, 95 % interval {low:.3f} to "
            f"{high:.3f}\n"
        )
    for name, accuracy in results["ridge"].items():
        sys.stdout.write(f"ridge classifier, {name}: {accuracy:.3f}\n")


if __name__ == "__main__":
    sys.exit(main())
