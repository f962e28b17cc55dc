"""Rows of a study, from measurements made up by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from vidzoo.tasks import study_report
from vidzoo.tasks.study_cells import Cell
from vidzoo_data.pictures import Query

QUERIES = tuple(
    Query(name, name, frozenset({f"{name}'"})) for name in ("a", "b", "c", "d")
)
LOW, HIGH = "inception_3a", "inception_5b"


def content(*precisions):
    return {
        "vector_size": 5,
        "map": float(np.mean(precisions)),
        "precision_at_1": 0.5,
        "average_precisions": dict(zip("abcd", precisions, strict=True)),
    }


CELLS = {
    Cell("googlenet", HIGH, (1,), 100, 0): content(0.1, 0.2, 0.3, 0.4),
    Cell("googlenet", HIGH, (1,), 100, 1): content(0.2, 0.3, 0.4, 0.5),
    Cell("googlenet", LOW, (1,), 100, 1): content(0.6, 0.7, 0.6, 0.7),
    Cell("googlenet", LOW, (1,), 100, 0): content(0.6, 0.5, 0.6, 0.5),
    Cell("googlenet", HIGH, (1,), 100, 0, 128): content(0.9, 0.9, 0.9, 0.9),
    Cell("googlenet", HIGH, (1,)): content(0.5, 0.5, 0.5, 0.5),
    Cell("googlenet", LOW, (1, 2), 100, 0, 128): content(0.8, 0.8, 0.8, 0.8),
    Cell("googlenet", LOW, (1, 2), 100, 0): content(0.9, 0.9, 0.9, 0.9),
}


def data(layout="holidays"):
    return SimpleNamespace(name=layout, pictures=range(8), queries=QUERIES)


def test_rows_are_means_over_vocabularies():
    found = study_report.summary(data(), CELLS, {})
    keys = [
        (r["layer"], r["scales"], r["num_words"], r["dimension"]) for r in found["rows"]
    ]
    assert keys == [
        (HIGH, [1], None, None),
        (LOW, [1], 100, None),
        (HIGH, [1], 100, None),
        (HIGH, [1], 100, 128),
        (LOW, [1, 2], 100, None),
        (LOW, [1, 2], 100, 128),
    ]
    row = found["rows"][2]
    assert row["each"] == pytest.approx([0.25, 0.35]) and row["seeds"] == [0, 1]
    assert row["map"] == pytest.approx(0.3)
    assert row["deviation"] == pytest.approx(np.std([0.25, 0.35], ddof=1))
    assert 0.15 <= row["low"] < 0.3 < row["high"] <= 0.45
    assert found["num_places"] == 4


def test_the_gain_is_query_by_query():
    (gain,) = study_report.summary(data(), CELLS, {})["gains"]
    assert (gain["best"], gain["last"], gain["scale"]) == (LOW, HIGH, 1)
    # 0.45, 0.35, 0.25, 0.15: what both layers find hard does not widen it.
    assert gain["difference"] == pytest.approx(0.3)
    assert 0.15 <= gain["low"] < 0.3 < gain["high"] <= 0.45


SETTINGS = {"aggregation": "vlad", "normalization": "intra", "size": 224}


def published(cells, layout="holidays", **settings):
    found = study_report.summary(data(layout), cells, SETTINGS | settings)
    return [row["published"] for row in found["tables"]]


def test_the_papers_numbers_stand_beside_its_data_sets():
    assert published(CELLS) == [0.840, 0.836]
    assert published(CELLS, "csv") == [None, None]


@pytest.mark.parametrize(
    "settings",
    [
        {"aggregation": "bow", "normalization": "none"},
        {"normalization": "ssr"},
        {"size": 192},
    ],
)
def test_but_not_beside_what_is_measured_otherwise(settings):
    assert published(CELLS, **settings) == [None, None]


def test_nor_beside_other_words_scales_layers_and_dimensions():
    made = content(0.8, 0.8, 0.8, 0.8)
    others = (
        Cell("googlenet", LOW, (1, 2), 16, 0),
        Cell("googlenet", LOW, (1, 3), 100, 0),
        Cell("googlenet", LOW, (1, 2, 3), 100, 0),
        Cell("googlenet", HIGH, (1, 2), 100, 0),
        Cell("googlenet", LOW, (1, 2), 100, 0, 64),
        Cell("resnet50", "res3", (1, 2), 100, 0),
    )
    assert published(dict.fromkeys(others, made)) == [None] * len(others)
    own = Cell("vgg16", "conv4_2", (1, 2), 100, 0)
    assert published({own: made}) == [0.838]


@pytest.mark.parametrize(
    "layout, layers, expected",
    [
        ("oxford", (LOW, HIGH), HIGH),  # the paper's
        ("csv", (LOW, HIGH), LOW),  # the best one, without PCA
        ("oxford", (LOW,), LOW),  # the paper's was not measured
        ("csv", (HIGH,), HIGH),
    ],
)
def test_the_layer_of_the_tables(layout, layers, expected):
    arguments = (CELLS, layout, "googlenet", layers, 100)
    assert study_report.table_layer(*arguments) == expected


def test_the_plot_holds_what_was_measured():
    found = study_report.summary(data(), CELLS, {})
    picture = study_report.plot(found)
    blue = (picture == (0x1F, 0x5F, 0xB4)).all(axis=2)
    assert blue.any()
    lower = {cell: CELLS[cell] for cell in CELLS if cell.layer == HIGH}
    other = study_report.plot(study_report.summary(data(), lower, {}))
    assert other.shape != picture.shape or (other != picture).any()
