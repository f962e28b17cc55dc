"""ActionFlowNet on a small real data set, from scratch and with flow as supervision.

    python -m benchmarks.action_flow VIDEOS SPLITS OUT

VIDEOS and SPLITS are as in `benchmarks.tdn_against_tsn`. It stores the clips at 80
pixels with their flow, the pseudo ground truth (`rlof-epic`), and for every seed trains
three networks on 16 frames of 64 pixels, all with a small encoder from random weights:
one for classes alone; a FlowNet for flow alone; and ActionFlowNet for both, which
starts from that FlowNet. Differences come with a 95 % interval: a bootstrap over test
videos, each with all answers.

`--held_out` trains and scores on split 1's training videos alone, as
`benchmarks.tdn_against_tsn` has it. Interrupted, it goes on where it was when it is
started again.
"""

import sys

from benchmarks import environment, running
from benchmarks.arguments import count
from benchmarks.hmdb51_clips import NUM_FOLDS, as_csv, clips_parser, rows_of
from benchmarks.paired import compared, show
from vidzoo.atomic import write_text
from vidzoo.tasks import evaluate, flow, run_folder, train

RECORD_SIZE, FRAME_SIZE = 80, 64
BOUND = 8.0  # pixels of 80
SCRATCH, FINE_TUNE, MULTITASK = "scratch", "FlowNet fine-tune", "ActionFlowNet"
NETWORKS = (SCRATCH, FINE_TUNE, MULTITASK)


def main(argv=None) -> int:
    """Runs the benchmark and prints its table."""
    return running.run("action_flow", _parse(argv), _run, _show)


def _show(results):
    title = f"top-1, protocol {results['protocol']}"
    show(results, title, "network", results["differences"])


def _parse(argv):
    parser = clips_parser("action_flow", has_weights=False)
    parser.add_argument("--protocol", default="5x2", help="of the test (5x2)")
    parser.add_argument("--method", default="rlof-epic", help="of flow (rlof-epic)")
    parser.add_argument("--epochs", type=count, default=60, help="of classifiers (60)")
    parser.add_argument(
        "--learning_rate", type=float, default=1e-3, help="of classifiers (1e-3)"
    )
    parser.add_argument(
        "--flow_epochs", type=count, default=200, help="of FlowNet (200)"
    )
    parser.add_argument(
        "--flow_learning_rate", type=float, default=3e-3, help="of FlowNet (3e-3)"
    )
    parser.add_argument("--flow_weight", type=float, default=1.0, help="lambda (1)")
    return parser.parse_args(argv)


def _run(args):
    args.out.mkdir(parents=True, exist_ok=True)
    listed, records = args.out / "videos.csv", args.out / f"records-{args.method}"
    write_text(listed, as_csv(rows_of(args.videos, args.splits)))
    how = {"layout": "csv", "root": args.videos, "size": RECORD_SIZE}
    flow.run(listed, records, method=args.method, bound=BOUND, **how)
    scores = {name: {} for name in NETWORKS}
    for seed in map(int, args.seeds.split(",")):
        fit, test = "train1", "test1"
        if args.held_out:
            fold = seed % NUM_FOLDS
            fit, test = f"fit1-{fold}", f"val1-{fold}"
        runs = _train(args, records, fit, seed)
        for name, run in runs.items():
            found, _ = evaluate.run(
                run, records, protocol=args.protocol, split=test, batch_size=8
            )
            scores[name][f"{test}, seed {seed}"] = found
    return compare(scores) | {
        "protocol": args.protocol,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.action_flow", *sys.argv[1:]]),
    }


def _train(args, records, fit, seed):
    """The run folder of each network."""
    out = args.out / f"{fit}-seed{seed}"
    one = {"records": records, "split": fit, "seed": seed}
    of_flow = {
        "epochs": args.flow_epochs,
        "learning_rate": args.flow_learning_rate,
    }
    flownet = _one(out / "flownet", "flownet3d", of_flow, **one)
    start = {"weights": flownet / run_folder.WEIGHTS}
    classes = {"epochs": args.epochs, "learning_rate": args.learning_rate}
    alone = classes | {"flow_weight": 0.0}
    both = classes | {"flow_weight": args.flow_weight}
    network = "actionflownet"
    return {
        SCRATCH: _one(out / "scratch", network, alone, **one),
        FINE_TUNE: _one(out / "fine-tune", network, alone, **one, **start),
        MULTITASK: _one(
            out / f"both-{args.flow_weight}", network, both, **one, **start
        ),
    }


def _one(out, model, changes, *, records, **options):
    train.run(
        records,
        out,
        model=model,
        backbone="tiny3d",
        recipe="scratch",
        frame_size=FRAME_SIZE,
        changes=changes,
        num_devices=1,
        resume=(out / run_folder.DESCRIPTION).is_file(),
        **options,
    )
    return out


def compare(scores) -> dict:
    """The three networks, and what both tasks gain over the others.

    Args:
        scores: network -> run, a test split and a seed -> `Scores`.
    """
    return compared(scores, [(MULTITASK, SCRATCH), (MULTITASK, FINE_TUNE)])


if __name__ == "__main__":
    sys.exit(main())
