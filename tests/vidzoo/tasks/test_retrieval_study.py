"""The verb retrieval-study, as a user meets it."""

import csv
import json

import cv2
import keras
import numpy as np
import pytest

from vidzoo.models import backbones, image_classifier
from vidzoo.retrieval import Encoder, Features, Whitening, feature_maps
from vidzoo.tasks import index, retrieval_study, study_encoding
from vidzoo.weights import save_weights
from vidzoo_data.pictures import read

STUDY = (
    *("retrieval-study", "groups.csv", "out", "--layout=csv", "--networks=toy"),
    *("--weights=toy.npz", "--size=32", "--num_words=2", "--batch_size=4"),
)
QUICK = ("--layers=res3,res5", "--scales=1", "--vocabularies=1")


def write_pictures(folder, seeds):
    """A picture for each seed, in the group of its number by three."""
    lines = ["path,group"]
    for number, seed in enumerate(seeds):
        image = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), np.uint8)
        large = cv2.resize(image, (70, 90), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number}.png"), large)
        lines.append(f"{number}.png,{number // 3}")
    (folder / "groups.csv").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    keras.utils.set_random_seed(0)
    network = image_classifier.build(backbones.get("toy"), 3, (32, 32, 3), None, "toy")
    path = tmp_path_factory.mktemp("weights") / "toy.npz"
    save_weights(path, network, network="toy", backbone="toy", variant="v1")
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch, weights):
    """The working folder: 9 different pictures in 3 groups."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "toy.npz").write_bytes(weights.read_bytes())
    write_pictures(tmp_path, range(9))
    return tmp_path


def cells(folder):
    return {
        path.stem: json.loads(path.read_text())
        for path in (folder / "out" / "cells").iterdir()
    }


def test_groups_of_one_picture_are_found(folder, vidzoo):
    write_pictures(folder, np.arange(9) // 3)
    arguments = ("--layers=res3,res5", "--vocabularies=2", "--dimensions=none,2")
    code, out, err = vidzoo(*STUDY, *arguments, "--json")
    assert code == 0 and "retrieval-study, layers" in err
    found = json.loads(out)
    # 2 layers at 2 scales and one at both, with PCA and without; 2 pooled.
    assert len(found["rows"]) == 5 * 2 + 2
    for row in found["rows"]:
        assert row["map"] == row["precision_at_1"] == row["low"] == row["high"] == 1
        assert row["seeds"] == ([None] if row["num_words"] is None else [0, 1])
        assert row["each"] == [1.0] * len(row["seeds"])
    assert (found["num_pictures"], found["num_queries"], found["num_places"]) == (
        *(9, 9),
        3,
    )
    assert [row["scales"] for row in found["tables"]] == [[1, 2], [1, 2]]
    assert json.loads((folder / "out" / "study.json").read_text()) == found
    lines = (folder / "out" / "study.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert len(rows) == 12 and rows[-1]["scales"] == "1+2"
    assert cv2.imread(str(folder / "out" / "study.png")).shape[2] == 3
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        *(".lock", "cells", "study.csv", "study.json", "study.png")
    ]


def average_precisions(vectors):
    """Of each picture for the two others of its group, in the plainest way."""
    found = []
    for i, own in enumerate(vectors.astype(np.float64)):
        others = [j for j in range(len(vectors)) if j != i]
        others.sort(key=lambda j: np.linalg.norm(vectors[j] - own))
        ranks = [r for r, j in enumerate(others, 1) if j // 3 == i // 3]
        found.append(np.mean([n / rank for n, rank in enumerate(ranks, 1)]))
    return found


def test_it_measures_what_the_encoder_gives(folder, vidzoo):
    arguments = ("--layers=res3", "--seed=4", "--vocabularies=1", "--dimensions=none,3")
    code, out, _ = vidzoo(*STUDY, *arguments, "--json")
    assert code == 0
    rows = {
        (tuple(row["scales"]), row["num_words"], row["dimension"]): row
        for row in json.loads(out)["rows"]
    }
    images = tuple(
        np.stack([read(folder / f"{i}.png", side) for i in range(9)])
        for side in (32, 64)
    )
    features = Features("toy", ["res3"], scales=(1, 2), size=32, weights="toy.npz")
    encoder = Encoder.fit(features, lambda: [images], num_words=2, seed=4)
    encoded = {(1, 2): encoder(images)} | {
        (scale,): encoder.aggregations[layer, scale](descriptors)
        for (layer, scale), descriptors in features(images).items()
    }
    for scales, vectors in encoded.items():
        for dimension in (None, 3):
            if dimension is not None:
                vectors = Whitening.fit([vectors], dimension)(vectors)
            row = rows[scales, 2, dimension]
            assert row["map"] == pytest.approx(np.mean(average_precisions(vectors)))
            assert row["vector_size"] == vectors.shape[1] and row["seeds"] == [4]
    model = feature_maps("toy", ["res5"], size=32, weights="toy.npz")
    maps = model.predict_on_batch(images[0])["res5"]
    pooled = np.asarray(maps).mean(axis=(1, 2))
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    found = rows[(1,), None, None]["map"]
    assert found == pytest.approx(np.mean(average_precisions(pooled)))


def test_what_was_stopped_goes_on(folder, vidzoo, monkeypatch):
    arguments = (*STUDY, "--layers=res3,res5", "--scales=1", "--vocabularies=2")
    assert vidzoo(*arguments)[0] == 0
    whole = (folder / "out" / "study.json").read_text()
    (folder / "out").rename(folder / "other")

    measure, calls = study_encoding._measure, []

    def stopped(*args):
        calls.append(1)
        if len(calls) == 4:  # pooled, two layers of seed 0, and now seed 1
            raise KeyboardInterrupt
        return measure(*args)

    monkeypatch.setattr(study_encoding, "_measure", stopped)
    assert vidzoo(*arguments)[0] == 130
    assert len(cells(folder)) == 3 and not (folder / "out" / "study.json").exists()
    assert vidzoo(*arguments)[0] == 0
    assert len(calls) == 4 + 2
    assert (folder / "out" / "study.json").read_text() == whole
    vidzoo(*arguments)  # nothing is left to do
    assert len(calls) == 4 + 2


def test_more_is_added(folder, vidzoo):
    assert vidzoo(*STUDY, *QUICK)[0] == 0
    before = cells(folder)
    code, out, _ = vidzoo(*STUDY, *QUICK, "--num_words=3", "--layers=res4", "--json")
    assert code == 0
    after = cells(folder)
    assert len(after) == 4 and before.items() <= after.items()
    found = [(row["layer"], row["num_words"]) for row in json.loads(out)["rows"]]
    assert found == [("res5", None), ("res3", 2), ("res5", 2), ("res4", 3)]


def test_the_table(folder, vidzoo):
    code, out, err = vidzoo(*STUDY, *QUICK)
    assert code == 0
    assert "9 pictures, 9 queries of 3 places" in out
    assert "no PCA to 128 dimensions: 9 pictures span 8 at most" in err
    lines = [line for line in out.splitlines() if "│" in line]
    assert len(lines) == 3 and "pooled" in lines[0] and "res5" in lines[2]


def test_oxford(folder, vidzoo):
    """Two queries of a landmark, each its own picture's first; copies are found."""
    (folder / "pictures").mkdir()
    for number in range(9):
        data = (folder / f"{number // 3}.png").read_bytes()
        (folder / "pictures" / f"spire_{number}.png").write_bytes(data)
    for query, picture in (("a_1", 0), ("a_2", 1), ("b_1", 3)):
        group = range(3 * (picture // 3), 3 * (picture // 3) + 3)
        good = "\n".join(f"spire_{number}" for number in group)
        line = f"oxc1_spire_{picture} 1 2 3 4"
        texts = {"query": line, "good": good, "ok": "", "junk": "spire_8"}
        for kind, text in texts.items():
            (folder / f"{query}_{kind}.txt").write_text(text)
    options = ("--layout=oxford", "--ground_truth=.", *STUDY[4:], *QUICK)
    code, out, _ = vidzoo("retrieval-study", "pictures", "out", *options, "--json")
    assert code == 0
    found = json.loads(out)
    assert (found["num_queries"], found["num_places"]) == (3, 2)
    assert {row["map"] for row in found["rows"]} == {1.0}
    assert {row["precision_at_1"] for row in found["rows"]} == {None}


@pytest.mark.parametrize(
    "aggregation, normalization, size",
    [("vlad", "intra", 2 * 32), ("bow", "none", 2), ("fisher", "ssr", 4 * 32)],
)
def test_encoders_by_the_names_and_defaults_of_an_index(
    aggregation, normalization, size, folder, vidzoo
):
    """Without `--normalization` they are their sources'."""
    code, out, err = vidzoo(*STUDY, *QUICK, f"--aggregation={aggregation}", "--json")
    assert code == 0, err
    found = json.loads(out)
    about = {"aggregation": aggregation, "normalization": normalization}
    assert about.items() <= found["settings"].items()
    assert found["rows"][1]["vector_size"] == size
    settings = index._settings({"aggregation": aggregation}, "folder")
    assert about.items() <= settings.items()
    code, _, err = vidzoo(*STUDY, *QUICK, *(f"--{k}={v}" for k, v in about.items()))
    assert code == 0, err  # the same study


def test_words_that_are_counted_have_no_block(folder, vidzoo):
    arguments = ("--aggregation=bow", "--normalization=intra")
    code, _, err = vidzoo(*STUDY, *QUICK, *arguments)
    assert code == 2
    assert "--normalization=intra: of bow give one of ssr, none" in err


@pytest.mark.parametrize(
    "change, message",
    [
        ("--layers=res3,conv9", "no layer 'conv9'. Choose some of: toy: conv1, res2"),
        ("--layout=folder", "no layout 'folder' here. Choose one of: holidays, oxford"),
        ("--networks=vgg99", "`network` must be one of"),
        ("--dimensions=9", "9 is not 1 to 8, the largest possible of 9 pictures"),
        ("--num_words=100", "`num_words` is 100, but there are 9 descriptors"),
        ("--aggregation=sum", "--aggregation=sum: give one of vlad, bow, fisher"),
        ("--aggregation=bag_of_words", "=bag_of_words: give one of vlad, bow, fisher"),
        ("--normalization=l2", "=l2: of vlad give one of intra, ssr, none"),
        ("--scales=1,1", "--scales: give different numbers of 1 or more.*1, 1"),
        ("--weights=vgg16=x.npz", "--weights: vgg16 is not one of the networks, toy"),
        ("--weights=toy=a,toy=b", "give NETWORK=WEIGHTS once for each network"),
    ],
)
def test_usage(folder, vidzoo, change, message):
    code, _, err = vidzoo(*STUDY, *QUICK, change)
    pytest.raises(ValueError, _raise, err).match(message)
    assert code == 2


def test_a_dimension_larger_than_the_sample(folder, vidzoo, monkeypatch):
    """Is found before any pass."""
    monkeypatch.setattr(retrieval_study, "SAMPLE_SIZE", 5)
    monkeypatch.setattr(study_encoding, "measure_pooling", None)
    code, _, err = vidzoo(*STUDY, *QUICK, "--dimensions=none,5")
    assert code == 2 and "5 is not 1 to 4, the largest possible of a sample of 5" in err
    assert "sample of 5 of 9 pictures. Give a smaller one, or none" in err


def _raise(text):
    raise ValueError(text)


def test_no_queries(folder, vidzoo):
    (folder / "groups.csv").write_text("path,group\n0.png,a\n1.png,b\n")
    code, _, err = vidzoo(*STUDY, *QUICK)
    assert code == 1 and "each of its 2 groups has one picture" in err
    assert not (folder / "out").exists()


def test_other_weights(folder, vidzoo):
    code, _, err = vidzoo(*STUDY, *QUICK, "--networks=resnet18", "--layers=all")
    assert code == 1 and "toy" in err and "resnet18" in err
    code, _, err = vidzoo(*STUDY, *QUICK, "--weights=none.npz")
    assert code == 1 and "none.npz" in err


def test_a_damaged_picture(folder, vidzoo):
    (folder / "5.png").write_bytes((folder / "5.png").read_bytes()[:300])
    code, _, err = vidzoo(*STUDY, *QUICK)
    assert code == 1 and "5.png: the PNG is cut short" in err


def test_another_folder(folder, vidzoo):
    assert vidzoo(*STUDY, *QUICK)[0] == 0
    code, _, err = vidzoo(*STUDY, *QUICK, "--normalization=ssr")
    assert code == 2
    assert "whose normalization is intra; now it is ssr. Choose another folder" in err
    write_pictures(folder, range(1, 10))
    code, _, err = vidzoo(*STUDY, *QUICK)
    assert code == 2 and "whose data_set is" in err
    (folder / "files").mkdir()
    (folder / "files" / "mine.txt").write_text("mine")
    code, _, err = vidzoo("retrieval-study", "groups.csv", "files", *STUDY[3:], *QUICK)
    assert code == 2 and "is neither empty nor a study's folder" in err
    assert sorted(p.name for p in (folder / "files").iterdir()) == ["mine.txt"]


def test_a_damaged_measurement(folder, vidzoo):
    assert vidzoo(*STUDY, *QUICK)[0] == 0
    file = folder / "out" / "cells" / "toy.res3.scale1.words2.seed0.json"
    file.write_text(file.read_text()[:50])
    code, _, err = vidzoo(*STUDY, *QUICK)
    assert code == 1 and "seed0.json: is damaged" in err and "Remove it" in err
    file.unlink()
    assert vidzoo(*STUDY, *QUICK)[0] == 0 and len(cells(folder)) == 3
