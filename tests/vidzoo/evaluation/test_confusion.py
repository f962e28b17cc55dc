"""Confusion: the counts are right, and a picture comes out for any classes."""

import json

import cv2
import matplotlib.pyplot
import numpy as np
import pytest

from vidzoo.evaluation import Scores, write_confusion


def answers(labels, answered, classes):
    """Scores of videos that were answered with these classes."""
    logits = np.eye(len(classes), dtype=np.float32)[np.array(answered)]
    ids = np.array([str(i) for i in range(len(labels))])
    return Scores(ids, np.array(labels), logits, np.array(classes), "center")


def colours(file):
    """The picture, `(H, W, 3)` RGB."""
    image = cv2.imread(str(file))[..., ::-1]
    assert image.shape[0] > 400
    return image


def test_counts(tmp_path):
    scores = answers([0, 0, 0, 1, 2], [0, 0, 1, 1, 0], ["a", "ü", "c"])
    matrix = write_confusion(scores, tmp_path / "run.v1")
    expected = [[2, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert matrix.tolist() == expected
    described = json.loads((tmp_path / "run.v1.json").read_text(encoding="utf-8"))
    assert described == {
        "rows": "true class",
        "columns": "answered class",
        "classes": ["a", "ü", "c"],
        "matrix": expected,
    }
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == ["run.v1.json", "run.v1.png"]


def test_picture_is_dark_where_the_answers_are(tmp_path):
    """Two classes, all answered with the first: the left column dark, the right not."""
    write_confusion(answers([0] * 9 + [1], [0] * 10, ["a", "b"]), tmp_path / "c")
    image = colours(tmp_path / "c.png").astype(int)
    blue = (image[..., 2] - image[..., 0] > 60) & (image[..., 0] < 60)  # "Blues" at 1
    columns = np.flatnonzero(blue.sum(axis=0) > 0.5 * blue.sum(axis=0).max())
    rows = np.flatnonzero(blue[:, columns].any(axis=1))
    height = rows[-1] - rows[0]
    width = columns[-1] - columns[0]
    assert height == pytest.approx(2 * width, rel=0.05)


@pytest.mark.parametrize("num_classes", [1, 2, 20, 21, 61, 121, 400])
def test_pictures_of_any_number_of_classes(num_classes, tmp_path):
    labels = np.arange(num_classes)
    classes = [f"class {i}" for i in range(num_classes)]
    write_confusion(answers(labels, labels[::-1], classes), tmp_path / "c")
    image = colours(tmp_path / "c.png")
    assert max(image.shape) <= 2600
    assert image.std() > 5


@pytest.mark.parametrize("name", ["$x_{", "a_b^c$d$", "日本", "x" * 300, "", "a\nb"])
def test_class_names_are_no_formulas_and_of_any_script(name, tmp_path):
    write_confusion(answers([0, 1], [0, 0], [name, "b"]), tmp_path / "c")
    described = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert described["classes"] == [name, "b"]
    assert max(colours(tmp_path / "c.png").shape) < 1200


def test_picture_is_the_same_each_time(tmp_path):
    scores = answers([0, 1], [0, 0], ["a", "b"])
    write_confusion(scores, tmp_path / "c")
    write_confusion(scores, tmp_path / "d")
    assert (tmp_path / "c.png").read_bytes() == (tmp_path / "d.png").read_bytes()


def test_several_labels_have_no_confusion(tmp_path):
    scores = answers([[1, 1], [0, 1]], [0, 0], ["a", "b"])
    with pytest.raises(ValueError, match="one label a video. Received: multi-hot"):
        write_confusion(scores, tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_no_global_figure_is_left(tmp_path):
    write_confusion(answers([0, 1], [0, 0], ["a", "b"]), tmp_path / "c")
    assert not matplotlib.pyplot.get_fignums()
