"""What every reader of a retrieval data set returns, and files below a folder."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import VIDEO_EXTENSIONS, walk

PICTURE_EXTENSIONS = (
    ".bmp",
    ".gif",
    ".jpeg",
    ".jpg",
    ".png",
    ".ppm",
    ".tif",
    ".tiff",
    ".webp",
)
"""Files with these extensions, in upper or lower case, are taken for pictures."""


@dataclass(frozen=True)
class Picture:
    """One file of a data set: a picture, or a video that stands for its frames.

    Attributes:
        picture_id: unique in its data set.
        path: where the file is.
    """

    picture_id: str
    path: Path

    @property
    def is_video(self) -> bool:
        """Whether it is taken for a video, by its extension."""
        return self.path.suffix.lower() in VIDEO_EXTENSIONS


@dataclass(frozen=True)
class Query:
    """What is looked for, and what is to be found.

    Attributes:
        query_id: unique in its data set.
        picture_id: of the query's own picture, one of the data set's.
        positives: ids of pictures to be found; the query's own may be among them.
        junk: ids of pictures that count as neither right nor wrong.
    """

    query_id: str
    picture_id: str
    positives: frozenset[str]
    junk: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PictureSet:
    """A data set on disk.

    Attributes:
        name: its layout, a key of `LAYOUTS`.
        pictures: sorted by id.
        queries: sorted by id; none for a plain folder.
        notes: plain sentences to show the user, such as files that were ignored.
    """

    name: str
    pictures: tuple[Picture, ...]
    queries: tuple[Query, ...] = ()
    notes: tuple[str, ...] = ()


def find(root: Path) -> tuple[list[Path], list[Path], Counter]:
    """Finds the pictures and the videos below a folder, as `walk` goes through it.

    Returns:
        Paths of pictures, paths of videos, and the number of other files by extension.

    Raises:
        SourceError: a folder cannot be read.
    """
    pictures, videos, ignored = [], [], Counter()
    for path in walk(root):
        extension = path.suffix.lower()
        if extension in PICTURE_EXTENSIONS:
            pictures.append(path)
        elif extension in VIDEO_EXTENSIONS:
            videos.append(path)
        else:
            ignored[extension or "without extension"] += 1
    return pictures, videos, ignored


def find_by_stem(root: Path, expected: str) -> dict[str, Path]:
    """Finds the pictures below a folder by their names without extension.

    Args:
        root: the folder.
        expected: what should be in it, for the message.

    Raises:
        SourceError: there is none, or two have one name.
    """
    paths = {}
    for path in find(root)[0]:
        other = paths.setdefault(path.stem, path)
        if other is not path:
            raise SourceError(
                f"{root}: found the picture {path.stem} twice, {other} and {path}; "
                f"remove one."
            )
    if not paths:
        raise SourceError(f"{root}: found no picture; expected {expected}.")
    return paths


def published_note(root: Path, found: str, published: str) -> str:
    """Says that a data set is not of the published size."""
    return f"{root} holds {found}, where the published data set has {published}"


def first_of(names: Iterable[str], most: int = 5) -> str:
    """The first few names, sorted, and how many more there are."""
    names = sorted(names)
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
