"""What `retrieval-study` and `retrieval-pictures` print."""

from rich.table import Table

from vidzoo.tasks import show, study_report


def study(found, *, as_json: bool) -> None:
    """What was measured: every layer, the gains, and all scales together."""
    if as_json:
        show.write_json(found)
        return
    show.lines(
        [
            f"{found['path']}: {found['num_pictures']} pictures, "
            f"{found['num_queries']} queries of {found['num_places']} places; mAP, "
            "its deviation over vocabularies, its 95 % interval over places"
        ]
    )
    table = Table()
    for column in ("network", "layer", "scale", "words", "PCA"):
        table.add_column(column)
    for column in ("mAP", "deviation", "95 % interval", "P@1", "paper"):
        table.add_column(column, justify="right")
    published = {_key(row): row["published"] for row in found["tables"]}
    for row in found["rows"]:
        table.add_row(
            row["network"],
            row["layer"],
            "+".join(map(str, row["scales"])),
            str(row["num_words"] or "pooled"),
            str(row["dimension"] or "none"),
            f"{row['map']:.3f}",
            _number(row["deviation"]),
            _interval(row),
            _number(row["precision_at_1"]),
            _number(published.get(_key(row))),
        )
    show.console().print(table)
    show.lines(
        [
            *(
                f"{row['network']}, scale {row['scale']}, {row['num_words']} words: "
                f"{row['best']} minus {row['last']}: {row['difference']:+.3f} "
                f"({_interval(row) or 'one place: no interval'})"
                for row in found["gains"]
            ),
            f"written: {found['out']}/{study_report.JSON}, {study_report.CSV}, "
            f"{study_report.PLOT}",
        ]
    )


def pictures(made, *, as_json: bool) -> None:
    """What was drawn: the distances of the nearest patches of each layer."""
    if as_json:
        show.write_json(made)
        return
    texts = []
    for name, found in made["layers"].items():
        if isinstance(found, list):  # clusters
            distances = [row["distances"][-1] for row in found]
            texts.append(
                f"{name}: {len(found)} rows, the last patch at "
                f"{min(distances):.3f} to {max(distances):.3f}"
            )
            continue
        most, times = next(iter(found["pictures"].items()))
        total = sum(found["pictures"].values())
        texts.append(
            f"{name}: {total} patches at {found['distance']:.3f} from the nearest, of "
            f"{len(found['pictures'])} pictures, most of {most} ({times})"
        )
    show.lines([*texts, f"written: {made['picture']}"])


def _key(row):
    scales = tuple(row["scales"])
    return row["network"], row["layer"], scales, row["num_words"], row["dimension"]


def _number(value):
    return "" if value is None else f"{value:.3f}"


def _interval(row):
    return "" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}"
