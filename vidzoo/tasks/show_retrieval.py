"""What the verbs of retrieval print: a table for people, JSON for programs."""

import sys

from rich.table import Table

from vidzoo.tasks.show import console, lines, write_json

_LISTED = 10  # files that could not be read


def indexed(summary, *, as_json: bool) -> None:
    """What `index` put into an index, and what it left out."""
    if as_json:
        write_json(summary)
        return
    texts = [
        f"{summary['index']}: {summary['num_entries']} entries of "
        f"{summary['vector_size']} values, {summary['added']} of them new"
    ]
    if quarantined := summary["quarantined"]:
        texts.append(f"{len(quarantined)} left out, as they cannot be read:")
        listed = list(quarantined.items())
        texts += [f"  {path}: {reason}" for path, reason in listed[:_LISTED]]
        if len(listed) > _LISTED:
            texts.append(f"  and {len(listed) - _LISTED} more (--json lists all)")
    lines(texts)


def removed(summary, *, as_json: bool) -> None:
    """What `index-remove` took out."""
    if as_json:
        write_json(summary)
        return
    lines(
        [
            f"{summary['index']}: {summary['removed']} entries removed, "
            f"{summary['num_entries']} left"
        ]
    )


def found(results, html, *, as_json: bool) -> None:
    """What `search` found, query by query."""
    if as_json:
        write_json(results)
        return
    for path, reason in results["failed"].items():
        sys.stderr.write(f"vidzoo search: {path}: {reason}\n")
    for answer in results["queries"]:
        seconds = answer["seconds"]
        # No table title: that would wrap a long path.
        lines([answer["query"] + ("" if seconds is None else f", {seconds:.1f} s")])
        console().print(_table(answer["results"]))
    if html is not None:
        lines([str(html)])
        if missing := results["num_without_thumbnail"]:
            lines([f"{missing} without a thumbnail: they are gone, or broken"])


def _table(rows):
    table = Table()
    table.add_column("rank", justify="right")
    table.add_column("distance", justify="right")
    table.add_column("found", overflow="fold")
    table.add_column("seconds", justify="right")
    for row in rows:
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.1f}"
        rank, distance = str(row["rank"]), f"{row['distance']:.3f}"
        table.add_row(rank, distance, row["path"], seconds)
    return table
