"""Videos that are indexed in pieces: of any length, and never half of one."""

import sys

import numpy as np
import pytest

from tests.vidzoo.tasks.indexing.indexed import ONE, ids
from tests.vidzoo_data.test_stored_flow import write_video
from vidzoo.errors import VideoError
from vidzoo.retrieval import index_builder
from vidzoo.tasks.index_images import Reading, encode
from vidzoo_data import pictures as data


@pytest.fixture
def breaks(monkeypatch):
    """Makes videos of that name break at the frame of a number."""

    def after(number, name):
        module = sys.modules["vidzoo_data.pictures.batches"]
        real = module.read_frames

        def read_frames(path, **options):
            for i, frame in enumerate(real(path, **options)):
                if path.name == name and i == number:
                    raise VideoError(f"{path}: breaks here.")
                yield frame

        monkeypatch.setattr(module, "read_frames", read_frames)

    return after


def means(images):
    """In place of an encoder: the mean of each image, twice."""
    means.num_calls += 1
    return images[0].mean(axis=(1, 2))


@pytest.fixture
def listed(tmp_path):
    """Two videos, of 3 and 13 frames, and the way to read all their frames."""
    means.num_calls = 0
    names = {"short.avi": 3, "long.avi": 13}
    for seed, (name, num_frames) in enumerate(names.items()):
        write_video(tmp_path / name, num_frames=num_frames, seed=seed)
    listed = [data.Picture(name, tmp_path / name) for name in names]
    return listed, Reading((8,), None, 99, batch_size=4, workers=1)


def test_pieces_are_of_a_batch_at_most(listed):
    pictures, reading = listed
    pieces = encode(means, reading, pictures, failures := [])
    found = []
    for piece in pieces:
        found.append(piece)
        # No more batches were read than the piece's own, and the next.
        assert means.num_calls <= 1 + sum(len(each.frames) for each in found) // 4 + 1
    assert [(p.picture.picture_id, p.frames, p.more) for p in found] == [
        ("short.avi", (0, 1, 2), False),
        ("long.avi", (0,), True),
        ("long.avi", (1, 2, 3, 4), True),
        ("long.avi", (5, 6, 7, 8), True),
        ("long.avi", (9, 10, 11, 12), False),
    ]
    vectors = np.concatenate([p.vectors for p in found])
    images = [f.image for p in pictures for f in data.read_frames(p.path, 8, fps=99)]
    np.testing.assert_allclose(vectors, np.mean(images, axis=(1, 2)))
    assert not failures


@pytest.mark.parametrize("number", range(13))
def test_no_last_piece_of_what_breaks(number, listed, breaks):
    pictures, reading = listed
    breaks(number, "long.avi")
    for order in (pictures, pictures[::-1]):
        failures = []
        found = list(encode(means, reading, order, failures))
        whole = [p.picture.picture_id for p in found if not p.more]
        assert whole == ["short.avi"]
        assert [f.picture.picture_id for f in failures] == ["long.avi"]


def test_half_a_video_is_in_no_index(root, index, search, breaks, monkeypatch):
    """Though its first pieces were written before it broke; mended, it is added."""
    defaults = index_builder.IndexBuilder.__init__.__kwdefaults__
    monkeypatch.setitem(defaults, "part_length", 2)
    breaks(6, "clip.avi")
    code, summary, _ = index(*ONE, "--num_frames=8")
    assert (code, summary["num_entries"]) == (3, 10)
    assert summary["quarantined"] == {"photos/clip.avi": "breaks here."}
    code, found, _ = search("photos/clip.avi", "photos/a/0.png")
    assert code == 3
    assert [answer["query"] for answer in found] == ["photos/a/0.png"]
    assert not any("clip" in name for name in ids())
    monkeypatch.undo()
    monkeypatch.chdir(root)
    code, summary, err = index("--add")
    assert code == 0, err
    assert (summary["added"], summary["num_entries"]) == (8, 18)
