"""Conv pooling against single frames on a small real data set, end to end.

    python -m benchmarks.conv_pooling VIDEOS SPLITS OUT --weights=bvlc_googlenet.npz

VIDEOS and SPLITS are as in `benchmarks.tdn_against_tsn`. It stores the clips at 128
pixels and 15 frames per second, and for every seed trains two networks on GoogLeNet:
one that classifies single frames, and conv pooling, which is trained on single frames
too and then expanded to 6 frames, 5 a second (section 3.3.3). Conv pooling starts from
the seed's single-frame network, and from ImageNet's classifier, whose answers are its
features. Every layer learns, in clips of 112 pixels. Both see whole test videos. Their
difference comes with a 95 % interval: a bootstrap over test videos, each with all
answers.

`--held_out` trains and scores on split 1's training videos alone, as
`benchmarks.tdn_against_tsn` has it. Interrupted, it goes on where it was when it is
started again.
"""

import sys

from benchmarks import environment, running
from benchmarks.hmdb51_clips import NUM_FOLDS, as_csv, clips_parser, rows_of
from benchmarks.paired import compared, show
from vidzoo import models
from vidzoo.atomic import write_text
from vidzoo.tasks import evaluate, expansion, prepare, run_folder, train
from vidzoo.weights import assign, initialize, open_weights, save_weights

RECORD_SIZE, FRAME_SIZE, STORED_FPS = 128, 112, 15.0
NUM_FRAMES, FPS = 6, 5.0
NETWORKS = ("single frame", "conv pooling")
# The recipe's rates, chosen for TSN; epochs were not searched.
SINGLE_EPOCHS, POOLED_EPOCHS = 24, [12, 8]
# Dropout and rates of the fresh layers were chosen on held-out training videos, whose
# frozen features two such layers classify (docs/models/feature_pooling.md).
FC_SIZE, DROPOUT = 1024, 0.3
MULTIPLIERS = dict.fromkeys(("fc6", "fc7", "head"), 30.0)


def main(argv=None) -> int:
    """Runs the benchmark and prints its table."""
    return running.run("conv_pooling", _parse(argv), _run, _show)


def _show(results):
    show(results, "top-1, whole videos", "network", results["differences"])


def _parse(argv):
    parser = clips_parser("conv_pooling")
    return parser.parse_args(argv)


def _run(args):
    args.out.mkdir(parents=True, exist_ok=True)
    listed, records = args.out / "videos.csv", args.out / "records"
    write_text(listed, as_csv(rows_of(args.videos, args.splits)))
    how = {"layout": "csv", "root": args.videos, "size": RECORD_SIZE}
    prepare.run(listed, records, fps=STORED_FPS, **how)
    scores = {name: {} for name in NETWORKS}
    for seed in map(int, args.seeds.split(",")):
        fit, test = "train1", "test1"
        if args.held_out:
            fold = seed % NUM_FOLDS
            fit, test = f"fit1-{fold}", f"val1-{fold}"
        for name in NETWORKS:
            run = _train(args, name, records, fit, seed)
            found, _ = evaluate.run(run, records, protocol="whole-video", split=test)
            scores[name][f"{test}, seed {seed}"] = found
    return compare(scores) | {
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.conv_pooling", *sys.argv[1:]]),
    }


def _train(args, name, records, fit, seed):
    """The run folder of one network's training."""
    out = args.out / f"{name.replace(' ', '-')}-{fit}-seed{seed}"
    options = {
        "backbone": "googlenet",
        "frame_size": FRAME_SIZE,
        "recipe": "finetune",
        "weights": args.weights,
        "split": fit,
        "seed": seed,
        "num_devices": 1,
    }
    if name == "single frame":
        train.run(
            records,
            out,
            model="single_frame",
            changes={"fps": FPS, "epochs": SINGLE_EPOCHS},
            resume=(out / run_folder.DESCRIPTION).is_file(),
            **options,
        )
        return out
    single = args.out / f"single-frame-{fit}-seed{seed}"
    options["weights"] = _start(args, single, out.with_suffix(".npz"))
    expansion.train(
        records,
        out,
        model="feature_pooling",
        num_frames=(1, NUM_FRAMES),
        changes=[
            {
                "fps": FPS,
                "epochs": epochs,
                "dropout": DROPOUT,
                "multipliers": MULTIPLIERS,
            }
            for epochs in POOLED_EPOCHS
        ],
        model_options={"fc_size": FC_SIZE},
        resume=out.is_dir(),
        **options,
    )
    return out / expansion.name_of(NUM_FRAMES)


def _start(args, single, path):
    """GoogLeNet's weights as the single-frame network has them, but for its answers."""
    if not path.is_file():
        model = models.GoogLeNet(weights=args.weights)
        trained = initialize.backbone_alone(
            open_weights(single / run_folder.WEIGHTS)
        ).arrays
        for name, variable in assign.named_variables(model).items():
            if name in trained:
                variable.assign(trained[name])
        names = {"network": "googlenet", "backbone": "googlenet", "variant": "bvlc"}
        save_weights(path, model, **names)
    return path


def compare(scores) -> dict:
    """The two networks, and their difference with its interval.

    Args:
        scores: network -> run, a test split and a seed -> `Scores`.
    """
    single, pooled = NETWORKS
    return compared(scores, [(pooled, single)])


if __name__ == "__main__":
    sys.exit(main())
