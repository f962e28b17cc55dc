"""Patches, and which are nearest."""

import numpy as np
import pytest

from vidzoo.explain import patch_clusters, patchwork
from vidzoo.retrieval.patches import NearestPatches, cut

COLOURS = np.random.default_rng(0).permutation(
    np.stack(np.meshgrid(*3 * [np.arange(0, 250, 60)]), axis=-1).reshape(-1, 3)
)  # 125, no two alike


def image(colours):
    """4 x 4 patches of 5 x 5 pixels, each of one colour."""
    grid = np.asarray(colours, np.uint8).reshape(4, 4, 3)
    return grid.repeat(5, axis=0).repeat(5, axis=1)


def test_a_patch_is_its_share_of_the_image():
    images = np.random.default_rng(1).integers(0, 256, (2, 12, 20, 3), np.uint8)
    found = cut(images, (3, 4))
    assert found.shape == (2, 12, 4, 5, 3)
    for n in range(2):
        for i in range(3):
            for j in range(4):
                expected = images[n, 4 * i : 4 * i + 4, 5 * j : 5 * j + 5]
                np.testing.assert_array_equal(found[n, 4 * i + j], expected)


def test_where_sizes_do_not_divide_it_is_the_middle():
    rows = np.arange(11).reshape(1, 11, 1, 1) * np.ones((1, 11, 11, 1), int)
    starts = cut(rows, (3, 3))[0, ::3, 0, 0, 0]
    np.testing.assert_array_equal(starts, [0, 4, 7])  # middles 1.8, 5.5, 9.2 of 11
    with pytest.raises(ValueError, match=r"1 to the images' 11 x 11 pixels.*\(12, 3\)"):
        cut(rows, (12, 3))


@pytest.mark.parametrize("step", [1, 2, 5])
def test_the_right_patches_are_found(step):
    """Of patches whose descriptors are their colours, in whatever batches."""
    database = COLOURS[:80].reshape(5, 16, 3)
    images = np.stack([image(colours) for colours in database])
    queries = COLOURS[80:96]
    found = NearestPatches(queries, 3)
    for i in range(0, 5, step):
        part = slice(i, i + step)
        found.add(images[part], database[part].astype(np.float32), (4, 4))
    flat = database.reshape(-1, 3)
    gaps = np.linalg.norm(flat[None] - queries[:, None], axis=2)
    order = gaps.argsort(axis=1, kind="stable")[:, :3]
    np.testing.assert_array_equal(found.images, order // 16)
    np.testing.assert_allclose(
        found.distances, np.take_along_axis(gaps, order, 1), rtol=1e-5
    )
    expected = np.broadcast_to(flat[order][:, :, None, None], (16, 3, 5, 5, 3))
    np.testing.assert_array_equal(found.patches, expected)


def test_fewer_patches_than_asked_for():
    found = NearestPatches(COLOURS[:2], 20)
    found.add(image(COLOURS[:16])[None], COLOURS[None, :16].astype(np.float32), (4, 4))
    assert found.patches.shape == (2, 16, 5, 5, 3)
    with pytest.raises(ValueError, match="`num_patches` must be >= 1. Received: 0"):
        NearestPatches(COLOURS, 0)


def test_a_patchwork_of_its_own_patches_is_the_picture():
    picture = np.random.default_rng(2).integers(0, 256, (12, 20, 3), np.uint8)
    patches = cut(picture[None], (3, 4))[0]
    np.testing.assert_array_equal(patchwork(patches[:, None], (3, 4)), picture)
    two = np.stack([patches, 255 - patches], axis=1)
    mean = patchwork(two, (3, 4))
    assert set(np.unique(mean)) == {128}  # of x and 255 - x, rounded to even
    with pytest.raises(ValueError, match=r"\(6, k, p, q, 3\), one row"):
        patchwork(patches[:, None], (2, 3))


def test_clusters_are_rows_of_patches():
    patches = np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1, 1, 1)
    patches = np.broadcast_to(patches, (2, 3, 24, 24, 3))
    found = patch_clusters(patches)
    assert found.shape == (2 * 48 + 3, 3 * 48 + 9 + 3, 3)
    firsts = (0, 48 + 9, 2 * 48 + 9 + 3)
    for number, (row, column) in enumerate((r, c) for r in (0, 51) for c in firsts):
        place = found[row : row + 48, column : column + 48]
        assert set(np.unique(place)) == {number + 1}
    assert (found == 255).sum() == (found.shape[0] * found.shape[1] - 6 * 48 * 48) * 3
    with pytest.raises(ValueError, match="none of them 0"):
        patch_clusters(patches[:0])
