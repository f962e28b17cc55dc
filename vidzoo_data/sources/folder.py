"""A folder of class folders: `ROOT/<class>/*`, or `ROOT/{train,test,val}/<class>/*`.

Videos may lie deeper below their class folder.
"""

import hashlib
import os
from pathlib import Path

from vidzoo.errors import SourceError, UsageError
from vidzoo_data.sources.files import check_folder, count, ignored_note, list_files
from vidzoo_data.sources.source import Source, Video, check_names

SPLITS = ("train", "test", "val")
_EXPECTED = "one folder of videos per class, or train, test and val folders of those"


def read(
    path: str | os.PathLike,
    *,
    test_fraction: float | None = None,
    seed: int | None = None,
) -> Source:
    """Reads a folder of class folders.

    A train folder beside test or val is read as those splits. Otherwise a split is
    drawn per class: the videos in the order of the SHA-256 of seed and video id, the
    first `test_fraction` of them to test, at least one and not all; a class of one
    video is only trained on.

    Args:
        path: the folder.
        test_fraction: where a split is drawn, share of a class's videos for testing,
            above 0 and below 1; 0.2 if None.
        seed: another one draws another split; 0 if None.

    Raises:
        UsageError: `test_fraction` is out of its range, or it or `seed` is given
            though no split is drawn.
        SourceError: the folder is missing, holds no video or one class only, or is
            laid out otherwise.
    """
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise UsageError(
            f"`--test_fraction` must be above 0 and below 1. Received: {test_fraction}."
        )
    root = Path(path)
    check_folder(root, _EXPECTED)
    listing = list_files(root)
    names = _subfolders(root)
    has_splits = _has_split_folders(root, names)
    if has_splits:
        _refuse_draw(root, test_fraction=test_fraction, seed=seed)
    folders = [name for name in SPLITS if name in names] if has_splits else [""]
    class_folders = {
        f"{f}/{c}".lstrip("/") for f in folders for c in _subfolders(root / f)
    }
    videos, num_stray = [], 0
    for file in listing.videos:
        video_id = file.relative_to(root).as_posix()
        parts = video_id.split("/")
        if len(parts) < 2 + has_splits:
            num_stray += 1
        else:
            videos.append(Video(video_id, file, (parts[has_splits],)))
            class_folders.discard("/".join(parts[: 1 + has_splits]))
    classes = tuple(sorted({video.labels[0] for video in videos}))
    by_split = {name: [] for name in folders} if has_splits else {}
    for video in videos if has_splits else ():
        by_split[video.video_id.split("/")[0]].append(video.video_id)
    _check(root, videos, classes, by_split, num_stray)

    notes = [
        f"{root / name} holds no video and is left out"
        for name in sorted(class_folders)
    ]
    if num_stray:
        notes.append(f"{count(num_stray, 'video')} under {root} outside class folders")
    if listing.ignored:
        notes.append(ignored_note(listing.ignored, root))
    if not has_splits:
        seed = seed or 0
        by_split = _draw(videos, classes, test_fraction or 0.2, seed)
        notes.append(
            f"no train and test folders, so a split was drawn with seed {seed}: "
            f"{len(by_split['train'])} train, {len(by_split['test'])} test"
        )
    return Source(
        name="folder",
        classes=classes,
        videos=tuple(sorted(videos, key=lambda video: video.video_id)),
        splits={name: tuple(sorted(ids)) for name, ids in by_split.items()},
        notes=tuple(notes),
    )


def _subfolders(folder):
    return sorted(
        entry.name
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith(".")
    )


def _has_split_folders(root, names):
    """Whether the folders in `root` are splits; classes may not stand beside them."""
    splits = [name for name in SPLITS if name in names]
    if len(splits) < 2 or "train" not in splits:
        for name in splits:
            below = [
                c
                for c in _subfolders(root / name)
                if list_files(root / name / c).videos
            ]
            if below:
                raise SourceError(
                    f"{root}: the folder {name} holds class folders, such as "
                    f"{below[0]}, but there is no split beside it; expected train "
                    f"with test or val, each with class folders. Add what is missing; "
                    f"prepare {root / name} itself; or, if {name} is a class, put its "
                    f"videos right into its folder."
                )
        return False
    for name in sorted(set(names) - set(SPLITS)):
        if list_files(root / name).videos:
            raise SourceError(
                f"{root}: the folder {name} holds videos and stands beside "
                f"{' and '.join(splits)}; expected {_EXPECTED}. Rename it to "
                f"one of {', '.join(SPLITS)}, or move it away."
            )
    return True


def _refuse_draw(root, **options):
    for name, value in options.items():
        if value is not None:
            raise UsageError(
                f"{root}: is split by its folders already, so none is drawn; leave "
                f"`--{name}` out."
            )


def _check(root, videos, classes, by_split, num_stray):
    if not videos:
        found = (
            f"{count(num_stray, 'video')} in no class folder"
            if num_stray
            else "no video"
        )
        raise SourceError(
            f"{root}: found {found}; expected {_EXPECTED}. Put the videos of each "
            f"class into {root / '<class>'}."
        )
    if len(classes) == 1:
        raise SourceError(
            f"{root}: found one class only, {classes[0]} "
            f"({count(len(videos), 'video')}); a classifier needs two or more. "
            f"Expected {_EXPECTED}."
        )
    check_names([video.video_id for video in videos], root)
    empty = [name for name, ids in by_split.items() if name != "val" and not ids]
    if empty:
        raise SourceError(
            f"{root / empty[0]}: found no video; expected one folder of videos per "
            f"class. Fill it, or remove it."
        )
    trained = {i.split("/")[1] for i in by_split.get("train", ())}
    unknown = [name for name in classes if by_split and name not in trained]
    if unknown:
        raise SourceError(
            f"{root}: unknown label: the class {unknown[0]} has videos, but none in "
            f"{root / 'train'}, which has {', '.join(sorted(trained))}. Rename its "
            f"folder, or add training videos."
        )


def _draw(videos, classes, test_fraction, seed):
    by_split = {"train": [], "test": []}
    for name in classes:
        ids = [video.video_id for video in videos if video.labels == (name,)]
        ids.sort(key=lambda i: hashlib.sha256(f"{seed} {i}".encode()).digest())
        num_test = round(len(ids) * test_fraction)
        num_test = min(max(num_test, 1), len(ids) - 1)
        by_split["test"] += ids[:num_test]
        by_split["train"] += ids[num_test:]
    return by_split
