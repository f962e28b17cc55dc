"""The mean over splits against numbers computed by hand."""

import pytest

from vidzoo import metrics
from vidzoo.errors import VidzooError
from vidzoo.evaluation import mean_over_splits


def summary(top1, mean_class, num_videos, **changed):
    return {
        "top1": top1,
        "top1_low": top1 - 0.1,
        "top1_high": top1 + 0.1,
        "mean_class": mean_class,
        "num_videos": num_videos,
        "protocol": "25x10",
        "model": "tdn",
        "classes": ["a", "b"],
    } | changed


def test_mean_of_three_splits():
    found = mean_over_splits(
        {
            "test1": summary(0.60, 0.5, 3783, split="test1"),
            "test2": summary(0.66, 0.5, 3734, split="test2"),
            "test3": summary(0.75, 0.8, 3696, split="test3"),
        }
    )
    assert found == {
        # (0.60 + 0.66 + 0.75) / 3; deviations -0.07, -0.01, 0.08: 0.0114 / 2
        "top1": pytest.approx(0.67),
        "top1_std": pytest.approx(0.0057**0.5),
        "mean_class": pytest.approx(0.6),  # deviations -0.1, -0.1, 0.2: 0.06 / 2
        "mean_class_std": pytest.approx(0.03**0.5),
        "splits": ["test1", "test2", "test3"],
        "num_videos": {"test1": 3783, "test2": 3734, "test3": 3696},
        "protocol": "25x10",
        "model": "tdn",
        "classes": ["a", "b"],
    }


def test_it_takes_what_metrics_gives():
    same = {"protocol": "center", "model": "tsn", "classes": ["a", "b"]}
    right, wrong = [[2, 1], [1, 2]], [[1, 2], [2, 1]]
    summaries = {
        "test1": metrics.summary(right, [0, 1]) | same,
        "test2": metrics.summary(wrong, [0, 1]) | same,
    }
    found = mean_over_splits(summaries)
    assert (found["top1"], found["top1_std"]) == (0.5, pytest.approx(0.5**0.5))
    assert (found["map"], found["top5"]) == (0.75, 1.0)
    assert "top1_low" not in found


def test_streams_are_averaged_and_their_intervals_are_not():
    splits = {
        "test1": summary(0.5, 0.5, 9, image_top1=0.2, image_top1_low=0.1),
        "test2": summary(0.5, 0.5, 9, image_top1=0.4, image_top1_low=0.3),
    }
    found = mean_over_splits(splits)
    assert found["image_top1"] == pytest.approx(0.3)
    assert not [name for name in found if "low" in name or "high" in name]


@pytest.mark.parametrize(
    "changed, message",
    [
        (
            {"protocol": "center"},
            "test2: measured with the protocol center, test1 with",
        ),
        (
            {"model": "tsn"},
            "test2: measured with the model tsn, test1 with tdn. A mean ",
        ),
        (
            {"classes": ["a", "c"]},
            "other classes than test1: 2 and 2, .* differ: b, c.",
        ),
        ({"classes": ["a"]}, "other classes than test1: 2 and 1, .* differ: none"),
        ({"hit1": 0.5}, "test2: has other metrics than test1; hit1 is in one only"),
    ],
)
def test_splits_that_do_not_belong_together(changed, message):
    splits = {"test1": summary(0.5, 0.5, 9), "test2": summary(0.5, 0.5, 9, **changed)}
    with pytest.raises(VidzooError, match=message):
        mean_over_splits(splits)


@pytest.mark.parametrize("split", ["test1", "test2"])
def test_metrics_that_do_not_say_what_of(split):
    splits = {"test1": summary(0.5, 0.5, 9), "test2": summary(0.5, 0.5, 9)}
    del splits[split]["classes"]
    with pytest.raises(
        VidzooError, match=f"{split}: its metrics do not say the classes"
    ):
        mean_over_splits(splits)


@pytest.mark.parametrize("num_splits", [0, 1])
def test_too_few_splits(num_splits):
    splits = {f"test{i}": summary(0.5, 0.5, 9) for i in range(num_splits)}
    with pytest.raises(VidzooError, match=f"two or more; there is {num_splits}. Run"):
        mean_over_splits(splits)
