"""Occlusion: the map is where a classifier of our making looks, and by how much."""

import numpy as np
import pytest

from vidzoo import explain
from vidzoo.errors import VidzooError

HEIGHT, WIDTH = 24, 32
SPOT = np.s_[9:13, 20:24]


def clip(value=200):
    return np.full((3, HEIGHT, WIDTH, 3), value, np.uint8)


def looks_at_spot(clips):
    """Confidence in class 1: the mean brightness of the spot in all frames."""
    share = clips[:, :, *SPOT].mean(axis=(1, 2, 3, 4)) / 255
    return np.stack([1 - share, share], axis=1)


def test_drops_are_the_covered_shares_of_the_spot():
    found = explain.occlude(looks_at_spot, clip(), class_number=1, size=8, stride=4)
    assert found.confidence == pytest.approx(200 / 255)
    assert found.tops.tolist() == [0, 4, 8, 12, 16]
    assert found.lefts.tolist() == [0, 4, 8, 12, 16, 20, 24]
    # Rows 9 to 12 and columns 20 to 23, of which each square covers a rectangle.
    rows = {0: 0, 4: 3, 8: 4, 12: 1, 16: 0}
    columns = {0: 0, 4: 0, 8: 0, 12: 0, 16: 4, 20: 4, 24: 0}
    expected = np.outer([*rows.values()], [*columns.values()]) / 16
    np.testing.assert_allclose(found.drops, expected, atol=1e-12)


def test_heat_is_largest_where_the_classifier_looks():
    found = explain.occlude(looks_at_spot, clip(), class_number=1, size=5, stride=1)
    heat = found.heat()
    assert heat.shape == (HEIGHT, WIDTH)
    y, x = np.unravel_index(heat.argmax(), heat.shape)
    assert 9 <= y < 13 and 20 <= x < 24
    assert heat[SPOT].min() > heat[:5].max() == 0
    far = np.ones_like(heat, bool)
    far[5:17, 16:28] = False  # beyond squares that touch the spot
    assert not heat[far].any()


def test_heat_is_a_mean_over_squares():
    found = explain.occlude(looks_at_spot, clip(), class_number=1, size=8, stride=4)
    # Pixel (10, 21) is covered from tops 4 and 8, lefts 16 and 20.
    assert found.heat()[10, 21] == pytest.approx((3 + 4) / 2 / 4)


def test_the_last_squares_end_at_the_edge():
    found = explain.occlude(looks_at_spot, clip(), size=10, stride=6)
    assert found.tops.tolist() == [0, 6, 12, 14]
    assert found.lefts.tolist() == [0, 6, 12, 18, 22]


def test_defaults_are_a_fifth_and_half_of_it():
    found = explain.occlude(looks_at_spot, clip())
    assert found.size == 5  # of 24
    assert np.diff(found.tops)[:-1].tolist() == [2] * (len(found.tops) - 2)
    assert found.class_number == 1


def test_one_square_as_large_as_the_frame():
    found = explain.occlude(
        looks_at_spot, clip()[:, :, :24], class_number=1, size=24, stride=1
    )
    assert found.drops.tolist() == [[1.0]]


def test_all_frames_are_covered_and_the_clip_is_left_alone():
    given, seen = clip(), []

    def scores(clips):
        seen.append(clips.copy())
        return np.tile([0.5, 0.5], (len(clips), 1))

    explain.occlude(scores, given, size=24, stride=8, batch_size=1)
    assert (given == 200).all()
    assert (seen[0] == 200).all()
    for left, covered in zip((0, 8), seen[1:], strict=True):
        assert not covered[0, :, :, left : left + 24].any()
        assert (covered == 200).mean() == pytest.approx(8 / 32)


def test_batches_and_progress():
    sizes, told = [], []

    def scores(clips):
        sizes.append(len(clips))
        return looks_at_spot(clips)

    options = {"class_number": 1, "size": 8, "stride": 8}
    small = explain.occlude(
        scores,
        clip(),
        batch_size=5,
        on_progress=lambda done, total: told.append((done, total)),
        **options,
    )
    assert sizes == [1, 5, 5, 2]
    assert told == [(5, 12), (10, 12), (12, 12)]
    large = explain.occlude(looks_at_spot, clip(), batch_size=100, **options)
    np.testing.assert_array_equal(small.drops, large.drops)


def test_covering_may_make_surer():
    found = explain.occlude(looks_at_spot, clip(), class_number=0, size=8, stride=4)
    # 1 - 200/255 becomes 1 where the spot is covered.
    before = 1 - 200 / 255
    assert found.drops.min() == pytest.approx((before - 1) / before)


def test_fill_of_no_motion():
    still = clip(128)
    found = explain.occlude(looks_at_spot, still, class_number=1, fill=128)
    assert not found.drops.any()
    assert explain.occlude(looks_at_spot, still, class_number=1).drops.max() == 1


@pytest.mark.parametrize(
    "options, text",
    [
        ({"size": 25}, r"`size` must be at most the frame's short side, 24.*25\."),
        ({"size": 0}, r"`size` must be 1 or more. Received: 0\."),
        ({"stride": 0}, r"`stride` must be 1 or more. Received: 0\."),
        ({"batch_size": 0}, r"`batch_size` must be 1 or more. Received: 0\."),
        ({"class_number": 2}, r"`class_number` must be 0 to 1. Received: 2\."),
        ({"class_number": -1}, r"`class_number` must be 0 to 1. Received: -1\."),
    ],
)
def test_bad_arguments(options, text):
    with pytest.raises(ValueError, match=text):
        explain.occlude(looks_at_spot, clip(), **options)


def test_nothing_drops_from_zero():
    with pytest.raises(VidzooError, match="class 1 is 0, of which nothing can drop"):
        explain.occlude(looks_at_spot, clip(0), class_number=1)


def test_nan_is_no_answer():
    def scores(clips):
        return np.where(clips.min() == 0, np.nan, looks_at_spot(clips))

    with pytest.raises(VidzooError, match="a covered clip with NaN or infinity"):
        explain.occlude(scores, clip())


# Pictures


def test_overlay_is_red_where_it_matters_blue_where_it_harms_grey_elsewhere():
    frame = np.full((2, 3, 3), (90, 120, 150), np.uint8)
    heat = np.zeros((2, 3))
    heat[0, 0], heat[1, 2] = 0.4, -0.4
    drawn = explain.overlay(frame, heat, 0.4).astype(int)
    assert drawn[0, 1].tolist() == [174, 174, 174]  # 0.6 * 120 + 0.4 * 255
    assert drawn[0, 0, 0] - drawn[0, 0, 2] > 100
    assert drawn[1, 2, 2] - drawn[1, 2, 0] > 100
    beyond = explain.overlay(frame, heat * 9, 0.4)
    np.testing.assert_array_equal(beyond, drawn)


def test_picture_is_reddest_where_the_classifier_looks():
    found = explain.occlude(looks_at_spot, clip(), class_number=1, size=5, stride=1)
    frame = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    picture = explain.occlusion_picture({"a": (frame, found)}).astype(int)
    red = picture[..., 0] - picture[..., 2]
    # After the frame, enlarged sixfold, and gaps of 10 pixels.
    zoom, gap = 6, 10
    left = gap + zoom * WIDTH + gap
    panel = red[gap + 20 :, left : left + zoom * WIDTH]
    y, x = np.unravel_index(panel[: zoom * HEIGHT].argmax(), (144, 192))
    assert 9 <= y // zoom < 13 and 20 <= x // zoom < 24
    before = picture[gap + 20 : gap + 20 + zoom * HEIGHT, gap : gap + zoom * WIDTH]
    assert (before == 100).all()


def test_noise_is_pale():
    """Differences far below 1 % do not get the strongest colours."""
    found = explain.Occlusion(
        class_number=0,
        confidence=0.5,
        size=8,
        tops=np.array([0, 8, 16]),
        lefts=np.array([0, 8, 16, 24]),
        drops=np.full((3, 4), 1e-5),
        frame_size=(HEIGHT, WIDTH),
    )
    frame = np.full((HEIGHT, WIDTH, 3), 100, np.uint8)
    picture = explain.occlusion_picture({"a": (frame, found)}).astype(int)
    panel = picture[40:160, 220:380]
    assert np.abs(panel - 162).max() <= 1  # 0.6 * 100 + 0.4 * 255


def test_no_panel():
    with pytest.raises(ValueError, match="one or more"):
        explain.occlusion_picture({})
