"""The benchmarks of indexes, at toy size: what they count, and that they run."""

import json
import shutil
import sys

import numpy as np
import pytest

from benchmarks import retrieval_clips, retrieval_memory, retrieval_scale
from tests.vidzoo.tasks.indexing.indexed import write_weights
from tests.vidzoo_data.test_stored_flow import write_video


def test_a_scene_is_a_video_or_a_group():
    scene = retrieval_clips.scene
    assert scene("a/v_BenchPress_g01_c01.avi") == scene("b/v_BenchPress_g01_c05.avi")
    assert scene("v_BenchPress_g01_c01.avi") != scene("v_BenchPress_g02_c01.avi")
    assert scene("a/April_0.avi") != scene("a/April_1.avi")
    assert scene("a/April_0.avi") == scene("./a/April_0.avi")


def test_frames_find_their_videos(tmp_path, capsys, monkeypatch):
    """Two clips of one group are each other's answers; a third is alone."""
    clips = tmp_path / "clips"
    for i, name in enumerate(("v_A_g01_c01", "v_A_g02_c01", "other")):
        write_video(clips / f"{name}.avi", num_frames=9, shift=1, seed=i)
    shutil.copy(clips / "v_A_g01_c01.avi", clips / "v_A_g01_c02.avi")
    write_weights(tmp_path / "toy.npz", seed=0)
    flags = ["--network=toy", "--layer", "res3", "--size=32", "--num_words=4"]
    monkeypatch.chdir(tmp_path)
    flags = ["clips", str(tmp_path), f"--weights={tmp_path / 'toy.npz'}", *flags]
    assert retrieval_clips.main(flags) == 0
    assert "P@1 1.000, 0.510 to 1.000, of 4 queries" in capsys.readouterr().out
    measured = json.loads((tmp_path / "results.json").read_text())
    assert (measured["precision_at_1"], measured["wrong"]) == (1, [])
    capsys.readouterr()

    built = (tmp_path / "clips.index").read_bytes()
    assert retrieval_clips.main(flags) == 0  # by the index that is there
    assert "P@1 1.000" in capsys.readouterr().out
    assert retrieval_clips.main([*flags, "--seed=1", "--num_words=5"]) == 1
    message = "clips.index: was built otherwise: num_words is 4, now 5; seed is 0, now"
    assert message in capsys.readouterr().err
    write_video(clips / "v_A_g02_c01.avi", num_frames=2)
    assert retrieval_clips.main(flags) == 1
    err = capsys.readouterr().err
    assert "was built otherwise: clips is 4 files of " in err
    assert "Remove it to build it again, or choose another folder (OUT)" in err
    (tmp_path / "clips.json").unlink()
    assert retrieval_clips.main(flags) == 1
    assert (
        "clips.json cannot be read ([Errno 2] No such file" in capsys.readouterr().err
    )
    assert json.loads((tmp_path / "results.json").read_text())["seed"] == 0
    assert (tmp_path / "clips.index").read_bytes() == built

    (tmp_path / "clips.index").unlink()
    assert retrieval_clips.main(flags) == 1
    assert "has too few frames for three different ones" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="memory is read from /proc"
)
def test_memory_of_building(tmp_path, capsys):
    """It grows by less than half of what pictures take; 800 fill the sample of words.

    Of a few pictures more nothing is seen: TensorFlow takes more while it starts.
    """
    assert retrieval_memory.main([str(tmp_path), "--counts", "800", "2000"]) == 0
    first, second = json.loads((tmp_path / "results.json").read_text())["rows"]
    assert (first["num_pictures"], second["num_pictures"]) == (800, 2000)
    assert first["peak_bytes"] > 2**27  # of TensorFlow alone
    assert second["peak_bytes"] - first["peak_bytes"] < 1200 * 64 * 64 * 3 / 2
    # 1200 vectors of 64 values more, and as many lines of text.
    more = second["index_bytes"] - first["index_bytes"]
    assert 1200 * 256 < more < 1200 * (256 + 100) + 64
    assert "2000 pictures: peak" in capsys.readouterr().out


def test_recall_is_the_share_that_is_found():
    true = np.array([[0, 1, 2], [3, 4, 5]])
    assert retrieval_scale.recall(np.array([[2, 1, 0], [3, 4, 5]]), true) == 1
    assert retrieval_scale.recall(np.array([[2, 9, -1], [8, 4, 5]]), true) == 0.5


FLAGS = ["--num_vectors=3000", "--num_queries=20", "--dimension=16", "--num_lists=8"]
FLAGS += ["--num_centres=50", "--repetitions=1"]


def test_without_faiss_exact_search_alone_is_timed(capsys, monkeypatch):
    monkeypatch.setattr(retrieval_scale, "_faiss", lambda: None)
    assert retrieval_scale.main(FLAGS) == 0
    out, err = capsys.readouterr()
    assert "vidzoo, exact" in out and "1.000" in out
    assert "faiss is not installed, so nothing is compared" in err


def test_approximate_search_beside_exact(capsys):
    pytest.importorskip("faiss", reason="faiss is an extra: pip install '.[faiss]'")
    assert retrieval_scale.main([*FLAGS, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    recalls = {row["name"]: row["recall"] for row in rows}
    assert recalls["vidzoo, exact"] == recalls["faiss, flat"] == 1
    probes = [recalls[f"faiss, IVF of 8 lists, nprobe {n}"] for n in (1, 4)]
    assert 0 < probes[0] <= probes[1] <= 1
    graph = [recalls[f"faiss, HNSW of 32 links, efSearch {n}"] for n in (16, 64, 256)]
    assert 0 < graph[0] <= graph[2] <= 1
