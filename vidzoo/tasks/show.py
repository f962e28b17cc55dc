"""What the verbs print: a table for people, JSON for programs."""

import json
import sys

from rich.console import Console
from rich.table import Table


def prepared(summary, out, *, as_json: bool) -> None:
    """What `prepare` wrote and left out."""
    if as_json:
        write_json(
            {
                "records": str(out),
                "num_videos": summary.num_videos,
                "num_frames": summary.num_frames,
                "num_shorter_than_header": summary.num_short,
                "quarantined": dict(summary.quarantined),
            }
        )
        return
    texts = [f"{out}: {summary.num_videos} videos, {summary.num_frames} frames"]
    if summary.num_short:
        texts.append(
            f"warning: {summary.num_short} videos hold fewer frames than their header "
            "says; all that could be decoded were kept"
        )
    if summary.quarantined:
        count = len(summary.quarantined)
        texts.append(f"{count} left out, listed in {out}/quarantine.csv:")
        texts += [f"  {video_id}: {why}" for video_id, why in summary.quarantined[:10]]
        if count > 10:
            texts.append(f"  and {count - 10} more")
    lines(texts)


_METRICS = {
    "top1": "top-1",
    "top5": "top-5",
    "mean_class": "mean class accuracy",
    "hit1": "Hit@1",
    "hit5": "Hit@5",
    "map": "mAP",
    "clip_hit1": "Hit@1 of clips",
    "clip_hit5": "Hit@5 of clips",
}


_FEW_CLASSES = 5  # shown from either end of a long list


def _labels_of(measured):
    """`(name, label)` of each metric: the prediction's, then each stream's first."""
    labels = [(name, label) for name, label in _METRICS.items() if name in measured]
    first, label = labels[0]
    streams = [name.removesuffix(f"_{first}") for name in measured if name != first]
    streams = [stream for stream in streams if f"{stream}_{first}" in measured]
    # Once each, also a stream that is named like a metric.
    streams = dict.fromkeys(streams)
    return labels + [(f"{s}_{first}", f"{label}, {s} alone") for s in streams]


def metrics(measured, *, as_json: bool) -> None:
    """What `evaluate` measured."""
    if as_json:
        write_json(measured)
        return
    title = f"{measured['model']}, {measured['protocol']}, {measured['split']}"
    title = f"{title}: {measured['num_videos']} videos"
    console().print(_metrics_table(measured, title=title))
    if "hit1" in measured:  # several labels, whose measure is average precision
        console().print(_class_ap_table(measured["class_ap"]))


def fused(measured, *, as_json: bool) -> None:
    """What `fuse` measured: a row more, the gain over the best stream."""
    if as_json:
        write_json(measured)
        return
    # No table title: that would wrap it.
    lines([f"fusion by {measured['protocol']}: {measured['num_videos']} videos"])
    table = _metrics_table(measured)
    (_, label), *_ = _labels_of(measured)
    table.add_row(
        f"{label}, fused minus {measured['fusion']['best']}",
        f"{measured['gain']:+.3f}",
        f"{measured['gain_low']:+.3f} to {measured['gain_high']:+.3f}",
    )
    console().print(table)


def _metrics_table(measured, title=None):
    table = Table(title=title)
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, label in _labels_of(measured):
        interval = ""
        if f"{name}_low" in measured:
            low, high = measured[f"{name}_low"], measured[f"{name}_high"]
            interval = f"{low:.3f} to {high:.3f}"
        table.add_row(label, f"{measured[name]:.3f}", interval)
    return table


def _class_ap_table(class_ap):
    """The classes by average precision: all, or of many the first and last few."""
    found = {name: ap for name, ap in class_ap.items() if ap is not None}
    ranked = sorted(found, key=found.get, reverse=True)
    table = Table()  # no title: that would wrap to the width of the names
    table.add_column("class")
    table.add_column("average precision", justify="right")
    hidden = max(len(ranked) - 2 * _FEW_CLASSES, 0)
    last = len(ranked) - _FEW_CLASSES
    for rank, name in enumerate(ranked):
        if not hidden or rank < _FEW_CLASSES or rank >= last:
            table.add_row(name, f"{found[name]:.3f}")
        elif rank == _FEW_CLASSES:
            table.add_row(f"({hidden} more: --json prints all)", "")
    absent = len(class_ap) - len(found)
    if absent:
        table.add_row(f"({absent} that no video has)", "")
    return table


def split_metrics(result, *, as_json: bool) -> None:
    """What `evaluate` measured on several splits, and the mean."""
    if as_json:
        write_json(result)
        return
    splits, mean = result["splits"], result["mean"]
    table = Table(title=f"{mean['model']}, {mean['protocol']}")
    table.add_column("metric")
    for split in splits:
        table.add_column(split, justify="right")
    table.add_column("mean", justify="right")
    for name, label in _labels_of(mean):
        values = [f"{measured[name]:.3f}" for measured in splits.values()]
        table.add_row(label, *values, f"{mean[name]:.3f}")
    console().print(table)


def flow_errors(found, *, as_json: bool) -> None:
    """The endpoint error of predicted flow on a data set."""
    if as_json:
        write_json(found)
        return
    lines(
        [
            *found["notes"],
            f"{found['data_set']}, {found['num_pairs']} pairs: EPE "
            f"{found['epe']:.3f} px; of no flow at all {found['zero_flow_epe']:.3f} px",
        ]
    )


def predictions(answers, *, as_json: bool) -> None:
    """What `predict` answered, video by video."""
    if as_json:
        write_json(answers)
        return
    for answer in answers:
        if "error" in answer:
            sys.stderr.write(f"vidzoo predict: {answer['error']}\n")
            continue
        lines([answer["video"]])  # no table title: that would wrap a long path
        table = Table()
        table.add_column("class")
        table.add_column("score", justify="right")
        for row in answer["top"]:
            table.add_row(row["class"], f"{row['score']:.3f}")
        console().print(table)


def compared(found, *, as_json: bool) -> None:
    """What `compare` found: the difference over all, and by class."""
    if as_json:
        write_json(found)
        return
    # No table title: that would wrap it.
    names = [found[side]["name"] for side in "ab"]
    lines([f"{names[0]} minus {names[1]}: {found['num_videos']} videos"])
    table = Table()
    for column in ("", *names, "difference"):
        table.add_column(column, justify="right" if column else "left")
    table.add_column("95 % interval", justify="right")
    table.add_row(
        "top-1",
        f"{found['a']['top1']:.3f}",
        f"{found['b']['top1']:.3f}",
        f"{found['difference']:+.3f}",
        f"{found['low']:+.3f} to {found['high']:+.3f}",
    )
    console().print(table)
    console().print(_class_differences_table(found))
    if found["plot"]:
        lines([found["plot"]])


def _class_differences_table(found):
    """The classes by difference: all, or of many the first and last few."""
    classes = {n: row for n, row in found["classes"].items() if row["num_videos"]}
    table = Table()
    table.add_column("class")
    for column in ("videos", found["a"]["name"], found["b"]["name"], "difference"):
        table.add_column(column, justify="right")
    hidden = max(len(classes) - 2 * _FEW_CLASSES, 0)
    for rank, (name, row) in enumerate(classes.items()):
        if not hidden or rank < _FEW_CLASSES or rank >= len(classes) - _FEW_CLASSES:
            values = [f"{row['a']:.3f}", f"{row['b']:.3f}", f"{row['difference']:+.3f}"]
            table.add_row(name, str(row["num_videos"]), *values)
        elif rank == _FEW_CLASSES:
            table.add_row(f"({hidden} more: --json prints all)")
    absent = len(found["classes"]) - len(classes)
    if absent:
        table.add_row(f"({absent} that no video has)")
    return table


def explained(made, *, as_json: bool) -> None:
    """What `explain` drew."""
    if as_json:
        write_json(made)
        return
    texts = []
    if "scale" in made:
        first, *_, last = made["frames"]
        scale = f"the strongest colours are {made['scale']:.1f} px"
        texts.append(f"frames {first} to {last}; {scale}")
        for name, errors in made.get("endpoint_error", {}).items():
            listed = ", ".join(f"{of} {error:.2f} px" for of, error in errors.items())
            texts.append(f"{name}: endpoint error to {made['reference']}: {listed}")
    else:
        texts += [_looked_at(name, found) for name, found in made["runs"].items()]
    lines([*texts, made["picture"]])


def _looked_at(name, found):
    drops = [
        (drop, top, left)
        for top, row in zip(found["tops"], found["drops"], strict=True)
        for left, drop in zip(found["lefts"], row, strict=True)
    ]
    drop, top, left = max(drops)
    return (
        f"{name}: {found['class']} {found['confidence']:.3f}; a square of "
        f"{found['size']} px at x {left}, y {top} takes most of it, {drop:.0%}"
    )


def demo_results(results, *, as_json: bool) -> None:
    """What the demo measured, and how long each step took."""
    if as_json:
        write_json(results)
        return
    table = Table(title=f"motion shapes, {results['num_test']} test clips")
    for column in ("network", "labelled by", "top-1", "95 % interval", "expected"):
        table.add_column(column)
    for row in results["rows"]:
        table.add_row(
            row["network"],
            row["label"],
            f"{row['top1']:.3f}",
            f"{row['low']:.3f} to {row['high']:.3f}",
            f"{row['expected']}: {'yes' if row['passed'] else 'NO'}",
        )
    console().print(table)
    answer = results["prediction"]
    best = answer["top"][0]
    lines(
        [
            f"{answer['video']}: {best['class']} ({best['score']:.2f}), by the "
            f"SavedModel {results['model']}",
            "seconds: "
            + ", ".join(
                f"{name} {took:.0f}" for name, took in results["seconds"].items()
            ),
        ]
    )


def write_json(value):
    """Prints a value as JSON."""
    sys.stdout.write(json.dumps(value, indent=1, allow_nan=False) + "\n")


def lines(texts):
    """Prints lines, however long."""
    sys.stdout.write("\n".join(texts) + "\n")


def console():
    """Where tables are printed: as wide as the terminal, 120 elsewhere."""
    width = None if sys.stdout.isatty() else 120
    # No markup: file names may hold brackets.
    return Console(file=sys.stdout, width=width, markup=False, highlight=False)
