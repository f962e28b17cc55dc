"""Which frames make a clip, against exact arithmetic in plain Python."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from vidzoo_data.clips import Excerpt, Segments, Whole, Window

LENGTHS = (1, 2, 3, 4, 5, 7, 8, 10, 15, 16, 24, 40, 41, 62, 99, 100, 255, 300, 1000)
SNIPPETS = tuple(itertools.product((1, 2, 3, 7, 8, 25), (1, 2, 5)))


def starts(num_frames, segments, length):
    """Segments of possible first frames: their exact borders, as fractions of s."""
    return max(num_frames - length + 1, segments)


@pytest.mark.parametrize("segments, length", SNIPPETS)
def test_centered_is_the_middle_of_each_segment(segments, length):
    for num_frames in LENGTHS:
        count = starts(num_frames, segments, length)
        i = np.arange(segments)
        first = (2 * i + 1) * count // (2 * segments)  # floor((i + 1/2) * count / s)
        expected = (first[:, None] + np.arange(length)) % num_frames
        found = Segments(segments, length).centered(num_frames)
        np.testing.assert_array_equal(found, expected, err_msg=f"T={num_frames}")
        assert found.dtype == tf.int32


@pytest.mark.parametrize("segments, length", SNIPPETS)
def test_random_stays_inside_its_segment(segments, length):
    sampling = Segments(segments, length)
    random = tf.function(sampling.random)  # one trace: T is a tensor
    for num_frames in LENGTHS:
        count = starts(num_frames, segments, length)
        for seed in range(5):
            found = random(tf.constant(num_frames), tf.constant([seed, num_frames]))
            assert found.shape == (segments, length)
            assert 0 <= np.min(found) and np.max(found) < num_frames
            if num_frames == count + length - 1:  # long enough: nothing wraps
                first = found.numpy()[:, 0]
                i = np.arange(segments)
                assert (first >= i * count // segments).all(), num_frames
                assert (first * segments < (i + 1) * count).all(), num_frames
                np.testing.assert_array_equal(found, first[:, None] + np.arange(length))


def test_random_reaches_every_frame():
    sampling = Segments(2, 2)  # of 7 frames: 6 starts, 3 to a segment
    seen = [sampling.random(7, [seed, 0]).numpy()[:, 0] for seed in range(100)]
    assert {int(f[0]) for f in seen} == {0, 1, 2}
    assert {int(f[1]) for f in seen} == {3, 4, 5}


def test_the_same_seed_gives_the_same_frames():
    sampling = Segments(3)
    one, same = sampling.random(100, [1, 2]), sampling.random(100, [1, 2])
    np.testing.assert_array_equal(one, same)
    assert np.any(one != sampling.random(100, [1, 3]))


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_short_videos_loop(num_frames):
    found = Segments(4, 3).centered(num_frames).numpy()
    expected = (np.arange(4)[:, None] + np.arange(3)) % num_frames
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["num_segments", "snippet_length"])
def test_segments_refuses(name):
    with pytest.raises(ValueError, match=f"`{name}` must be >= 1. Received: 0"):
        Segments(**{"num_segments": 3} | {name: 0})


# Windows and whole videos

FILM = Fraction(24000, 1001)
NTSC = Fraction(30000, 1001)


def nearest(place):
    """The frame nearest to a place between frames, halves down."""
    return math.ceil(place - Fraction(1, 2))


def window_steps(sampling, video_fps):
    if sampling.fps is None:
        return [i * sampling.stride for i in range(sampling.length)]
    rate = Fraction(video_fps) / Fraction(sampling.fps)
    return [nearest(i * rate) for i in range(sampling.length)]


WINDOWS = [
    Window(1),
    Window(7),
    Window(4, stride=3),
    Window(8, fps=12.5),
    Window(5, fps=25.0),
    Window(9, fps=50.0),
    Window(6, fps=1.0),
]


@pytest.mark.parametrize("sampling", WINDOWS, ids=repr)
@pytest.mark.parametrize("video_fps", [25.0, NTSC, FILM, 7.5])
def test_window_in_the_middle(sampling, video_fps):
    steps = window_steps(sampling, video_fps)
    for num_frames in LENGTHS:
        start = max(num_frames - steps[-1], 1) // 2
        found = sampling.centered(num_frames, float(video_fps))
        expected = [(start + step) % num_frames for step in steps]
        np.testing.assert_array_equal(found[:, 0], expected, err_msg=f"T={num_frames}")
        assert found.shape == (sampling.num_snippets, 1) and found.dtype == tf.int32


@pytest.mark.parametrize("sampling", WINDOWS, ids=repr)
def test_random_window_starts_wherever_it_fits(sampling):
    random = tf.function(sampling.random)
    steps = window_steps(sampling, 25.0)
    for num_frames in (1, 3, steps[-1] + 1, steps[-1] + 5):
        seen = set()
        for seed in range(60):
            found = random(tf.constant(num_frames), tf.constant([seed, 1]), 25.0)
            first = int(found[0, 0])
            expected = [(first + step) % num_frames for step in steps]
            np.testing.assert_array_equal(found[:, 0], expected)
            seen.add(first)
        assert seen == set(range(max(num_frames - steps[-1], 1)))


def test_a_window_of_neighbours_is_the_snippet_of_one_segment():
    for num_frames in LENGTHS:
        window, segment = Window(5), Segments(1, 5)
        np.testing.assert_array_equal(
            window.centered(num_frames)[:, 0], segment.centered(num_frames)[0]
        )


@pytest.mark.parametrize("fps", [1, 2.0, 12.5, 25, 29.97, 60])
@pytest.mark.parametrize("video_fps", [25.0, NTSC, FILM, 1.0])
def test_whole_takes_the_nearest_frames_until_the_video_ends(fps, video_fps):
    sampling = Whole(fps)
    rate = Fraction(float(video_fps)) / Fraction(fps)
    for num_frames in LENGTHS:
        count = math.ceil(num_frames / rate)  # frames that start before its end
        expected = [min(nearest(i * rate), num_frames - 1) for i in range(count)]
        found = sampling.centered(num_frames, float(video_fps))[:, 0].numpy()
        # Places that lie, but for rounding, on a border may fall to either side.
        assert abs(len(found) - len(expected)) <= 1
        count = min(len(found), len(expected))
        assert np.abs(found[:count] - expected[:count]).max() <= 1
        assert np.mean(found[:count] == expected[:count]) > 0.99


def test_whole_at_the_videos_rate_is_every_frame():
    for fps in (1.0, 25.0, float(NTSC), float(FILM), 29.97):
        for num_frames in LENGTHS:
            found = Whole(fps).centered(num_frames, fps)
            np.testing.assert_array_equal(found[:, 0], np.arange(num_frames))


@pytest.mark.parametrize(
    "num_frames, expected",
    [(1, [0] * 7), (3, [0, 1, 2, 0, 1, 2, 0]), (7, range(7)), (900, range(7))],
)
def test_whole_of_a_given_length_loops_or_cuts(num_frames, expected):
    sampling = Whole(1, num_frames=7)
    assert sampling.num_snippets == 7
    np.testing.assert_array_equal(sampling.centered(num_frames, 1.0)[:, 0], expected)


def test_five_minutes_at_one_frame_per_second():
    """Section 3.4: ten minutes are cut, two minutes repeated from the start."""
    sampling = Whole(fps=1, num_frames=300)
    ten = sampling.centered(25 * 600, 25.0)[:, 0]
    np.testing.assert_array_equal(ten, 25 * np.arange(300))
    two = sampling.centered(25 * 120, 25.0)[:, 0]
    np.testing.assert_array_equal(two, 25 * (np.arange(300) % 120))


@pytest.mark.parametrize("num_frames", LENGTHS)
def test_whole_without_a_rate_is_every_frame(num_frames):
    assert not Whole().needs_rate and Whole(2.0).needs_rate
    found = Whole().centered(num_frames)
    np.testing.assert_array_equal(found[:, 0], np.arange(num_frames))
    found = Whole(num_frames=50).centered(num_frames)
    np.testing.assert_array_equal(found[:, 0], np.arange(50) % num_frames)


# Excerpts

EXCERPTS = [
    Excerpt(30, Whole(fps=1, num_frames=300)),
    Excerpt(4, Whole(fps=12.5, num_frames=4)),
    Excerpt(7, Whole(fps=12.5)),
    Excerpt(6, Whole()),
    Excerpt(3, Whole(num_frames=11)),
    Excerpt(1, Whole(25.0)),
]


def excerpts(sampling, num_frames):
    """Every run there is, of a video at 25 frames per second, in plain Python."""
    every = (
        1 if sampling.whole.fps is None else Fraction(25) / Fraction(sampling.whole.fps)
    )
    count = math.ceil(num_frames / every)
    sequence = [min(nearest(i * every), num_frames - 1) for i in range(count)]
    wanted = sampling.whole.num_frames or max(count, sampling.length)
    sequence = [sequence[i % count] for i in range(wanted)]
    length = sampling.length
    return [sequence[i : i + length] for i in range(len(sequence) - length + 1)]


@pytest.mark.parametrize("sampling", EXCERPTS, ids=repr)
def test_excerpt_starts_wherever_it_fits(sampling):
    assert (sampling.num_snippets, sampling.snippet_length) == (sampling.length, 1)
    assert sampling.needs_rate == (sampling.whole.fps is not None)
    for num_frames in (1, 5, 400):
        runs = excerpts(sampling, num_frames)
        middle = sampling.centered(num_frames, 25.0)
        np.testing.assert_array_equal(middle[:, 0], runs[len(runs) // 2])
        seeds = tf.data.Dataset.range(20)
        drawn = seeds.map(
            lambda n, f=num_frames: sampling.random(f, tf.stack([n, 1]), 25.0)
        )
        for seed, found in enumerate(drawn):
            assert found.shape == (sampling.length, 1) and found.dtype == tf.int32
            assert found.numpy()[:, 0].tolist() in runs
            if seed < 2:
                eager = sampling.random(num_frames, [seed, 1], 25.0)
                np.testing.assert_array_equal(eager, found)


def test_every_start_of_an_excerpt_is_drawn():
    sampling = Excerpt(3, Whole(1, num_frames=8))  # six places, though of one frame
    draw = tf.function(lambda n: sampling.random(200, tf.stack([n, 0]), 25.0)[0, 0])
    seen = [int(draw(tf.constant(n))) for n in range(120)]
    counts = [seen.count(25 * place) for place in range(6)]
    assert sum(counts) == 120 and min(counts) >= 8


def test_sports_1m_examples():
    """Section 3.4.1: a video of 100 seconds is shown three times."""
    sampling = Excerpt(30, Whole(fps=1, num_frames=300))
    draw = tf.function(lambda n: sampling.random(2500, tf.stack([n, 5]), 25.0)[:, 0])
    seconds = np.stack([draw(tf.constant(n)) for n in range(150)]) // 25
    assert (np.diff(seconds, axis=1) % 100 == 1).all()
    assert (np.ptp(seconds, axis=1) == 99).mean() > 0.05  # runs that wrap around


@pytest.mark.parametrize("sampling", [Whole(2.0, 5), Whole(2.0)], ids=repr)
def test_nothing_is_drawn_of_a_whole_video(sampling):
    expected = sampling.centered(40, 25.0)
    np.testing.assert_array_equal(sampling.random(40, [1, 2], 25.0), expected)


@pytest.mark.parametrize("sampling", [Window(4, fps=10.0), Whole(10.0), Whole(3, 8)])
def test_rates_agree_eagerly_and_in_a_graph(sampling):
    graph = tf.function(sampling.random)
    for num_frames in (1, 5, 70):
        seed = tf.constant([num_frames, 3])
        fps = tf.constant(float(NTSC), tf.float64)
        found = graph(tf.constant(num_frames), seed, fps)
        np.testing.assert_array_equal(found, sampling.random(num_frames, seed, fps))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Window(0), "`length` must be >= 1. Received: 0"),
        (lambda: Window(3, stride=0), "`stride` must be >= 1. Received: 0"),
        (lambda: Window(3, fps=0.0), "`fps` must be above 0. Received: 0.0"),
        (lambda: Window(3, fps=math.inf), "`fps` must be above 0. Received: inf"),
        (lambda: Window(3, 2, 5.0), "`stride` or `fps`, not both. Received: 2 and 5.0"),
        (lambda: Whole(-1), "`fps` must be above 0. Received: -1"),
        (lambda: Whole(1, num_frames=0), "`num_frames` must be >= 1. Received: 0"),
        (lambda: Excerpt(0, Whole()), "`length` must be >= 1. Received: 0"),
        (
            lambda: Excerpt(31, Whole(1, 30)),
            "`length` must be at most the 30 frames of `whole`. Received: 31",
        ),
        (lambda: Whole(1).centered(30), "needs `fps`, the video's own. Give it."),
    ],
)
def test_samplers_refuse(make, message):
    with pytest.raises(ValueError, match=message):
        make()
