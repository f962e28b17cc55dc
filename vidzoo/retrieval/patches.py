"""Patches of pictures, one for each descriptor of a layer, and those nearest to some.

Source: dissertation, section 2.4.3, after Long et al. 2014. Of n x n pixels, a map of
h x w cuts out patches of n/h x n/w: each is what its descriptor is drawn as, though a
descriptor sees more than that.
"""

import numpy as np

from vidzoo.retrieval.search import nearest


def cut(images: np.ndarray, map_size: tuple[int, int]) -> np.ndarray:
    """Cuts images into the patches of a map's positions.

    Where n is no multiple of h, a patch is `n // h` pixels about the middle of its
    share.

    Args:
        images: `(N, H, W, C)`.
        map_size: `(h, w)`, of the layer's map.

    Returns:
        `(N, h*w, H // h, W // w, C)`.

    Raises:
        ValueError: the map has more positions than the images have pixels.

    Example:
        >>> cut(np.arange(16).reshape(1, 4, 4, 1), (2, 2))[0, 1, ..., 0]
        array([[2, 3],
               [6, 7]])
    """
    sides = images.shape[1:3]
    if not all(0 < count <= side for count, side in zip(map_size, sides, strict=True)):
        raise ValueError(
            f"`map_size` must be 1 to the images' {sides[0]} x {sides[1]} pixels. "
            f"Received: {map_size}."
        )
    rows, columns = map(_pixels, map_size, sides)  # (h, H // h), (w, W // w)
    found = images[:, rows[:, None, :, None], columns[None, :, None, :]]
    return found.reshape(len(images), -1, *found.shape[3:])


def _pixels(count, side):
    length = side // count
    starts = np.arange(count) * side / count + (side / count - length) / 2
    return starts.astype(int)[:, None] + np.arange(length)


class NearestPatches:
    """The patches of a database whose descriptors are nearest to some vectors.

    The database comes in batches; only the nearest so far are kept. Of equal ones the
    first stays.

    Args:
        vectors: `(Q, D)`, descriptors or words.
        num_patches: to find for each of them.

    Attributes:
        distances: float32 `(Q, k)`, nearest first; k is less than `num_patches` while
            there were fewer patches.
        images: `(Q, k)`, the number of the image that each is from, in their order.
        patches: uint8 `(Q, k, p, p, 3)`; None before the first batch.

    Raises:
        ValueError: `num_patches` is below 1.
    """

    def __init__(self, vectors: np.ndarray, num_patches: int):
        if num_patches < 1:
            raise ValueError(f"`num_patches` must be >= 1. Received: {num_patches}.")
        self._vectors, self._num_patches = np.asarray(vectors, np.float32), num_patches
        self.distances = np.empty((len(vectors), 0), np.float32)
        self.images = np.empty((len(vectors), 0), np.int64)
        self.patches = None
        self._num_images = 0

    def add(self, images: np.ndarray, descriptors: np.ndarray, map_size) -> None:
        """Looks through the patches of a batch.

        Args:
            images: `(N, H, W, 3)` uint8.
            descriptors: `(N, h*w, D)`.
            map_size: `(h, w)`, of the map that they are of.
        """
        patches = cut(images, map_size)
        flat = descriptors.reshape(-1, descriptors.shape[-1])
        places, distances = nearest(flat, self._vectors, self._num_patches)
        number, position = np.divmod(places, descriptors.shape[1])
        parts = {
            "distances": distances,
            "images": number + self._num_images,
            "patches": patches[number, position],
        }
        self._num_images += len(images)
        if self.patches is not None:
            parts = {
                name: np.concatenate([getattr(self, name), part], axis=1)
                for name, part in parts.items()
            }
        order = parts["distances"].argsort(axis=1, kind="stable")
        order = order[:, : self._num_patches]
        row = np.arange(len(order))[:, None]
        for name, part in parts.items():
            setattr(self, name, part[row, order])
