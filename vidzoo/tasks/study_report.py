"""What a retrieval study found: means and intervals, as JSON, CSV and a plot."""

import csv
import io
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from vidzoo import atomic
from vidzoo.explain.layer_lines import Line, LinesPanel, layer_lines
from vidzoo.retrieval import BEST_LAYERS, interval, layer_names
from vidzoo.retrieval.features import SIZE
from vidzoo.retrieval.vocabulary import NUM_WORDS
from vidzoo.tasks import picture_file

JSON, CSV, PLOT = "study.json", "study.csv", "study.png"
# Tables 2.2 and 2.3: network, layout, dimension -> mAP, measured as below.
PUBLISHED = {
    ("vgg16", "holidays", None): 0.838,
    ("vgg16", "oxford", None): 0.649,
    ("vgg16", "paris", None): 0.694,
    ("googlenet", "holidays", None): 0.840,
    ("googlenet", "oxford", None): 0.581,
    ("googlenet", "paris", None): 0.688,
    ("vgg16", "holidays", 128): 0.816,
    ("vgg16", "oxford", 128): 0.593,
    ("vgg16", "paris", 128): 0.590,
    ("googlenet", "holidays", 128): 0.836,
    ("googlenet", "oxford", 128): 0.558,
    ("googlenet", "paris", 128): 0.583,
}
_PUBLISHED_SETTINGS = {"aggregation": "vlad", "normalization": "intra", "size": SIZE}
_PUBLISHED_ROWS = {"num_words": NUM_WORDS, "scales": [1, 2]}  # of the best layer
_COLUMNS = (
    *("network", "layer", "scales", "num_words", "dimension", "vector_size"),
    *("map", "deviation", "low", "high", "precision_at_1", "seeds", "each"),
)


def table_layer(cells, layout, network, layers, num_words) -> str:
    """The layer whose scales are put together: the paper's, else the best one here.

    Args:
        cells: what was measured.
        layout: of the data set.
        network: which.
        layers: that are chosen from.
        num_words: of the vocabularies.
    """
    best = BEST_LAYERS.get(network, {}).get(layout)
    if best in layers:
        return best
    found = defaultdict(list)
    for cell in cells:
        same = (cell.network, cell.num_words) == (network, num_words)
        if same and len(cell.scales) == 1 and cell.layer in layers:
            # What was measured by PCA alone is compared by it.
            key = (cell.dimension is None, cell.dimension or 0, cell.layer, cell.scales)
            found[key].append(cells[cell]["map"])
    kind = max(key[:2] for key in found)
    means = {k: np.mean(v) for k, v in found.items() if k[:2] == kind}
    return max(means, key=means.get)[2]


def summary(data, cells, settings) -> dict:
    """All that was measured, JSON-ready.

    Args:
        data: the pictures and queries.
        cells: what was measured.
        settings: how.

    Returns:
        `layout`, `settings`, `num_pictures`, `num_queries`, `num_places`;
        `rows`: for each network, layer, scales, number of words and dimension, `map`,
        the mean over vocabularies, their `deviation` (None of one) and `each`, by
        `seeds`; `low` and `high`, the 95 % interval over places; `precision_at_1`.
        Global average pooling has no words. `gains`: of the best layer over the last,
        by network, scale and words, `difference`, `low` and `high`. `tables`: rows of
        several scales, with `published` of the paper where it measured just that.
    """
    places = interval.places(data.queries)
    ids = [query.query_id for query in data.queries]
    groups = defaultdict(list)
    for cell in sorted(cells, key=_order):
        key = (
            *(cell.network, cell.layer, cell.scales),
            *(cell.num_words, cell.dimension),
        )
        groups[key].append(cell)
    values = {
        key: np.array([[cells[c]["average_precisions"][i] for i in ids] for c in group])
        for key, group in groups.items()
    }
    rows = [_row(key, groups[key], cells, values[key], places) for key in groups]
    return {
        "layout": data.name,
        "settings": settings,
        "num_pictures": len(data.pictures),
        "num_queries": len(data.queries),
        "num_places": int(places.max()) + 1,
        "rows": rows,
        "gains": _gains(values, places),
        "tables": [
            row | {"published": _published(row, data.name, settings)}
            for row in rows
            if len(row["scales"]) > 1
        ],
    }


def _published(row, layout, settings):
    """The paper's number for a row that is measured as the paper did, else None."""
    best = BEST_LAYERS.get(row["network"], {}).get(layout)
    alike = _PUBLISHED_ROWS | {"layer": best}
    if alike.items() <= row.items() and _PUBLISHED_SETTINGS.items() <= settings.items():
        return PUBLISHED.get((row["network"], layout, row["dimension"]))
    return None


def _order(cell):
    """As networks' layers are, low to high; pooling first."""
    layer = layer_names(cell.network).index(cell.layer)
    dimension = cell.dimension or 0
    return (
        *(cell.network, cell.num_words or 0, len(cell.scales), layer),
        *(cell.scales, -dimension if dimension else -np.inf, cell.seed or 0),
    )


def _row(key, group, cells, values, places):
    network, layer, scales, num_words, dimension = key
    maps = values.mean(axis=1)
    ends = interval.bootstrap(values, places) or (None, None)
    first = [cells[cell]["precision_at_1"] for cell in group]
    return {
        "network": network,
        "layer": layer,
        "scales": list(scales),
        "num_words": num_words,
        "dimension": dimension,
        "vector_size": cells[group[0]]["vector_size"],
        "map": float(maps.mean()),
        "deviation": float(maps.std(ddof=1)) if len(maps) > 1 else None,
        "low": ends[0],
        "high": ends[1],
        "precision_at_1": None if first[0] is None else float(np.mean(first)),
        "seeds": [cell.seed for cell in group],
        "each": maps.tolist(),
    }


def _gains(values, places):
    """The best layer against the network's last, query by query."""
    rows, groups = [], defaultdict(dict)
    for (network, layer, scales, words, dimension), found in values.items():
        if len(scales) == 1 and words is not None and dimension is None:
            groups[network, scales[0], words][layer] = found.mean(axis=0)
    for (network, scale, words), found in groups.items():
        last = layer_names(network)[-1]
        best = max(found, key=lambda layer: found[layer].mean())
        if last not in found or best == last:
            continue
        difference = found[best] - found[last]
        low, high = interval.bootstrap(difference, places) or (None, None)
        rows.append(
            {
                "network": network,
                "scale": scale,
                "num_words": words,
                "best": best,
                "last": last,
                "difference": float(difference.mean()),
                "low": low,
                "high": high,
            }
        )
    return rows


def write(out: Path, found: dict) -> None:
    """Writes the three files, each whole or not at all."""
    text = json.dumps(found, indent=1, allow_nan=False)
    atomic.write_text(out / JSON, f"{text}\n")
    table = io.StringIO()
    writer = csv.DictWriter(table, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in found["rows"]:
        joined = {
            name: "+".join(map(str, row[name])) if name == "scales" else row[name]
            for name in _COLUMNS
        }
        for name in ("seeds", "each"):
            joined[name] = " ".join(map(str, row[name]))
        writer.writerow(joined)
    atomic.write_text(out / CSV, table.getvalue())
    picture_file.write(out / PLOT, plot(found))


def plot(found: dict) -> np.ndarray:
    """Figure 2.2 of what was measured: a line for each scale and number of words.

    Error bars reach from the least to the largest of the vocabularies.
    """
    rows = [row for row in found["rows"] if len(row["scales"]) == 1]
    panels = []
    for network in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == network]
        lines = _lines([row for row in own if row["num_words"] is not None])
        layers = {layer for line in lines for layer in line.values}
        panels.append(
            LinesPanel(
                title=f"{network}: {found['num_queries']} queries of "
                f"{found['num_places']} places",
                layers=[name for name in layer_names(network) if name in layers],
                lines=lines,
                levels={
                    f"global pooling, scale {row['scales'][0]}": row["map"]
                    for row in own
                    if row["num_words"] is None
                },
            )
        )
    return layer_lines(panels, "mAP")


def _lines(rows):
    """Without PCA where that was measured: lines of one kind are compared."""
    if any(row["dimension"] is None for row in rows):
        rows = [row for row in rows if row["dimension"] is None]
    groups = defaultdict(list)
    for row in rows:
        key = (row["num_words"], row["dimension"] or 0, row["scales"][0])
        groups[key].append(row)
    scales = sorted({key[2] for key in groups})
    kinds = sorted({key[:2] for key in groups}, reverse=True)
    return [
        Line(
            label=f"scale {scale}, {words} words" + (f", PCA {pca}" if pca else ""),
            values={row["layer"]: row["map"] for row in groups[words, pca, scale]},
            ends={
                row["layer"]: (min(row["each"]), max(row["each"]))
                for row in groups[words, pca, scale]
            },
            style=scales.index(scale),
            colour=kinds.index((words, pca)),
        )
        for words, pca, scale in sorted(groups, key=lambda k: (-k[0], k[1], k[2]))
    ]
