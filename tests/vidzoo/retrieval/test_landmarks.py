"""Real photos, read, encoded by GoogLeNet and measured: the reference's numbers."""

import json

import cv2
import keras
import numpy as np
import pytest

from vidzoo import models
from vidzoo.retrieval import VLAD, Features, Sample, measure, nearest
from vidzoo.tasks import retrieval_study
from vidzoo_data.pictures import decode, list_pictures, read


@pytest.mark.slow
def test_pooled_googlenet_finds_landmarks_as_the_reference(shared_data):
    """Its preprocessing: to 256 x 256 bilinearly, then the middle 224 x 224."""
    expected = json.loads((shared_data / "expected" / "expected.json").read_text())
    expected = expected["landmarks_reference"]
    table = shared_data / "retrieval" / "landmarks" / "groundtruth.csv"
    listing = list_pictures("csv", table, group_column="landmark")
    weights = str(shared_data / "weights" / "bvlc_googlenet_oihw.npz")
    network = models.GoogLeNet(weights=weights)
    pooled = keras.Model(network.input, network.get_layer("pool").output)
    images = [
        cv2.resize(decode(picture.path), (256, 256))[16:240, 16:240]
        for picture in listing.pictures
    ]
    vectors = np.array(pooled(np.stack(images))).reshape(len(images), -1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    ids = [picture.picture_id for picture in listing.pictures]
    nearest = np.argsort(-vectors @ vectors.T, axis=1, kind="stable")
    rankings = {ids[i]: [ids[j] for j in row] for i, row in enumerate(nearest)}
    found = measure("csv", listing.queries, rankings)
    assert found.mean_average_precision == pytest.approx(expected["mAP"], abs=2e-3)
    precision = pytest.approx(expected["precision_at_1"], abs=1e-4)
    assert found.precision_at_1 == precision


@pytest.mark.slow
def test_a_low_layer_finds_landmarks_better_than_the_last(shared_data, tmp_path):
    """The main finding of section 2.4.1, by one vocabulary."""
    found = retrieval_study.run(
        shared_data / "retrieval" / "landmarks" / "groundtruth.csv",
        tmp_path / "study",
        layout="csv",
        group_column="landmark",
        weights={"googlenet": shared_data / "weights" / "bvlc_googlenet_oihw.npz"},
        layers=["inception_3a", "inception_5b"],
        scales=[1],
        vocabularies=1,
    )
    (gain,) = found["gains"]
    assert (gain["best"], gain["last"]) == ("inception_3a", "inception_5b")
    assert gain["difference"] >= 0.15 and gain["low"] > 0
    # Pooling loses nothing by warping to a square: the reference, cropped, has 0.695.
    assert found["rows"][0]["map"] == pytest.approx(0.695, abs=0.03)


@pytest.mark.slow
def test_a_low_layer_finds_landmarks_at_scale_2(shared_data):
    """The mean of three vocabularies, learned of one pass's descriptors."""
    table = shared_data / "retrieval" / "landmarks" / "groundtruth.csv"
    listing = list_pictures("csv", table, group_column="landmark")
    features = Features(
        *("googlenet", ["inception_3b"]),
        scales=[2],
        weights=str(shared_data / "weights" / "bvlc_googlenet_oihw.npz"),
    )
    images = [read(picture.path, 448) for picture in listing.pictures]
    parts = [features(np.stack(images[i : i + 8])) for i in range(0, len(images), 8)]
    described = np.concatenate([part["inception_3b", 2] for part in parts])
    assert described.shape == (23, 56 * 56, 480)
    ids = [picture.picture_id for picture in listing.pictures]
    found = []
    for seed in range(3):
        sample = Sample(50_000, seed)
        sample.add(described.reshape(-1, 480))
        vectors = VLAD.learn(sample.rows(), 100, seed=seed)(described)
        places, _ = nearest(vectors, vectors, len(ids))
        rankings = dict(zip(ids, np.array(ids)[places].tolist(), strict=True))
        measured = measure("csv", listing.queries, rankings)
        found.append(measured.mean_average_precision)
    # docs/retrieval.md has 0.755, and 0.716 ± 0.024 for slightly other descriptors: by
    # three of its deviations less than the latter's mean. The last layer has 0.45.
    assert np.mean(found) >= 0.716 - 3 * 0.024 / 3**0.5
