"""NumPy's `.npz`: arrays under the names that `numpy.savez` was given."""

from pathlib import Path

import numpy as np

from vidzoo import arrays


def read(path: Path) -> dict[str, np.ndarray]:
    """Reads all arrays; see `vidzoo.arrays.read_npz`."""
    return arrays.read_npz(path)
