"""The comparison's arithmetic by hand, and that held-out clips are really apart."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import hmdb51_clips, tdn_against_tsn
from vidzoo.errors import SourceError
from vidzoo.evaluation import Scores


def scores(right: dict, image_right=None):
    """Scores of two classes: the label is 0, a right answer is class 0."""

    def logits(answers):
        return np.array([[1.0, 0.0] if ok else [0.0, 1.0] for ok in answers])

    streams = {} if image_right is None else {"image": logits(image_right)}
    return Scores(
        video_ids=np.array(list(right)),
        labels=np.zeros(len(right), int),
        logits=logits(right.values()),
        classes=np.array(["a", "b"]),
        protocol="5x2",
        streams=streams,
    )


def test_runs_on_other_videos_weigh_the_same():
    """Run 1 tests v, w; run 2 tests w, x, y, z: accuracies by hand."""
    found = tdn_against_tsn.compare(
        {
            "tsn": {
                "1": scores({"v": 1, "w": 0}),
                "2": scores({"w": 1, "x": 0, "y": 0, "z": 0}),
            },
            "tdn": {
                "1": scores({"v": 1, "w": 1}, [0, 1]),
                "2": scores({"w": 1, "x": 1, "y": 0, "z": 1}, [1, 1, 1, 1]),
            },
        }
    )
    assert found["accuracies"] == {
        "tsn": {"1": 0.5, "2": 0.25},
        "tdn": {"1": 1.0, "2": 0.75},
        "tdn, image alone": {"1": 0.5, "2": 1.0},
    }
    assert found["means"] == {"tsn": 0.375, "tdn": 0.875, "tdn, image alone": 0.75}
    assert found["difference"] == pytest.approx(0.5)
    assert found["num_test"] == {"1": 2, "2": 4} and found["num_videos"] == 5
    assert found["difference_low"] < 0.5 < found["difference_high"]


def test_seeds_are_averaged_video_by_video():
    """Three seeds on four videos; the interval is that of a plain bootstrap."""
    random = np.random.default_rng(0)
    answers = random.integers(0, 2, (2, 3, 40))
    videos = [f"v{i}" for i in range(40)]
    found = tdn_against_tsn.compare(
        {
            network: {
                str(seed): scores(dict(zip(videos, answers[i, seed], strict=True)))
                for seed in range(3)
            }
            for i, network in enumerate(("tsn", "tdn"))
        }
    )
    gaps = (answers[1] - answers[0]).mean(axis=0)
    draws = random.choice(gaps, (20_000, 40)).mean(axis=1)
    assert found["difference"] == pytest.approx(gaps.mean())
    low, high = np.percentile(draws, (2.5, 97.5))
    assert found["difference_low"] == pytest.approx(low, abs=0.02)
    assert found["difference_high"] == pytest.approx(high, abs=0.02)


def test_folds_keep_recordings_whole_and_classes_even():
    clips = [
        (f"{label}/{name}_{label}_{i}.avi", label)
        for label, counts in (("run", (5, 5, 4, 4, 3, 1, 1, 2)), ("sit", (2,) * 10))
        for name, count in zip("abcdefghij", counts, strict=False)
        for i in range(count)
    ]
    fold_of = hmdb51_clips.assign_folds(clips)
    assert set(fold_of) == {path for path, _ in clips}
    recordings = {}
    for path, fold in fold_of.items():
        recordings.setdefault(path.split("_")[0], set()).add(fold)
    assert all(len(folds) == 1 for folds in recordings.values())
    sizes = {
        label: sorted(
            sum(fold == i for path, fold in fold_of.items() if path.startswith(label))
            for i in range(5)
        )
        for label in ("run", "sit")
    }
    assert sizes == {"run": [5, 5, 5, 5, 5], "sit": [4, 4, 4, 4, 4]}


def test_rows_are_the_official_splits_and_folds_of_the_first(tmp_path):
    videos, splits = tmp_path / "videos", tmp_path / "splits"
    (videos / "sit").mkdir(parents=True)
    splits.mkdir()
    names = [f"{letter}_sit_0.avi" for letter in "abcdefg"]
    for name in names[:6]:
        (videos / "sit" / name).touch()
    for number, codes in (("1", "1111120"), ("2", "2211110")):
        lines = [f"{n} {code} " for n, code in zip(names, codes, strict=True)]
        (splits / f"sit_test_split{number}.txt").write_text("\n".join(lines))
    rows = hmdb51_clips.rows_of(videos, splits)
    of = {}
    for path, label, split in rows:
        assert label == "sit"
        of.setdefault(split, []).append(Path(path).name)
    assert of["train1"] == names[:5] and of["test1"] == names[5:6]
    assert of["test2"] == names[:2] and of["train2"] == names[2:6]
    for fold in range(5):
        fit, held_out = of[f"fit1-{fold}"], of[f"val1-{fold}"]
        assert sorted(fit + held_out) == names[:5] and len(held_out) == 1
    with pytest.raises(SourceError, match="holds no clip that"):
        hmdb51_clips.rows_of(splits, splits)
