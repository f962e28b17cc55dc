"""bfloat16, which NumPy does not know: the upper half of a float32."""

import numpy as np


def from_bfloat16(numbers: np.ndarray) -> np.ndarray:
    """Numbers of two bytes each, of whatever kind, as float32."""
    halves = np.ascontiguousarray(numbers).view(np.uint16)
    return (halves.astype(np.uint32) << 16).view(np.float32)
