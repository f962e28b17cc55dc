"""Whether FlowNet2F can learn: it overfits to a few pairs of FlyingChairs.

    python -m benchmarks.chairs_overfit FLYINGCHAIRS OUT

The squares of 224 pixels in the middle of the pairs, without augmentation, over and
over. Told are endpoint errors in pixels of the frames: at 56x56, where the flow is
predicted, against the true flow averaged over areas; and at full size, against the
bilinearly enlarged prediction, of which even perfect flow at 56x56 has some.
"""

import argparse
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks import environment, running
from benchmarks.arguments import count
from vidzoo import losses, models, training
from vidzoo.progress import Progress
from vidzoo.training import Phase, Recipe
from vidzoo.weights import save_weights
from vidzoo_data.clips import flow_pairs
from vidzoo_data.flow import datasets

SIZE = 224


def main(argv=None) -> int:
    """Runs the benchmark and prints a line for each pair."""
    return running.run("chairs_overfit", _parse(argv), measure, _show)


def _show(results):
    for name, each in results["pairs"].items():
        sys.stdout.write(_line(name, each) + "\n")
    sys.stdout.write(_line("mean", results["mean"]) + "\n")


def measure(args) -> dict:
    """Trains and scores; what was measured, JSON-ready."""
    dataset = datasets.flying_chairs(args.chairs)
    num_pairs = min(len(dataset.pairs), args.num_pairs)
    dataset = type(dataset)(dataset.name, dataset.pairs[:num_pairs])
    (batch,) = flow_pairs.center_pair_batches(dataset, size=SIZE, batch_size=num_pairs)
    model = _trained(args, batch)
    flow = model(batch["rgb"], training=False)["flow"].numpy()
    true = batch["flow_target"].numpy()
    pairs = {
        pair.name: _errors(true[i : i + 1], flow[i : i + 1])
        for i, pair in enumerate(dataset.pairs)
    }
    names = [*next(iter(pairs.values()))]
    mean = {name: float(np.mean([p[name] for p in pairs.values()])) for name in names}
    return {
        "pairs": pairs,
        "mean": mean,
        "steps": args.steps,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.chairs_overfit", *sys.argv[1:]]),
    }


def _trained(args, batch):
    keras.utils.set_random_seed(args.seed)
    model = models.FlowNet2F()
    phase = Phase(
        epochs=None,
        steps=args.steps,
        learning_rate=args.learning_rate,
        optimizer="adam",
        schedule="cosine",
        clip_norm=100.0,
    )
    recipe = Recipe(phases=(phase,), batch_size=len(batch["label"]))
    run = args.out / "run"
    run.mkdir(parents=True, exist_ok=True)
    with Progress("overfit flownet2f", args.steps) as shown:
        training.train(
            model,
            lambda first, last: (batch for _ in range(first, last)),
            recipe,
            num_videos=100 * recipe.batch_size,
            run_folder=run,
            resume=True,
            on_step=shown.update,
        )
    save_weights(
        run / "weights.npz",
        model,
        network="flownet2f",
        backbone="resnet18",
        variant="v1.5",
    )
    return model


def _errors(true, flow):
    """Endpoint errors of one pair `(1, 1, H, W, 2)`: of the prediction, and of none."""
    _, _, height, width, _ = flow.shape
    small, known = losses.shrunk(true, (height, width))
    small = np.where(np.asarray(known)[..., None], np.asarray(small), np.nan)
    return {
        "epe at 56": _mean_distance(small, flow),
        "epe at 224": _mean_distance(true, _enlarged(flow)),
        "perfect 56 at 224": _mean_distance(true, _enlarged(np.nan_to_num(small))),
        "zero flow at 56": _mean_distance(small, np.zeros_like(small)),
    }


def _mean_distance(true, flow):
    return float(np.nanmean(np.linalg.norm(true - flow, axis=-1)))


def _enlarged(flow):
    return tf.image.resize(flow[0], (SIZE, SIZE)).numpy()[None]


def _line(name, errors):
    return f"{name}: " + ", ".join(f"{k} {v:.2f}" for k, v in errors.items())


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.chairs_overfit")
    parser.add_argument("chairs", type=Path, help="folder of FlyingChairs")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument("--num_pairs", type=count, default=4, help="the first (4)")
    parser.add_argument("--steps", type=count, default=1000, help="of Adam (1000)")
    parser.add_argument("--learning_rate", type=float, default=1e-3, help="(1e-3)")
    parser.add_argument("--seed", type=int, default=0, help="of the weights (0)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
