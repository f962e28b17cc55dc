"""Optical flow between two frames, by OpenCV's methods.

Every method takes two uint8 RGB frames `(H, W, 3)` of one size, t and t+1, and returns
`(H, W, 2)` float32: (u, v) in pixels from t to t+1, always finite. The same frames give
the same flow, whatever the number of threads. Two equal frames have zero flow.
"""

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import numpy as np

from vidzoo.errors import FlowError

# DIS fails on frames smaller than its patches of 8 pixels at the coarsest scale.
_MIN_SIZE = 32
# Pixels between matches. At OpenCV's 6, small shapes are missed: see docs/flow.md.
_EPIC_GRID = 4
_EPIC_NEIGHBOURS = 128  # matches that an affine model is fitted to, OpenCV's default
_EPIC_MAX_MATCHES = 32766  # the interpolator counts them in 16 bits
_EPIC_MIN_MATCHES = 3  # an affine model has six unknowns; of one match OpenCV dies
_CONSISTENT = 1.0  # pixels that a match may miss its start by, tracked back
_ONE_AT_A_TIME = threading.Lock()


def tvl1(frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
    """TV-L1 flow (Zach et al. 2007), what the paper's flow streams are made of.

    OpenCV's defaults: tau 0.25, lambda 0.15, theta 0.3, 5 scales of step 0.8, 5 warps,
    at most 10 x 30 iterations to 0.01, 5 x 5 median filter.

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.

    Returns:
        `(H, W, 2)` float32, pixels.

    Raises:
        FlowError: the frames are not two uint8 RGB images of one size, or OpenCV lacks
            its contrib modules.
    """
    create = _contrib("optflow", "DualTVL1OpticalFlow_create")
    return _between(
        frame, next_frame, lambda a, b: create().calc(_grey(a), _grey(b), None)
    )


def dis(frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
    """Dense inverse search (Kroeger et al. 2016), the fast choice.

    OpenCV's medium preset, refined to the frame's full resolution (its own ends at
    half), which lowers the error of every pair we measured.

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.

    Returns:
        `(H, W, 2)` float32, pixels.

    Raises:
        FlowError: the frames are not two uint8 RGB images of one size.
    """

    def compute(a, b):
        method = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        method.setFinestScale(0)
        return method.calc(_grey(a), _grey(b), None)

    return _between(frame, next_frame, compute)


def farneback(frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
    """Polynomial expansion (Farneback 2003): fast, weak on large displacements.

    Three pyramid levels of scale 0.5, windows of 15, 5 iterations, polynomials over 7
    pixels smoothed by 1.5.

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.

    Returns:
        `(H, W, 2)` float32, pixels.

    Raises:
        FlowError: the frames are not two uint8 RGB images of one size.
    """

    def compute(a, b):
        grey = (_grey(a), _grey(b))
        return cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 15, 5, 7, 1.5, 0)

    return _between(frame, next_frame, compute)


def rlof_epic(frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
    """Sparse matches, interpolated along edges: stands in for EpicFlow.

    Robust local flow (RLOF, Senst et al. 2014) of a grid of points replaces EpicFlow's
    DeepMatching; the interpolation and the variational refinement behind it are
    EpicFlow's (Revaud et al. 2015), as OpenCV has them and with its defaults. Matches
    count that come back to within a pixel of their start. If fewer than three do, the
    flow is zero.

    OpenCV's dense RLOF would be one call. It is not used: where matches are few (small
    or flat frames) it returns unset memory, and it draws random numbers.

    Args:
        frame: `(H, W, 3)` uint8, RGB.
        next_frame: likewise.

    Returns:
        `(H, W, 2)` float32, pixels.

    Raises:
        FlowError: the frames are not two uint8 RGB images of one size, or OpenCV lacks
            its contrib modules.
    """
    track = _contrib("optflow", "calcOpticalFlowSparseRLOF")
    settings = _contrib("optflow", "RLOFOpticalFlowParameter_create")()
    settings.setUseGlobalMotionPrior(False)  # found by RANSAC, so by chance
    create = _contrib("ximgproc", "createEdgeAwareInterpolator")

    def matches(a, b, points):
        options = {"rlofParam": settings, "forwardBackwardThreshold": 0}
        found, _, _ = track(a, b, points[None], None, **options)
        return found.reshape(points.shape)

    def compute(a, b):
        height, width = a.shape[:2]
        grey = (_grey(a), _grey(b))
        a, b = (cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in (a, b))
        start = _grid(height, width)  # (M, 2)
        end = matches(a, b, start)
        inside = ((end >= 0) & (end <= (width - 1, height - 1))).all(axis=1)
        start, end = start[inside], end[inside]
        if len(end):
            misses = matches(b, a, end).astype(np.float64) - start
            kept = np.hypot(*misses.T) < _CONSISTENT
            start, end = start[kept], end[kept]
        if len(end) < _EPIC_MIN_MATCHES:
            return np.zeros((height, width, 2), np.float32)
        interpolator = create()
        # With more neighbours than matches it reads memory that nobody has set.
        interpolator.setK(min(_EPIC_NEIGHBOURS, len(end)))
        flow = interpolator.interpolate(a, start[None], b, end[None])
        refinement = cv2.VariationalRefinement_create()
        return refinement.calc(*grey, flow)

    with _one_thread():
        return _between(frame, next_frame, compute)


METHODS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "tvl1": tvl1,
    "dis": dis,
    "farneback": farneback,
    "rlof-epic": rlof_epic,
}
"""The methods by name."""

_CONTRIB = {
    "tvl1": (("optflow", "DualTVL1OpticalFlow_create"),),
    "rlof-epic": (
        ("optflow", "calcOpticalFlowSparseRLOF"),
        ("optflow", "RLOFOpticalFlowParameter_create"),
        ("ximgproc", "createEdgeAwareInterpolator"),
    ),
}


def check_available(method: str) -> None:
    """Checks that OpenCV has what a method needs.

    Raises:
        FlowError: it lacks its contrib modules.
    """
    for module, name in _CONTRIB.get(method, ()):
        _contrib(module, name)


def _between(frame, next_frame, compute):
    """Checks, enlarges small frames by their border pixels, computes, and crops."""
    for name, image in (("frame", frame), ("next_frame", next_frame)):
        found = f"{getattr(image, 'dtype', type(image).__name__)} {np.shape(image)}"
        is_rgb = np.ndim(image) == 3 and np.shape(image)[2] == 3 and np.size(image)
        if not is_rgb or getattr(image, "dtype", None) != np.uint8:
            raise FlowError(
                f"`{name}` must be uint8 RGB (H, W, 3). Received: {found}; convert it "
                f"first."
            )
    if frame.shape != next_frame.shape:
        raise FlowError(
            f"`frame` and `next_frame` must have one size. Received: {frame.shape} and "
            f"{next_frame.shape}; resize one of them first."
        )
    height, width = frame.shape[:2]
    if np.array_equal(frame, next_frame):
        return np.zeros((height, width, 2), np.float32)
    padding = (
        (0, max(0, _MIN_SIZE - height)),
        (0, max(0, _MIN_SIZE - width)),
        (0, 0),
    )
    images = (np.pad(image, padding, mode="edge") for image in (frame, next_frame))
    try:
        flow = compute(*images)[:height, :width]
    except cv2.error as error:
        raise FlowError(
            f"OpenCV {cv2.__version__} cannot compute flow of {width}x{height} frames: "
            f"{error.err}; use another method of {', '.join(METHODS)}, or other frames."
        ) from error
    if not np.isfinite(flow).all():
        raise FlowError(
            f"OpenCV {cv2.__version__} found flow that is not finite at "
            f"{int((~np.isfinite(flow)).any(axis=2).sum())} of {height * width} "
            f"pixels; choose another method of {', '.join(METHODS)}."
        )
    return np.ascontiguousarray(flow, np.float32)


def _grid(height, width):
    """`(M, 2)` float32: points (x, y) of a grid, no more than can be interpolated."""
    step = max(_EPIC_GRID, math.ceil(math.sqrt(height * width / _EPIC_MAX_MATCHES)))
    while math.ceil(height / step) * math.ceil(width / step) > _EPIC_MAX_MATCHES:
        step += 1
    first_y, first_x = min(step, height) // 2, min(step, width) // 2
    y, x = np.mgrid[first_y:height:step, first_x:width:step]
    return np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keeps OpenCV to one thread: the interpolation's last digits depend on them."""
    with _ONE_AT_A_TIME:
        before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            yield
        finally:
            cv2.setNumThreads(before)


def _grey(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _contrib(module, name):
    """A function of OpenCV's contrib modules."""
    function = getattr(getattr(cv2, module, None), name, None)
    if function is None:
        raise FlowError(
            f"cv2.{module}.{name} is missing: OpenCV {cv2.__version__} is installed "
            f"without its contrib modules. Uninstall opencv-python and "
            f"opencv-python-headless, then install opencv-contrib-python-headless; or "
            f"choose the method dis or farneback."
        )
    return function
