"""What every reader returns: the videos of a data set, their labels and splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vidzoo.errors import SourceError


@dataclass(frozen=True)
class Video:
    """One video file of a data set.

    Attributes:
        video_id: POSIX path relative to the data set's root, with extension; unique.
        path: where the file is; None of what is no file.
        labels: class names.
    """

    video_id: str
    path: Path | None
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """A data set on disk.

    Attributes:
        name: its layout, a key of `LAYOUTS`.
        classes: names; the index is the label number.
        videos: sorted by `video_id`.
        splits: name to sorted video ids; splits may overlap.
        missing: `(video_id, reason)` of each video that is listed but not there.
        notes: plain sentences to show the user, such as files that were ignored.
        size: the short side, or `(height, width)`, in pixels, that frames of this data
            set are stored at where the user asks for none; None for no opinion.
        fps: likewise, frames per second.
        seconds: likewise, how much of each video is stored.
    """

    name: str
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    splits: dict[str, tuple[str, ...]]
    missing: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    size: int | tuple[int, int] | None = None
    fps: float | None = None
    seconds: float | None = None


def check_names(video_ids: Sequence[str], root: Path) -> None:
    """Checks that the ids can be written to a file.

    Raises:
        SourceError: a file name is not UTF-8.
    """
    for video_id in video_ids:
        try:
            video_id.encode()
        except UnicodeEncodeError:
            raise SourceError(
                f"{root}: the file name {ascii(video_id)} is not valid UTF-8; "
                f"rename it."
            ) from None
