"""Scenes of motion shapes to frames and to exact optical flow.

Coordinates are pixels of the frame, with integers at pixel centres, x right, y down.
"""

import math

import cv2
import numpy as np

from vidzoo_data.synthetic import scene as scenes

# Corners of each outline: their distances from the centre, at equal angles.
_CORNERS = {
    "disk": (1.0,) * 64,
    "triangle": (1.0,) * 3,
    "square": (1.0,) * 4,
    "star": (1.0, 0.42) * 5,
}
_SUPERSAMPLING = 2  # of the frame
_PATCH_SCALE = 3  # patch pixels per frame pixel at log-scale zero
_BRIGHTNESS = 0.75  # of a texture's variance, in all three colours alike


def render(scene: scenes.Scene) -> np.ndarray:
    """Draws the clip: one scene always gives the same bytes.

    Returns:
        `(T, H, W, 3)` uint8, RGB.
    """
    background = _texture(scene.background_texture, scene.size)
    colours, coverage = _patch(scene)
    patch = np.concatenate([colours * coverage, coverage * 255], axis=-1)
    patch = np.rint(patch).astype(np.uint8)
    frames = np.empty((scene.num_frames, scene.size, scene.size, 3), np.uint8)
    for t in range(scene.num_frames):
        layer = _place(patch, scene, t).astype(np.float32)
        alpha = layer[..., 3:] / 255
        frame = layer[..., :3] + background * (1 - alpha)
        frames[t] = np.rint(np.clip(frame, 0, 255))
    return frames


def exact_flow(scene: scenes.Scene) -> tuple[np.ndarray, np.ndarray]:
    """Optical flow of the clip, from its motion rather than its pixels.

    A pixel belongs to the shape where the shape covers at least half of it.

    Returns:
        A pair `(flow, visible)`. `flow` is `(T-1, H, W, 2)` float32: (u, v) in pixels
        from frame t to t+1, zero on the background. `visible` is `(T-1, H, W)` bool:
        what the pixel shows at t is inside the frame and not covered at t+1.
    """
    size = scene.size
    inside = _inside(scene)
    y, x = np.mgrid[:size, :size].astype(np.float64)
    flow = np.zeros((scene.num_frames - 1, size, size, 2), np.float32)
    visible = np.empty((scene.num_frames - 1, size, size), bool)
    for t in range(scene.num_frames - 1):
        now, then = scenes.state_at(scene, t), scenes.state_at(scene, t + 1)
        a, b = _scaled_rotation(then.log_scale - now.log_scale, then.angle - now.angle)
        dx, dy = x - now.x, y - now.y
        target_x = then.x + a * dx + b * dy
        target_y = then.y - b * dx + a * dy
        shift = np.stack([target_x - x, target_y - y], axis=-1)
        flow[t] = np.where(inside[t][..., None], shift, 0)
        lands = (target_x >= 0) & (target_x <= size - 1)
        lands &= (target_y >= 0) & (target_y <= size - 1)
        visible[t] = np.where(inside[t], lands, ~inside[t + 1])
    return flow, visible


def _inside(scene):
    """`(T, H, W)` bool: the pixels that the shape covers by at least half."""
    _, coverage = _patch(scene)
    patch = np.rint(coverage[..., 0] * 255).astype(np.uint8)
    layers = [_place(patch, scene, t) for t in range(scene.num_frames)]
    return np.stack(layers) >= 128


def _outline(shape):
    """Corners `(P, 2)` of the shape whose mean distance from the centre is one."""
    distances = np.array(_CORNERS[shape])
    angles = 2 * math.pi * np.arange(len(distances)) / len(distances)
    corners = distances[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    # The centre and each edge span equal triangles, and a thin triangle's points are
    # at two thirds of the edge's distance in the mean.
    along = np.linspace(0, 1, 101)[:, None, None]
    edges = corners * (1 - along) + np.roll(corners, -1, axis=0) * along
    return corners / (2 / 3 * np.linalg.norm(edges, axis=-1).mean())


def _texture(texture, size):
    """`(size, size, 3)` float32 in 0..255: smoothed noise, in pixels of the frame."""
    margin = math.ceil(3 * texture.grain)
    rng = np.random.default_rng(texture.seed)
    shape = (size + 2 * margin, size + 2 * margin, 4)
    noise = rng.standard_normal(shape, dtype=np.float32)
    noise = cv2.GaussianBlur(noise, (2 * margin + 1, 2 * margin + 1), texture.grain)
    noise = noise[margin:-margin, margin:-margin]
    # Mostly brightness: video files keep colour at half the resolution only.
    colour, grey = noise[..., :3], noise[..., 3:]
    noise = colour * math.sqrt(1 - _BRIGHTNESS) + grey * math.sqrt(_BRIGHTNESS)
    # White noise smoothed by this much keeps 1 / (2 sqrt(pi) grain) of its deviation.
    noise = noise * (2 * math.sqrt(math.pi) * texture.grain * texture.contrast)
    return np.clip(noise + np.array(texture.mean_colour, np.float32), 0, 255)


def _patch(scene):
    """The shape upright: colours `(P, P, 3)` in 0..255, coverage `(P, P, 1)` in 0..1.

    The shape's centre is the middle of the patch, `_PATCH_SCALE` patch pixels are a
    pixel of the frame at log-scale zero.
    """
    outline = _outline(scene.shape) * scene.mean_radius
    size = 2 * math.ceil(np.abs(outline).max() + 2)
    colours = _texture(scene.shape_texture, size)
    large = (size * _PATCH_SCALE,) * 2
    colours = np.clip(cv2.resize(colours, large, interpolation=cv2.INTER_CUBIC), 0, 255)
    fraction_bits = 8
    corners = outline * _PATCH_SCALE + (large[0] - 1) / 2
    corners = np.rint(corners * 2**fraction_bits).astype(np.int32)
    coverage = np.zeros(large, np.uint8)
    cv2.fillPoly(coverage, [corners], 255, cv2.LINE_AA, fraction_bits)
    return colours, coverage[..., None].astype(np.float32) / 255


def _place(patch, scene, t):
    """Puts an upright uint8 patch where the shape is at frame `t`: `(H, W, ...)`."""
    state = scenes.state_at(scene, t)
    # Patch pixel -> frame pixel -> pixel of the supersampled frame, whose n x n block
    # has its centre at the frame pixel's: X = n x + (n - 1) / 2.
    n = _SUPERSAMPLING
    a, b = _scaled_rotation(state.log_scale, state.angle)
    linear = np.array([[a, b], [-b, a]]) * (n / _PATCH_SCALE)
    middle = np.array([(patch.shape[1] - 1) / 2, (patch.shape[0] - 1) / 2])
    centre = np.array([state.x, state.y]) * n + (n - 1) / 2
    matrix = np.concatenate([linear, (centre - linear @ middle)[:, None]], axis=1)
    large = cv2.warpAffine(patch, matrix, (scene.size * n,) * 2, flags=cv2.INTER_LINEAR)
    return cv2.resize(large, (scene.size,) * 2, interpolation=cv2.INTER_AREA)


def _scaled_rotation(log_scale, angle):
    """Entries (a, b) of [[a, b], [-b, a]], counter-clockwise as seen as y is down."""
    scale = math.exp(log_scale)
    return scale * math.cos(angle), scale * math.sin(angle)
