"""The verbs index, index-remove and search, as a user meets them."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.vidzoo.tasks.indexing.indexed import (
    FLAGS,
    ONE,
    clear,
    ids,
    picture,
    write_picture,
)
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo.retrieval import Encoder, IndexFile, Whitening
from vidzoo.retrieval.normalization import l2
from vidzoo.tasks import index_encoder
from vidzoo_data import pictures as data

# What is found


def test_pictures_and_frames_are_found_again(root, index, search):
    code, summary, err = index(*FLAGS, "--fps=1")
    assert code == 0, err
    assert "no PCA: 14 images are few for 128 dimensions (1280 are enough)" in err
    size = 2 * 4 * 32  # scales, words, channels of res3
    assert summary == {
        "index": "pictures.index",
        "num_entries": 14,
        "added": 14,
        "vector_size": size,
        "quarantined": {},
    }
    frames = [f"photos/clip.avi#{i}" for i in (0, 2, 4, 6)]
    assert ids() == [
        *sorted(f"photos/{'ab'[i % 2]}/{i}.png" for i in range(10)),
        *frames,
    ]
    cv2.imwrite("query.jpg", cv2.resize(picture(3), (160, 120)))  # another size, kind
    code, found, err = search(
        "query.jpg", "photos/clip.avi", "--num_frames=2", "--top=3"
    )
    assert (code, err) == (0, "")
    first = [answer["results"][0] for answer in found]
    assert first[0]["path"] == "photos/b/3.png" and first[0]["seconds"] is None
    # The middle frames of two halves, of which the index holds the one that it took.
    assert [(a["frame"], a["seconds"]) for a in found] == [(None, None), (2, 1), (6, 3)]
    assert [(r["id"], r["seconds"]) for r in first[1:]] == [
        (frames[1], 1),
        (frames[3], 3),
    ]
    assert first[1]["distance"] == pytest.approx(0, abs=1e-3)
    assert [row["rank"] for row in found[0]["results"]] == [1, 2, 3]


def test_vectors_are_those_of_the_library(root, index):
    """By the library's own way, a fit of the same pictures, PCA, and reading."""
    code, _, err = index(*FLAGS, "--dimension=5", "--seed=3", "--num_frames=2")
    assert code == 0, err
    opened = IndexFile.load("pictures.index")
    found = index_encoder.open_encoder(opened)
    paths = sorted(Path("photos").glob("?/*.png"))
    images = [np.stack([data.read(p, side) for p in paths]) for side in (32, 64)]
    frames = list(data.read_frames("photos/clip.avi", (32, 64), num_frames=2))
    images = [
        np.concatenate([stills, [frame.image[i] for frame in frames]])
        for i, stills in enumerate(images)
    ]
    whole = Encoder.fit(found.features, lambda: [images], num_words=4, seed=3)
    long = whole(images)
    expected = Whitening.fit([long], 5)(long)
    # Axes have either sign, so products are compared.
    vectors = opened.vectors
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-3)
    np.testing.assert_allclose(vectors, found(images), atol=1e-4)


def test_entries_as_queries_need_no_weights(made, index, search):
    os.remove("toy.npz")
    opened = IndexFile.load("pictures.index")
    squares = ((opened.vectors[:, None] - opened.vectors[None]) ** 2).sum(-1)
    np.fill_diagonal(squares, np.inf)
    code, found, err = search("--query_ids=photos/a/0.png,photos/clip.avi", "--top=20")
    assert (code, err) == (0, "")
    names = ids()
    frames = [i for i, name in enumerate(names) if "clip" in name]
    assert len(found) == 1 + len(frames)
    for answer, place in zip(found, [0, *frames], strict=True):
        order = np.argsort(squares[place])[:-1]
        assert [row["id"] for row in answer["results"]] == [names[i] for i in order]
        distances = [row["distance"] for row in answer["results"]]
        np.testing.assert_allclose(distances, np.sqrt(squares[place][order]), atol=1e-5)

    _, expanded, _ = search("--query_ids=photos/a/0.png", "--expand=3", "--top=4")
    nearest = np.argsort(squares[0])[:3]  # others
    mean = l2(opened.vectors[0] + opened.vectors[nearest].sum(0))
    distances = np.sqrt(((opened.vectors - mean) ** 2).sum(-1))
    order = [i for i in np.argsort(distances) if i != 0][:4]
    assert clear(expanded)[0] == [names[i] for i in order]
    found = [row["distance"] for row in expanded[0]["results"]]
    np.testing.assert_allclose(found, distances[order], atol=1e-5)


def test_an_index_and_its_pictures_may_be_moved(root, index, search, monkeypatch):
    (root / "deep").mkdir()
    assert index(*ONE, out="deep/pictures.index")[0] == 0
    moved = root.with_name("elsewhere")
    shutil.move(root, moved)
    monkeypatch.chdir(moved / "deep")
    code, found, err = search("../photos/a/4.png", "--top=1")
    assert (code, err) == (0, "")
    assert found[0]["results"][0]["path"] == "../photos/a/4.png"
    assert found[0]["results"][0]["id"] == "../photos/a/4.png"


def test_the_paper_s_layers_are_the_defaults(root, index, monkeypatch):
    from vidzoo.tasks import index as task

    for layout, layer in (
        *(("holidays", "inception_3a"), ("oxford", "inception_5b")),
        *(("paris", "inception_4e"), ("folder", "inception_3a")),
    ):
        settings = task._settings({}, layout)
        assert (settings["network"], settings["layers"]) == ("googlenet", [layer])
        assert (settings["scales"], settings["num_words"]) == ([1, 2], 100)
    code, _, err = index("--network=toy")
    assert code == 2 and "--layer: which is best is known of googlenet and vgg16" in err


def test_holidays_and_csv(root, index, search):
    for name in ("100000", "100001", "100100", "100101"):
        write_picture(root / "holidays" / f"{name}.jpg", seed=int(name[:4]))
    code, _, err = index(*ONE, "--layout=holidays", folder="holidays")
    assert code == 0 and "holds 4 pictures in 2 groups" in err
    _, found, _ = search("--query_ids=holidays/100100.jpg", "--top=1")
    assert clear(found) == [["holidays/100101.jpg"]]
    rows = ["path,place", "photos/a/0.png,x", "photos/a/2.png,x"]
    Path("list.csv").write_text("\n".join(rows))
    flags = (*ONE, "--layout=csv", "--group_column=place")
    code, _, err = index(*flags, folder="list.csv", out="csv.index")
    assert code == 0, err
    assert ids("csv.index") == ["photos/a/0.png", "photos/a/2.png"]


@pytest.mark.parametrize("aggregation, size", [("bow", 4), ("fisher", 256)])
def test_other_aggregations(aggregation, size, root, index, search):
    flags = (*ONE, f"--aggregation={aggregation}")
    code, summary, err = index(*flags)
    assert code == 0, err
    assert summary["vector_size"] == size
    _, found, _ = search("photos/a/2.png", "--top=1")
    assert clear(found) == [["photos/a/2.png"]]


# Adding and removing


def test_what_is_added_is_encoded_as_the_rest(root, index, search):
    flags = (*FLAGS, "--dimension=6", "--num_frames=3")
    assert index(*flags)[0] == 0
    before = IndexFile.load("pictures.index")
    old = dict(zip(before.entries, np.array(before.vectors), strict=True))
    write_picture(root / "photos" / "a" / "new.png", seed=50)
    write_video(root / "photos" / "more.avi", num_frames=6, seed=9)
    code, summary, err = index("--add")
    assert code == 0 and "11 of 13 files are there" in err
    assert (summary["added"], summary["num_entries"]) == (4, len(old) + 4)
    after = IndexFile.load("pictures.index")
    assert (after.fingerprint, after.notes) == (before.fingerprint, before.notes)
    new = dict(zip(after.entries, after.vectors, strict=True))
    for entry, vector in old.items():
        np.testing.assert_array_equal(new[entry], vector)
    encoder = index_encoder.open_encoder(after)
    images = tuple(data.read("photos/a/new.png", side)[None] for side in (32, 64))
    added = next(v for entry, v in new.items() if entry.path == "photos/a/new.png")
    np.testing.assert_allclose(added, encoder(images)[0], atol=1e-5)

    whole = Path("pictures.index").read_bytes()
    code, summary, _ = index("--add")  # there is nothing new
    assert (code, summary["added"]) == (0, 0)
    assert Path("pictures.index").read_bytes() == whole
    assert not Path("pictures.index.partial").exists()


def test_removing_undoes_adding(made, index, vidzoo):
    before = Path("pictures.index").read_bytes()
    write_picture(made / "photos" / "a" / "new.png", seed=50)
    write_video(made / "photos" / "more.avi", num_frames=6, fps=2.0, seed=9)
    assert index("--add")[0] == 0
    names = ("photos/a/new.png", str(made / "photos" / "more.avi"))  # all its frames
    code, out, err = vidzoo("index-remove", "pictures.index", *names)
    assert (code, err) == (0, "")
    assert out == "pictures.index: 4 entries removed, 14 left\n"
    assert Path("pictures.index").read_bytes() == before
    for names, message in (
        (["nowhere.png"], "pictures.index: holds no nowhere.png; expected the ids or"),
        (["photos/clip.avi#1"], "holds no photos/clip.avi#1; expected"),
        (ids(), "none of its 14 entries would be left; delete the file instead"),
    ):
        code, out, err = vidzoo("index-remove", "pictures.index", *names)
        assert (code, out) == (1, "") and message in err
    assert Path("pictures.index").read_bytes() == before
