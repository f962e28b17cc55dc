"""The loops that encoding is timed beside, and what the benchmark reports."""

import json

import numpy as np

from benchmarks import retrieval_speed
from vidzoo.retrieval import VLAD


def test_the_loop_is_the_same_encoding():
    rng = np.random.default_rng(0)
    descriptors = rng.standard_normal((3, 50, 8)).astype(np.float32)
    codebook = rng.standard_normal((5, 8)).astype(np.float32)
    expected = VLAD(codebook)(descriptors)
    for einsum in (np.einsum, retrieval_speed._by_blas):
        found = retrieval_speed.loop(descriptors, codebook, einsum)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_reports_times_and_ratios(capsys, tmp_path):
    flags = ["--sizes", "8", "--num_images", "2", "--num_vectors", "5000"]
    flags += ["--num_queries", "3", "--repetitions", "2"]
    assert retrieval_speed.main([*flags, f"--out={tmp_path / 'speed.json'}"]) == 0
    printed = capsys.readouterr().out
    assert "VLAD, 2 images of 784 descriptors of 8, 100 words" in printed
    measured = json.loads((tmp_path / "speed.json").read_text())
    (search,) = measured["search"]
    found = search["times as long as vidzoo"]["matrix product"]
    wall = search["milliseconds"]
    best = wall["matrix product"]["min"] / wall["vidzoo"]["min"]
    assert found["clock, best of each"] == best > 0
    assert measured["vlad"][0]["size"] == 8
