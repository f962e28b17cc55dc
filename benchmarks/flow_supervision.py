"""Flow as supervision where labels are few: the rows of table 4.1 on motion shapes.

    python -m benchmarks.flow_supervision OUT [--chairs=FLYINGCHAIRS]

Videos of 17 frames whose classes differ in motion alone, with exact flow. Every seed
pretrains FlowNets on the flow of all training videos, which needs no label, turned and
mirrored at random, and then trains each row on 10, 25, 50 and 100 labelled videos a
class, in random windows. Test: the window in the middle; for networks on two frames all
16 pairs of a video, averaged; for those on 16 frames its first 16, of which the last
field leads to frame 17. ImageNet's ResNet-18 is not of this size: in its place
stands a network of single frames trained on the shapes' names ("appearance"). C3D and
I3D are trained on other data, and have no row.

Interrupted, it goes on where it was when it is started again. `--held_out` scores on
training videos that no row is trained on, for the choice of settings. OUT/flow has a
picture for each motion: ActionFlowNet's flow of a test video beside the exact one, of
the first seed and the most labels.
"""

import argparse
import csv
import json
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks import flow_tables, motion_clips, running
from benchmarks.arguments import count
from benchmarks.flow_rows import PRETRAINED, ROWS
from benchmarks.motion_clips import NUM_FRAMES, SIZE, VIDEO_SIZE
from vidzoo import explain, losses, training
from vidzoo.atomic import write_text
from vidzoo.errors import VidzooError
from vidzoo.models import backbones
from vidzoo.progress import Progress
from vidzoo.training import Phase, Recipe
from vidzoo.weights import initialize, open_weights, save_weights
from vidzoo_data import synthetic
from vidzoo_data.clips import flow_pairs, geometry
from vidzoo_data.flow import datasets, picture, write_png

NUM_HELD_OUT = 160
LABELS_PER_CLASS = (10, 25, 50, 100)
NUM_DRAWN, LONGEST = 8, 3.0  # last frames of a clip; pixels of the strongest colours


def main(argv=None) -> int:
    """Runs the benchmark and prints its tables."""
    return running.run("flow_supervision", _parse(argv), measure, flow_tables.show)


def measure(args) -> dict:
    """Renders, trains and scores; what was measured, JSON-ready."""
    folder = args.out / "videos"
    synthetic.write(
        folder,
        num_train=args.num_train + NUM_HELD_OUT,
        num_test=args.num_test,
        size=VIDEO_SIZE,
        num_frames=NUM_FRAMES + 1,
        seed=args.data_seed,
    )
    read = partial(synthetic.arrays, folder, flow_type="float16")
    train = read("train")
    train, held_out = _divided(train, len(train.labels) - NUM_HELD_OUT)
    test = held_out if args.held_out else read("test")
    shapes = _shapes(folder)
    found, learned = {}, {}
    for seed in map(int, args.seeds.split(",")):
        runs = args.out / f"seed{seed}"
        starts = _pretrained(runs, train, shapes, seed, args)
        found[seed] = {
            name: {
                labels: _row(runs, name, labels, train, test, starts, seed, args)
                for labels in args.labels
            }
            for name in _rows(args)
        }
        learned[seed] = {name: _last_line(runs / name) for name in starts}
    _draw(args, test)
    return flow_tables.summary(found, test, args) | {"pretrained": learned}


def _rows(args):
    names = args.rows.split(",") if args.rows else [*ROWS]
    return [name for name in names if args.chairs or ROWS[name].start != "chairs"]


def _last_line(run):
    """What the log tells of the last steps of a training."""
    return json.loads((run / "log.jsonl").read_text().splitlines()[-1])


def _divided(arrays, at):
    return (type(arrays)(*(a[part] for a in arrays)) for part in _parts(at))


def _parts(at):
    return slice(None, at), slice(at, None)


def _shapes(folder):
    """The shape in each training video, as a number."""
    with open(folder / "shape.csv", newline="", encoding="utf-8") as file:
        names = [r["label"] for r in csv.DictReader(file) if r["split"] == "train"]
    order = sorted(set(names))
    return np.array([order.index(name) for name in names], np.int32)


def _pretrained(runs, train, shapes, seed, args):
    """Weights to start from, by name: learned without the labels of motions."""
    needed = {ROWS[name].start for name in _rows(args)} - {None}
    steps = {"flownet3d": args.pretrain_3d_steps}
    found = {}
    for name in sorted(needed):
        row = PRETRAINED[name]
        num_steps = steps.get(name, args.pretrain_steps)
        recipe = _recipe(row, num_steps, row.learning_rate, args)
        drawn = {"batch_size": row.batch_size, "seed": seed}
        batches = partial(motion_clips.batches, row.kind, train, turned=True, **drawn)
        if name == "chairs":
            batches = partial(_chairs, args.chairs, **drawn)
        if name == "appearance":
            shown = train._replace(labels=shapes[: len(train.labels)])
            batches = partial(
                motion_clips.batches, "frame", shown, turned=True, **drawn
            )
        found[name] = _trained(runs / name, row, None, recipe, batches, seed)
    return found


def _row(runs, name, labels, train, test, starts, seed, args):
    """Logits of the test videos, and the flow's errors where it is predicted."""
    row = ROWS[name]
    run = runs / f"{name.replace(' ', '-')}-{labels}"
    part = "held-out" if args.held_out else "test"
    file = run / f"{part}.npz"
    if not file.is_file():
        recipe = _recipe(row, args.steps, args.learning_rate, args)
        # Other labelled videos for each seed; a larger set holds the smaller one.
        order = np.random.default_rng(seed).permutation(len(train.labels) // 8)
        chosen = (order[:labels, None] * 8 + np.arange(8)).reshape(-1)
        labelled = type(train)(*(array[chosen] for array in train))
        batches = partial(
            motion_clips.batches,
            row.kind,
            labelled,
            batch_size=row.batch_size,
            seed=seed,
        )
        start = starts.get(row.start)
        if row.start == "appearance":  # whose classes are shapes
            start = initialize.another_number_of_classes(open_weights(start))
        weights = _trained(run, row, start, recipe, batches, seed)
        scored = _scored(row.build(weights=weights), row.kind, test)
        with open(file, "wb") as opened:
            np.savez(opened, **scored)
    with np.load(file) as stored:
        return dict(stored)


def _recipe(row, steps, learning_rate, args):
    phase = Phase(
        epochs=None,
        steps=steps,
        learning_rate=learning_rate,
        optimizer="adam",
        schedule="cosine",
        clip_norm=5.0,
        frozen=row.frozen,
    )
    return Recipe(
        phases=(phase,), batch_size=row.batch_size, flow_weight=args.flow_weight
    )


def _trained(run, row, start, recipe, batches, seed):
    """The path of the weights of a network trained by a recipe."""
    weights = run / "weights.npz"
    run.mkdir(parents=True, exist_ok=True)
    _check_same(run / "recipe.json", recipe)
    if weights.is_file():
        return weights
    keras.utils.set_random_seed(seed)
    model = row.build(weights=start)
    (phase,) = recipe.phases
    with Progress(f"train {run.parent.name} {run.name}", phase.steps) as shown:
        training.train(
            model,
            lambda first, steps: map(_tensors, batches(first, steps)),
            recipe,
            num_videos=recipe.batch_size * 50,  # a line of the log for every 50 steps
            run_folder=run,
            resume=True,
            on_step=shown.update,
        )
    parts = backbones.BACKBONES | backbones.BACKBONES_3D
    backbone = parts[row.build.keywords["backbone"]]
    save_weights(
        weights,
        model,
        network=row.network,
        backbone=backbone.name,
        variant=backbone.variant,
    )
    return weights


def _check_same(file, recipe):
    """Writes down the recipe, or refuses what another one has begun there."""
    described = json.dumps(recipe.as_dict(), indent=1) + "\n"
    if not file.exists():
        write_text(file, described)
    elif file.read_text() != described:
        raise VidzooError(
            f"{file}: this was trained by another recipe than the flags now say. Give "
            "the flags of before, or another OUT."
        )


def _tensors(batch):
    return {name: tf.convert_to_tensor(value) for name, value in batch.items()}


def _chairs(folder, first_step, num_steps, *, batch_size, seed):
    """Batches of FlyingChairs, turned, moved, scaled and cropped at random."""
    return flow_pairs.pair_batches(
        datasets.flying_chairs(folder),
        size=SIZE,
        batch_size=batch_size,
        num_steps=num_steps,
        first_step=first_step,
        seed=seed,
        augmentation=geometry.Similarity(),
    )


def _scored(model, kind, videos):
    """Logits `(V, K)`; of a network with flow, its endpoint errors field by field."""
    predict = tf.function(lambda clip: model(clip, training=False))
    logits, errors, still = [], [], []
    for chosen in np.array_split(
        np.arange(len(videos.labels)), len(videos.labels) // 8
    ):
        frames = [0] if kind == "clip" else range(NUM_FRAMES)
        answers = []
        for t in frames:
            middle = np.full((len(chosen), 2), (VIDEO_SIZE - SIZE) // 2)
            at = np.full(len(chosen), t)
            clip, flow = motion_clips.clips_of(kind, videos, chosen, at, middle)
            outputs = predict(tf.convert_to_tensor(clip))
            answers.append(losses.prediction(outputs).numpy())
            if kind == "clip" and isinstance(outputs, dict) and "flow" in outputs:
                errors.append(_errors(flow, _enlarged(outputs["flow"].numpy())))
                still.append(_errors(flow, np.zeros_like(flow)))
        logits.append(np.mean(answers, axis=0))
    found = {"logits": np.concatenate(logits)}
    if errors:
        found["epe"] = np.concatenate(errors).mean(axis=0)
        found["zero_flow_epe"] = np.concatenate(still).mean(axis=0)
    return found


def _draw(args, videos):
    """One strip for each motion: the flow predicted, and the exact flow."""
    if "ActionFlowNet" not in _rows(args):
        return
    seed, labels = args.seeds.split(",")[0], max(args.labels)
    weights = args.out / f"seed{seed}" / f"ActionFlowNet-{labels}" / "weights.npz"
    model = ROWS["ActionFlowNet"].build(weights=weights)
    (args.out / "flow").mkdir(exist_ok=True)
    for number, motion in enumerate(synthetic.MOTIONS):
        chosen = np.flatnonzero(videos.labels == number)[:1]
        corners = np.full((len(chosen), 2), (VIDEO_SIZE - SIZE) // 2)
        clip, true = motion_clips.clips_of("clip", videos, chosen, 0, corners)
        answered = model(clip, training=False)["flow"].numpy()
        fields = {
            "predicted; red: to the frame after the last": _enlarged(answered)[0],
            "exact": true[0],
        }
        rows = {
            title: [picture(f, max_length=LONGEST) for f in field[-NUM_DRAWN:]]
            for title, field in fields.items()
        }
        strip = explain.flow_strip(clip[0, -NUM_DRAWN:], rows)
        write_png(args.out / "flow" / f"{motion}.png", strip)


def _errors(true, predicted):
    """Mean endpoint error of each field, `(N, T)`, at full resolution."""
    return np.linalg.norm(true - predicted, axis=-1).mean(axis=(2, 3))


def _enlarged(flow):
    """`(N, T, h, w, 2)` to the frames' resolution, bilinearly."""
    _, num_frames, height, width, _ = flow.shape
    large = tf.image.resize(flow.reshape(-1, height, width, 2), (SIZE, SIZE))
    return large.numpy().reshape(-1, num_frames, SIZE, SIZE, 2)


def _parse(argv):
    parser = argparse.ArgumentParser(prog="benchmarks.flow_supervision")
    parser.add_argument("out", type=Path, help="folder for all that is made")
    parser.add_argument("--chairs", type=Path, help="FlyingChairs, for its row")
    parser.add_argument("--seeds", default="0,1,2", help="of networks (0,1,2)")
    parser.add_argument("--data_seed", type=int, default=0, help="of videos (0)")
    parser.add_argument("--rows", help="some of them, with commas between them (all)")
    parser.add_argument(
        "--labels",
        type=lambda text: tuple(map(int, text.split(","))),
        default=LABELS_PER_CLASS,
        help="labelled videos a class (10,25,50,100)",
    )
    parser.add_argument("--num_train", type=count, default=3200, help="videos (3200)")
    parser.add_argument("--num_test", type=count, default=400, help="videos (400)")
    parser.add_argument("--steps", type=count, default=400, help="of a row (400)")
    parser.add_argument(
        "--pretrain_steps", type=count, default=3000, help="on two frames (3000)"
    )
    parser.add_argument(
        "--pretrain_3d_steps", type=count, default=3000, help="on 16 (3000)"
    )
    parser.add_argument(
        "--learning_rate", type=float, default=1e-3, help="of rows, Adam's (1e-3)"
    )
    parser.add_argument("--flow_weight", type=float, default=4.0, help="lambda (4)")
    parser.add_argument(
        "--held_out", action="store_true", help="score on held-out training videos"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
