"""Which views of a video are scored and averaged."""

import re
from dataclasses import dataclass

CROPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Protocol:
    """Clips of a video times crops of each clip.

    Attributes:
        name: `"center"`; `CLIPSxCROPS` such as `"25x10"`, the paper's for snippets
            (section 5.4.2); `CLIPS-random` such as `"240-random"`, its for full-length
            video (section 3.4.1); or `"whole-video"`, one pass over all of it.
        num_clips: clips drawn at random from a video, by seed and video id alone; 0 for
            `"center"`, the one clip in the middle, and for `"whole-video"`.
        num_crops: 1, the centre; 2, it and its mirror; 5, the four corners and the
            centre; 10, those and their mirrors. 0 for `CLIPS-random`: each clip is
            shown in a random window, mirrored or not, as in training.
    """

    name: str
    num_clips: int
    num_crops: int

    @property
    def is_drawn(self) -> bool:
        """Whether a seed decides which clips are taken."""
        return self.num_clips > 0

    @property
    def num_views(self) -> int:
        """Views of one video."""
        return max(self.num_clips, 1) * max(self.num_crops, 1)


CENTER = Protocol("center", 0, 1)
WHOLE_VIDEO = Protocol("whole-video", 0, 1)


def parse(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: it is not one; the message says what is.

    Example:
        >>> parse("25x10").num_views, parse("240-random").num_views
        (250, 240)
    """
    for fixed in (CENTER, WHOLE_VIDEO):
        if name == fixed.name:
            return fixed
    if match := re.fullmatch(r"([1-9][0-9]{0,4})-random", name):
        return Protocol(name, int(match[1]), 0)
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([0-9]+)", name)
    if match is None or int(match[2]) not in CROPS:
        crops = ", ".join(map(str, CROPS))
        raise ValueError(
            f"no protocol '{name}'. Give center, whole-video, CLIPS-random such as "
            f"240-random, or CLIPSxCROPS such as 25x10, with one of {crops} crops."
        )
    return Protocol(name, int(match[1]), int(match[2]))
