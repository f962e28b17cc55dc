"""Windows of motion shapes in memory: single frames, pairs of them, or clips of 16."""

import numpy as np

VIDEO_SIZE, SIZE = 72, 64  # pixels of videos, and of a clip's window
NUM_FRAMES = 16  # of a clip; a video has one more


def batches(kind, videos, first_step, num_steps, *, batch_size, seed, turned=False):
    """Batches of random windows of random clips, with their flow.

    Args:
        kind: `"pair"`, `"clip"` or `"frame"`.
        videos: which.
        first_step: batches already trained on.
        num_steps: of the training.
        batch_size: clips in each.
        seed: of the draws.
        turned: whether clips are turned and mirrored, which changes motions' classes.
    """
    for step in range(first_step, num_steps):
        random = np.random.default_rng([seed, step])
        chosen = random.integers(len(videos.labels), size=batch_size)
        at = random.integers(NUM_FRAMES, size=batch_size)
        corners = random.integers(VIDEO_SIZE - SIZE + 1, size=(batch_size, 2))
        clips, flow = clips_of(kind, videos, chosen, at, corners)
        if turned:
            turns = random.integers(8, size=batch_size)
            both = [turned_clip(*one) for one in zip(clips, flow, turns, strict=True)]
            clips, flow = map(np.stack, zip(*both, strict=True))
        yield {"rgb": clips, "flow_target": flow, "label": videos.labels[chosen]}


def clips_of(kind, videos, chosen, at, corners):
    """Clips of some videos that begin at some frame, in some window, and their flow."""
    first, length = (0, NUM_FRAMES) if kind == "clip" else (at, 1)
    first = np.broadcast_to(first, len(chosen))
    frames, flow = [], []
    for video, start, (y, x) in zip(chosen, first, corners, strict=True):
        window = (slice(y, y + SIZE), slice(x, x + SIZE))
        times = slice(start, start + length)
        clip = videos.frames[(video, times, *window)]
        if kind == "pair":
            after = slice(start + 1, start + 2)
            clip = np.concatenate([clip, videos.frames[(video, after, *window)]], -1)
        frames.append(clip)
        flow.append(videos.flow[(video, times, *window)].astype(np.float32))
    return np.stack(frames), np.stack(flow)


def turned_clip(clip, flow, turn):
    """A clip `(T, H, W, C)` and its flow in one of a square's eight positions."""
    if turn & 1:  # mirrored left to right
        clip, flow = clip[:, :, ::-1], flow[:, :, ::-1] * np.float32([-1, 1])
    if turn & 2:  # upside down
        clip, flow = clip[:, ::-1], flow[:, ::-1] * np.float32([1, -1])
    if turn & 4:  # mirrored at the diagonal
        clip, flow = clip.swapaxes(1, 2), flow.swapaxes(1, 2)[..., ::-1]
    return clip, flow
