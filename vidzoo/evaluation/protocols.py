"""Which views of a video are scored and averaged."""

import re
from dataclasses import dataclass

CROPS = (1, 2, 5, 10)


@dataclass(frozen=True)
class Protocol:
    """Clips of a video times crops of each clip.

    Attributes:
        name: `"center"`, or `CLIPSxCROPS` such as `"25x10"`, the paper's (section
            5.4.2).
        num_clips: clips drawn at random from a video, by seed and video id alone; 0 for
            `"center"`, the one clip of the middle frame of each segment.
        num_crops: 1, the centre; 2, it and its mirror; 5, the four corners and the
            centre; 10, those and their mirrors.
    """

    name: str
    num_clips: int
    num_crops: int

    @property
    def num_views(self) -> int:
        """Views of one video."""
        return max(self.num_clips, 1) * self.num_crops


CENTER = Protocol("center", 0, 1)


def parse(name: str) -> Protocol:
    """The protocol of that name.

    Raises:
        ValueError: it is not one; the message says what is.

    Example:
        >>> parse("25x10").num_views
        250
    """
    if name == CENTER.name:
        return CENTER
    match = re.fullmatch(r"([1-9][0-9]{0,4})x([0-9]+)", name)
    if match is None or int(match[2]) not in CROPS:
        crops = ", ".join(map(str, CROPS))
        raise ValueError(
            f"no protocol '{name}'. Give center, or CLIPSxCROPS such as 25x10, with "
            f"one of {crops} crops."
        )
    return Protocol(name, int(match[1]), int(match[2]))
