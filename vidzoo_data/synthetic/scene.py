"""Scenes of motion shapes: every parameter of one clip, and how its shape moves.

A shape moves by a similarity transform about its centre. Its state (centre, log-scale
and angle) is linear in time around the middle of the clip,

    state(t) = mid + velocity * (t - (T - 1) / 2),

so negating the velocity plays the clip backwards, frame for frame. The eight classes
differ in the velocity alone. So that no single frame tells the class, a scene that
does not move along x, y or log-scale still gets, as a constant offset, the place where
a moving scene would be at a random frame: over a clip's frames the state has one and
the same distribution for every class.
"""

import dataclasses
import math
from typing import NamedTuple

import numpy as np

MOTIONS = ("left", "right", "up", "down", "turn_left", "turn_right", "grow", "shrink")
SHAPES = ("disk", "triangle", "square", "star")
TWIN = {
    "left": "right",
    "right": "left",
    "up": "down",
    "down": "up",
    "turn_left": "turn_right",
    "turn_right": "turn_left",
    "grow": "shrink",
    "shrink": "grow",
}

# Which part of the state a class moves, and which way.
_AXES = {
    "left": ("x", -1),
    "right": ("x", 1),
    "up": ("y", -1),
    "down": ("y", 1),
    "turn_left": ("angle", 1),
    "turn_right": ("angle", -1),
    "grow": ("log_scale", 1),
    "shrink": ("log_scale", -1),
}

# Lengths are pixels of a 128-pixel frame and scale with the frame.
_REFERENCE_SIZE = 128
_DISPLACEMENT = (3.0, 5.0)  # per frame
_MEAN_RADIUS = (17.5, 21.5)  # of a disk with a radius of 26 to 32
_CENTRE_JITTER = 6.0
_GRAIN = (2.5, 5.0)
# Over a clip. Reached by every growing shape, and by translation from 14 frames on.
_MAX_SCALE_RATIO = 3.2
_MAX_TRAVEL = 64.0

_MEAN_COLOUR = (50.0, 205.0)
_CONTRAST = (8.0, 24.0)
_MIN_COLOUR_DISTANCE = 110.0


class State(NamedTuple):
    """Where the shape is: linear in time, or (as a velocity) per frame.

    `x` and `y` are the centre in pixels (integers at pixel centres, y down),
    `log_scale` is the natural logarithm of the size relative to the scene's
    `mean_radius`, and `angle` is in radians, counter-clockwise as seen.
    """

    x: float
    y: float
    log_scale: float
    angle: float


@dataclasses.dataclass(frozen=True)
class Texture:
    """Smoothed colour noise.

    Attributes:
        seed: of the noise.
        mean_colour: RGB, 0..255.
        contrast: standard deviation of the noise, in grey levels.
        grain: standard deviation of the smoothing, in pixels of the frame.
    """

    seed: int
    mean_colour: tuple[float, float, float]
    contrast: float
    grain: float


@dataclasses.dataclass(frozen=True)
class Scene:
    """All parameters of one clip.

    Attributes:
        motion: one of `MOTIONS`.
        shape: one of `SHAPES`.
        size: height and width of the frames, in pixels.
        num_frames: T.
        mean_radius: mean distance of the shape's points from its centre at log-scale
            zero, in pixels.
        mid: state in the middle of the clip, at time (T - 1) / 2.
        velocity: change of state per frame.
        shape_texture: what the shape is painted with.
        background_texture: what the static background is painted with.
    """

    motion: str
    shape: str
    size: int
    num_frames: int
    mean_radius: float
    mid: State
    velocity: State
    shape_texture: Texture
    background_texture: Texture


def draw_scene(
    rng: np.random.Generator,
    motion: str,
    shape: str,
    *,
    size: int = 128,
    num_frames: int = 8,
) -> Scene:
    """Draws a random scene of the given classes.

    A shape's points move 3 to 5 pixels per frame in the mean (of a 128-pixel frame;
    uniformly drawn), except where a clip would become too long a way: the shape grows
    by a factor of at most 3.2 over a clip and its centre travels at most half the
    frame. Growing and shrinking clips of 8 frames are therefore at 3 to 4.5 pixels
    per frame, and clips longer than 8 (translation: 13) frames move more slowly.

    As many random numbers are used for every motion, so one seed gives twins for a
    motion and its `TWIN`.

    Args:
        rng: where all randomness comes from.
        motion: one of `MOTIONS`.
        shape: one of `SHAPES`.
        size: height and width of the frames in pixels, at least 32.
        num_frames: at least 2.

    Returns:
        The scene.

    Raises:
        ValueError: an argument is not one of the choices, or too small.

    Example:
        >>> draw_scene(np.random.default_rng(0), "up", "star").velocity.y < 0
        True
    """
    if motion not in MOTIONS:
        raise ValueError(f"`motion` must be one of {MOTIONS}. Received: {motion!r}.")
    if shape not in SHAPES:
        raise ValueError(f"`shape` must be one of {SHAPES}. Received: {shape!r}.")
    check_format(size, num_frames)
    unit = size / _REFERENCE_SIZE
    mean_radius = unit * rng.uniform(*_MEAN_RADIUS)
    speeds = {
        "x": _draw_translation(rng, num_frames) * unit,
        "y": _draw_translation(rng, num_frames) * unit,
        "log_scale": _draw_growth(rng, num_frames, mean_radius / unit),
    }
    times = rng.integers(num_frames, size=len(speeds)) - (num_frames - 1) / 2
    moving, sign = _AXES[motion]
    offsets = {
        name: 0.0 if name == moving else speed * float(time)
        for (name, speed), time in zip(speeds.items(), times, strict=True)
    }
    centre = (size - 1) / 2 + unit * rng.uniform(-_CENTRE_JITTER, _CENTRE_JITTER, 2)
    mid = State(
        x=float(centre[0]) + offsets["x"],
        y=float(centre[1]) + offsets["y"],
        log_scale=offsets["log_scale"],
        angle=rng.uniform(0, 2 * math.pi),
    )
    displacement = unit * rng.uniform(*_DISPLACEMENT)
    speeds["angle"] = displacement / (mean_radius * math.exp(mid.log_scale))
    still = State(x=0.0, y=0.0, log_scale=0.0, angle=0.0)
    velocity = still._replace(**{moving: sign * speeds[moving]})
    shape_texture, background_texture = _draw_textures(rng, unit)
    return Scene(
        motion=motion,
        shape=shape,
        size=size,
        num_frames=num_frames,
        mean_radius=mean_radius,
        mid=mid,
        velocity=velocity,
        shape_texture=shape_texture,
        background_texture=background_texture,
    )


def check_format(size: int, num_frames: int) -> None:
    """Raises a ValueError unless frames are large, and clips long, enough."""
    if size < 32:
        raise ValueError(f"`size` must be at least 32 pixels. Received: {size}.")
    if num_frames < 2:
        raise ValueError(f"`num_frames` must be at least 2. Received: {num_frames}.")


def twin(scene: Scene) -> Scene:
    """The same scene with the velocity negated: its frames in reverse order."""
    velocity = State(*(-v for v in scene.velocity))
    return dataclasses.replace(scene, motion=TWIN[scene.motion], velocity=velocity)


def state_at(scene: Scene, t: int) -> State:
    """State of the scene's shape at frame `t`, 0 <= t < `num_frames`."""
    time = t - (scene.num_frames - 1) / 2
    return State(
        *(m + v * time for m, v in zip(scene.mid, scene.velocity, strict=True))
    )


def _draw_translation(rng, num_frames):
    return min(rng.uniform(*_DISPLACEMENT), _MAX_TRAVEL / (num_frames - 1))


def _draw_growth(rng, num_frames, mean_radius):
    """Change of log-scale per frame."""
    fastest = math.log(_MAX_SCALE_RATIO) / (num_frames - 1)
    return min(rng.uniform(*_DISPLACEMENT) / mean_radius, fastest)


def _draw_textures(rng, unit):
    """Two textures from one distribution, apart in mean colour."""
    distance = 0.0
    while distance < _MIN_COLOUR_DISTANCE:
        colours = rng.uniform(*_MEAN_COLOUR, size=(2, 3))
        distance = np.linalg.norm(colours[0] - colours[1])
    return tuple(
        Texture(
            seed=int(rng.integers(2**32)),
            mean_colour=tuple(colour.tolist()),
            contrast=rng.uniform(*_CONTRAST),
            grain=unit * rng.uniform(*_GRAIN),
        )
        for colour in colours
    )
