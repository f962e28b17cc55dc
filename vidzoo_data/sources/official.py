"""What data sets with official split files have in common."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import check_folder, count, list_files
from vidzoo_data.sources.source import Source, Video


def read_lines(file: Path) -> list[tuple[int, str]]:
    """Reads the lines that are not blank, with their numbers, stripped.

    Raises:
        SourceError: the file is missing or is no text.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        found = "is no text" if file.is_file() else "there is no such file"
        raise SourceError(
            f"{file}: {found}; expected a file of the official splits."
        ) from None
    return [(n, line.strip()) for n, line in enumerate(lines, 1) if line.strip()]


def read_class_numbers(file: Path) -> tuple[str, ...]:
    """Reads lines `<number> <class>`, numbers from 1.

    Raises:
        SourceError: the file is missing, its numbers are not 1, 2, 3 …, or it names a
            class twice.
    """
    classes = []
    for line, text in read_lines(file):
        number, _, name = text.partition(" ")
        if number != str(len(classes) + 1) or not name:
            raise SourceError(
                f"{file}, line {line}: found {text}; expected "
                f"{len(classes) + 1} <class>. Take the official file."
            )
        if name in classes:
            raise SourceError(
                f"{file}, line {line}: names the class {name} a second time. Take the "
                f"official file."
            )
        classes.append(name)
    return tuple(classes)


def check_listed_once(listed: Iterable[tuple[str, str, str]]) -> None:
    """Checks that no video is in a list twice, nor in two splits.

    Args:
        listed: `(video_id, split, where)`, the last of them a file and line.

    Raises:
        SourceError: a video is listed twice, or its path leads out of its folder.
    """
    first = {}
    for video_id, split, where in listed:
        if video_id.startswith("/") or ".." in video_id.split("/"):
            raise SourceError(
                f"{where}: {video_id} leads out of the folder of videos; expected a "
                f"path below it. Take the official file."
            )
        if video_id in first:
            before, at = first[video_id]
            how = "twice" if split == before else f"in {before} and in {split}"
            raise SourceError(
                f"{where}: {video_id} is listed {how}; first at {at}. Take the "
                f"official file."
            )
        first[video_id] = split, where


def compare_counts(
    name: str, found: Mapping[str, int], official: Mapping[str, int]
) -> list[str]:
    """A note for each count that is not that of the published data set."""
    return [
        f"warning: the lists have {found[what]} {what}, {name} as published {number}"
        for what, number in official.items()
        if found[what] != number
    ]


def build_source(
    name: str,
    root: Path,
    *,
    classes: Sequence[str],
    splits: Mapping[str, Sequence[str]],
    paths: Mapping[str, Path],
    remedy: str,
    allow_missing: bool,
    labels: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
    size: int | tuple[int, int] | None = None,
    fps: float | None = None,
    seconds: float | None = None,
) -> Source:
    """Joins the listed videos with the files that are there.

    Args:
        name: layout.
        root: folder of the videos.
        classes: all official classes, in their order.
        splits: name to video ids.
        paths: video id to the place where its file should be.
        remedy: what to do about missing videos, a sentence without its full stop.
        allow_missing: list missing videos in `Source.missing` instead of raising.
        labels: video id to class names; by default ids are `<class>/<file>`.
        notes: to show before what is noted here.
        size: see `Source`.
        fps: see `Source`.
        seconds: see `Source`.

    Raises:
        SourceError: videos are missing, all of them or without `allow_missing`.
    """
    check_folder(root, f"the videos of {name}")
    listed = sorted({video_id for ids in splits.values() for video_id in ids})
    missing = [video_id for video_id in listed if not paths[video_id].is_file()]
    if missing and (not allow_missing or len(missing) == len(listed)):
        otherwise = (
            ""
            if len(missing) == len(listed)
            else ", or go on without them (`--allow_missing`)"
        )
        raise SourceError(
            f"{name}: {len(missing)} of {len(listed)} videos are missing under {root}; "
            f"first: {missing[0]}. {remedy}{otherwise}."
        )
    present = sorted(set(listed).difference(missing))
    notes = list(notes)
    unlisted = set(list_files(root).videos).difference(paths.values())
    if unlisted:
        notes.append(
            f"{count(len(unlisted), 'video')} under {root} in no official split, so "
            f"left out; first: {min(unlisted).relative_to(root).as_posix()}"
        )
    if missing:
        notes.append(f"{len(missing)} of {len(listed)} listed videos are missing")
    return Source(
        name=name,
        classes=tuple(classes),
        videos=tuple(
            Video(i, paths[i], tuple(labels[i]) if labels else (i.split("/")[0],))
            for i in present
        ),
        splits={
            split: tuple(sorted(set(ids).intersection(present)))
            for split, ids in splits.items()
        },
        missing=tuple((i, "listed, but there is no such file") for i in missing),
        notes=tuple(notes),
        size=size,
        fps=fps,
        seconds=seconds,
    )
