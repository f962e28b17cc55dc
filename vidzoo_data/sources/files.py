"""Video files in folders, and a count of the files that are none."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vidzoo.errors import SourceError

VIDEO_EXTENSIONS = (
    ".3gp",
    ".avi",
    ".flv",
    ".m2ts",
    ".m4v",
    ".mkv",
    ".mov",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".mts",
    ".ogv",
    ".webm",
    ".wmv",
)
"""Files with these extensions, in upper or lower case, are taken for videos."""


@dataclass
class Listing:
    """The files below a folder: paths of videos, and extensions of the others."""

    videos: list[Path] = field(default_factory=list)
    ignored: Counter = field(default_factory=Counter)

    def add(self, path: Path) -> None:
        """Sorts one file in."""
        extension = path.suffix.lower()
        if extension in VIDEO_EXTENSIONS:
            self.videos.append(path)
        else:
            self.ignored[extension or "without extension"] += 1


def list_files(folder: Path) -> Listing:
    """Lists what is below `folder`, links followed, hidden files and folders skipped.

    Raises:
        SourceError: a folder cannot be read.
    """
    listing = Listing()
    for path in walk(folder):
        listing.add(path)
    return listing


def walk(folder: Path) -> Iterator[Path]:
    """Every file below `folder`, links followed, hidden files and folders skipped.

    Raises:
        SourceError: a folder cannot be read.
    """
    found = os.walk(folder, followlinks=True, onerror=_raise_unreadable)
    for parent, folders, names in found:
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and not _leads_back(parent, name)
        ]
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(parent, name)


def ignored_note(ignored: Counter, root: Path) -> str:
    """Says how many files of which kinds were not taken for videos."""
    kinds = ", ".join(f"{ignored[kind]} {kind}" for kind in sorted(ignored))
    return f"{count(ignored.total(), 'file')} under {root} ignored, not videos: {kinds}"


def count(number: int, noun: str) -> str:
    """`3 videos`, `1 video`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def check_folder(path: Path, expected: str) -> None:
    """Checks that `path` is a folder.

    Raises:
        SourceError: it is missing or a file; `expected` says what should be there.
    """
    if not path.exists():
        raise SourceError(f"{path}: there is no such folder; expected {expected}.")
    if not path.is_dir():
        raise SourceError(f"{path}: is a file, not a folder; expected {expected}.")


def _leads_back(parent, name):
    """Whether a link would make the walk go round in circles."""
    target = os.path.realpath(os.path.join(parent, name))
    above = os.path.realpath(parent)
    return os.path.commonpath([target, above]) == target


def _raise_unreadable(error):
    raise SourceError(
        f"{error.filename}: cannot be read: {error.strerror}; give yourself the "
        f"permission, or leave it out."
    ) from None
