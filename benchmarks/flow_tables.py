"""What `benchmarks.flow_supervision` found, as numbers and as a table."""

import sys

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import environment
from vidzoo import metrics

BASELINES = ("16F scratch", "16F FlowNet fine-tune")


def summary(found, test, args) -> dict:
    """Accuracies, their differences and endpoint errors, JSON-ready.

    Args:
        found: seed -> row -> labels a class -> logits, and errors of flow.
        test: the videos that were scored.
        args: the flags.
    """
    seeds = [*found]
    correct = {
        name: {
            labels: np.array(
                [
                    found[s][name][labels]["logits"].argmax(1) == test.labels
                    for s in seeds
                ]
            )
            for labels in args.labels
        }
        for name in found[seeds[0]]
    }
    rows = {
        name: {
            labels: {
                "accuracies": each.mean(axis=1).tolist(),
                "mean": float(each.mean()),
                "std": float(each.mean(axis=1).std(ddof=1)) if len(seeds) > 1 else 0.0,
            }
            for labels, each in by_labels.items()
        }
        for name, by_labels in correct.items()
    }
    differences = {
        f"ActionFlowNet - {name}, {labels} a class": metrics.paired_bootstrap(
            correct["ActionFlowNet"][labels].mean(axis=0),
            correct[name][labels].mean(axis=0),
        )
        for name in BASELINES
        if name in correct and "ActionFlowNet" in correct
        for labels in args.labels
    }
    return {
        "rows": rows,
        "differences": differences,
        "flow": _flow_errors(found, args),
        "num_test": len(test.labels),
        "flow_weight": args.flow_weight,
        "has_chairs": args.chairs is not None,
        "environment": environment.describe(),
        "command": " ".join(["python -m benchmarks.flow_supervision", *sys.argv[1:]]),
    }


def _flow_errors(found, args):
    """ActionFlowNet's endpoint errors: of the fields seen, of the future, of none."""
    if "ActionFlowNet" not in next(iter(found.values())):
        return {}
    measured = {}
    for labels in args.labels:
        each = [by_name["ActionFlowNet"][labels] for by_name in found.values()]
        epe, still = (
            np.mean([e[k] for e in each], 0) for k in ("epe", "zero_flow_epe")
        )
        measured[labels] = {
            "all": float(epe.mean()),
            "seen": float(epe[:-1].mean()),
            "future": float(epe[-1]),
            "zero flow": float(still.mean()),
            "zero flow, future": float(still[-1]),
        }
    return measured


def show(results) -> None:
    """Prints them."""
    for seed, networks in results["pretrained"].items():
        for name, line in networks.items():
            errors = {k: line[k] for k in ("epe", "accuracy") if k in line}
            told = ", ".join(f"{k} {value:.3f}" for k, value in errors.items())
            sys.stdout.write(f"seed {seed}: {name} ends its training with {told}\n")
    first = next(iter(results["rows"].values()))
    table = Table(title=f"top-1 of {results['num_test']} videos, by labels a class")
    table.add_column("row")
    for labels in first:
        table.add_column(str(labels), justify="right")
    for name, by_labels in results["rows"].items():
        cells = [f"{x['mean']:.3f} ± {x['std']:.3f}" for x in by_labels.values()]
        table.add_row(name, *cells)
    console = Console(width=None if sys.stdout.isatty() else 110, markup=False)
    console.print(table)
    if not results["has_chairs"]:
        console.print("left out: what starts from FlyingChairs (--chairs)")
    for name, (difference, low, high) in results["differences"].items():
        console.print(
            f"{name}: {difference:+.3f}, 95 % interval {low:+.3f} to {high:+.3f} "
            f"(paired bootstrap over {results['num_test']} test videos)"
        )
    for labels, each in results["flow"].items():
        told = ", ".join(f"{name} {value:.3f}" for name, value in each.items())
        console.print(f"ActionFlowNet's EPE in pixels, {labels} a class: {told}")
