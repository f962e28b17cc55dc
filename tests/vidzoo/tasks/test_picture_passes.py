"""Passes over pictures at several sizes, against reading each by itself."""

import cv2
import numpy as np
import pytest

from vidzoo.errors import PictureError
from vidzoo.tasks import picture_passes
from vidzoo_data.pictures import Picture
from vidzoo_data.pictures import read as read_one


@pytest.fixture
def listed(tmp_path):
    found = []
    for number in range(5):
        image = np.random.default_rng(number).integers(0, 256, (40, 50, 3), np.uint8)
        path = tmp_path / f"{number}.png"
        cv2.imwrite(str(path), image)
        found.append(Picture(path.name, path))
    return found


@pytest.fixture
def decodings(monkeypatch):
    """The number of pictures that were decoded so far, as a list."""
    calls, decode = [], cv2.imdecode

    def counted(*args):
        calls.append(1)
        return decode(*args)

    monkeypatch.setattr(cv2, "imdecode", counted)
    return calls


@pytest.mark.parametrize("sides", [[32], (16, 32, 64)])
def test_each_is_decoded_once(sides, listed, decodings):
    found = list(picture_passes.read(listed, sides, 2))
    assert len(decodings) == 5
    assert [len(images[0]) for images in found] == [2, 2, 1]
    for place, side in enumerate(sides):
        expected = np.stack([read_one(picture.path, side) for picture in listed])
        passed = np.concatenate([images[place] for images in found])
        np.testing.assert_array_equal(passed, expected)


def test_one_that_cannot_be_read(listed):
    listed[3].path.write_bytes(listed[3].path.read_bytes()[:300])
    with pytest.raises(PictureError, match="3.png: the PNG is cut short"):
        list(picture_passes.read(listed, (16, 32), 2))
