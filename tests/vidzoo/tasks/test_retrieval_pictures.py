"""The verb retrieval-pictures, as a user meets it."""

import json
import shutil

import cv2
import numpy as np
import pytest

from tests.vidzoo.tasks import test_retrieval_study as study
from vidzoo.retrieval.patches import cut
from vidzoo_data.pictures import read

weights, folder = study.weights, study.folder
PICTURES = ("retrieval-pictures", ".", "out.png", "--weights=toy.npz")
TOY = ("--network=toy", "--size=32", "--layers=res2,res3")


def test_a_copy_is_put_together_again(folder, vidzoo):
    """Every nearest patch is the copy's: its picture comes back to the pixel."""
    shutil.copy(folder / "4.png", folder / "copy.png")
    code, out, _ = vidzoo(
        *(*PICTURES, *TOY, "--scales=1,2", "--picture=correspondence"),
        *("--query=4.png", "--json"),
    )
    assert code == 0
    found = json.loads(out)
    sizes = {"res2": 8, "res3": 4}
    for layer, side in sizes.items():
        for scale in (1, 2):
            answer = found["layers"][f"{layer}, scale {scale}"]
            assert answer["map_size"] == [side * scale] * 2
            assert answer["pictures"] == {"copy.png": (side * scale) ** 2}
            assert answer["distance"] == 0
    sheet = cv2.imread("out.png")[..., ::-1]
    query = read(folder / "4.png", 32).repeat(4, axis=0).repeat(4, axis=1)
    left = [10 + i * 138 for i in range(5)]
    for column in (left[0], left[1], left[2]):  # the query, and scale 1
        place = sheet[30 : 30 + 128, column : column + 128]
        np.testing.assert_array_equal(place, query)


def test_the_query_is_not_its_own_answer(folder, vidzoo):
    code, out, _ = vidzoo(
        *(*PICTURES, *TOY, "--picture=correspondence", "--json"),
        *(f"--query={folder / '4.png'}", "--neighbors=2"),
    )
    assert code == 0
    for answer in json.loads(out)["layers"].values():
        assert "4.png" not in answer["pictures"] and answer["distance"] > 0


@pytest.mark.parametrize("options", [(), ("--num_words=4", "--layout=folder")])
def test_clusters(folder, vidzoo, options):
    code, out, _ = vidzoo(
        *(*PICTURES, *TOY, "--picture=clusters", "--rows=3", "--patches=5"),
        *(*options, "--json"),
    )
    assert code == 0
    for rows in json.loads(out)["layers"].values():
        assert len(rows) == 3
        for row in rows:
            assert len(row["pictures"]) == 5
            assert row["distances"] == sorted(row["distances"])
            # The first patch is the sampled one itself; a word is no patch.
            assert (row["distances"][0] == 0) == (not options)
    sheet = cv2.imread("out.png")[..., ::-1]
    if not options:
        patches = cut(np.stack([read(f"{i}.png", 32) for i in range(9)]), (8, 8))
        first = sheet[30 : 30 + 48 : 12, 10 : 10 + 48 : 12]  # of 4 x 4 pixels
        assert any((first == patch).all() for patch in patches.reshape(-1, 4, 4, 3))


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("--picture=other",), "no picture 'other'. Choose one of: correspondence"),
        (("--picture=correspondence",), "--query: name a picture"),
        (
            ("--picture=correspondence", "--query=none.png"),
            "none.png: neither the name of a picture among the 9, such as 0.png, nor",
        ),
        (
            ("--picture=clusters", "--query=0.png"),
            "--query is for --picture=correspondence",
        ),
        (("--picture=clusters", "--layers=conv9"), "`layers` must be some of"),
        (
            ("--picture=clusters", "--num_words=2", "--rows=3"),
            "2 words make no 3 rows",
        ),
    ],
)
def test_usage(folder, vidzoo, arguments, message):
    code, _, err = vidzoo(*PICTURES, *TOY, *arguments)
    assert code == 2 and message in err and not (folder / "out.png").exists()


def test_no_file_is_replaced(folder, vidzoo):
    (folder / "out.png").write_bytes(b"mine")
    code, _, err = vidzoo(*PICTURES, *TOY, "--picture=clusters")
    assert code == 2 and "out.png: exists" in err
    assert (folder / "out.png").read_bytes() == b"mine"
