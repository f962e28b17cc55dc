"""A network's answer to the clip for which its origin prints one."""

import numpy as np

from vidzoo.errors import VideoError
from vidzoo.weights.preset import ClipAnswer

# Of the largest logit. Origins print six to eight digits, of which machines share
# fewer: kinetics-i3d says "up to differences in numerical precision".
_TOLERANCE = 1e-4


def read(path, expected: ClipAnswer) -> np.ndarray:
    """Reads the clip, and turns its -1..1 back to the pixels that it was made of.

    Args:
        path: the NumPy file, as its origin publishes it; nothing in it is run.
        expected: what it must look like.

    Returns:
        float32 `(1, T, H, W, C)`, 0..255, not rounded.

    Raises:
        VideoError: it is no such file.
    """
    try:
        # An archive, or an array of pickled objects, is an error too.
        array = np.lib.format.open_memmap(path, mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise VideoError(f"{path}: no NumPy file. {_wanted(expected)}") from error
    if array.shape != expected.shape or array.dtype.kind != "f":
        raise VideoError(
            f"{path}: holds {array.dtype} {array.shape}. {_wanted(expected)}"
        )
    clip = np.asarray(array, np.float64)
    if not (np.abs(clip) <= 1 + 1e-6).all():  # NaN is not, either
        low, high = clip.min(), clip.max()
        raise VideoError(
            f"{path}: holds values of {low:g} to {high:g}. {_wanted(expected)}"
        )
    return ((clip + 1) * 127.5).astype(np.float32)


def _wanted(expected):
    return (
        f"Expected {expected.name}: floats {expected.shape} in -1..1. "
        f"Fetch it from {expected.url}."
    )


def compared(logits: np.ndarray, expected: ClipAnswer) -> dict:
    """What a network answered beside what its origin prints, JSON-ready.

    Args:
        logits: `(K,)`.
        expected: the origin's.
    """
    published = np.array(list(expected.logits.values()))
    found = logits[list(expected.logits)]
    others = np.delete(logits, list(expected.logits))
    tolerance = _TOLERANCE * np.abs(published).max()
    norm = float(np.linalg.norm(logits))
    is_finite = bool(np.isfinite(logits).all())
    passed = (
        is_finite
        and np.abs(found - published).max() <= tolerance
        and abs(norm - expected.norm) <= _TOLERANCE * expected.norm
        # Those printed are the highest.
        and others.max(initial=-np.inf) <= published.min() + tolerance
    )
    return {
        "kind": "clip",
        "expected": {"norm": expected.norm, "logits": _listed(expected.logits)},
        "answer": None
        if not is_finite
        else {
            "norm": norm,
            "logits": _listed(dict(zip(expected.logits, found.tolist(), strict=True))),
            "label": int(logits.argmax()),
            "largest_difference": float(np.abs(found - published).max()),
        },
        "passed": bool(passed),
    }


def _listed(logits):
    return [{"label": label, "logit": logit} for label, logit in logits.items()]
