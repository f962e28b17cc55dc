"""Sports-1M with its official partition, videos named by their YouTube ids.

Source: Karpathy et al., "Large-scale Video Classification with Convolutional Neural
Networks", CVPR 2014. 1,133,158 YouTube videos of 487 sports, about 5 % of them of
several; about 7 % were gone when the dissertation used it (section 3.4.1).

The lists are public, `gtoderici/sports-1m-dataset`; its README has their form, and
OpenCV reads them so (`opencv/opencv_contrib: modules/datasets/src/ar_sports.cpp`):

- `original/train_partition.txt` and `original/test_partition.txt`: lines
  `<URL> <numbers of classes, between commas>`, such as
  `https://www.youtube.com/watch?v=UDqivjS-lpI 168,169`;
- `labels.txt`: a class a line, the first of which has the number 0.

They are published compressed. Of the test list a reader counted 218,667 lines
(`gtoderici/sports-1m-dataset` issue 5), which we could not check; nor could we whether
a video is listed twice. The README says that in the partitions for cross-validation one
may be, in training for a class and in test for another.
"""

import os
import re
from collections import defaultdict
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.csv_file import read_classes
from vidzoo_data.sources.files import check_folder, count, list_files
from vidzoo_data.sources.official import build_source, compare_counts, read_lines
from vidzoo_data.sources.source import Source

SIZE = (256, 256)
"""Height and width in pixels that the dissertation resizes frames to (3.4.1)."""
FPS = 1
"""Frames per second that it samples."""
SECONDS = 300
"""The length of each video's beginning that it uses."""

_COUNTS = {"classes": 487, "videos": 1_133_158}
_LISTS = {"train": "train_partition.txt", "test": "test_partition.txt"}
_LABELS = "labels.txt"
_URL = re.compile(
    r"https?://(?:[a-z]+\.)?(?:youtube\.com/watch\?(?:\S*&)?v=|youtu\.be/)([\w-]+)",
    re.ASCII,
)


def read(
    path: str | os.PathLike,
    *,
    splits_dir: str | os.PathLike,
    allow_missing: bool = False,
) -> Source:
    """Reads Sports-1M: splits `train` and `test`, classes in official order.

    A video's id is its YouTube id. One that is listed several times has all the classes
    that the lists give it, and is in both splits if both list it; notes count these.
    The source suggests what section 3.4.1 uses: a frame a second of the first five
    minutes, at 256x256.

    Args:
        path: folder of the videos, each named by its YouTube id, with any ending of a
            video, in whatever folders below.
        splits_dir: folder of `labels.txt` and of the two partitions, which may also lie
            in a folder `original` there.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: videos or official files are missing, a line is damaged, or two
            files have one id.
    """
    root, splits_dir = Path(path), Path(splits_dir)
    check_folder(splits_dir, f"{_LABELS} and {' and '.join(_LISTS.values())}")
    check_folder(root, "the videos of sports1m")
    classes = read_classes(_find(splits_dir, _LABELS))
    labels, splits, num_repeated = defaultdict(set), {}, 0
    for split, name in _LISTS.items():
        listed = _read_list(_find(splits_dir, name), classes)
        for video_id, numbers in listed:
            labels[video_id].update(numbers)
        splits[split] = tuple(sorted({video_id for video_id, _ in listed}))
        num_repeated += len(listed) - len(splits[split])
    notes = compare_counts(
        "sports1m", {"classes": len(classes), "videos": len(labels)}, _COUNTS
    )
    if num_repeated:
        notes.append(
            f"{count(num_repeated, 'line')} of a video that its list had already; its "
            "classes are those of all its lines"
        )
    in_both = sorted(set(splits["train"]).intersection(splits["test"]))
    if in_both:
        notes.append(
            f"warning: {count(len(in_both), 'video')} listed for training and for "
            f"test, and kept in both; first: {in_both[0]}"
        )
    files = _by_id(root)
    return build_source(
        "sports1m",
        root,
        classes=classes,
        splits=splits,
        paths={video_id: files.get(video_id, root / video_id) for video_id in labels},
        labels={
            video_id: tuple(classes[number] for number in sorted(numbers))
            for video_id, numbers in labels.items()
        },
        remedy="Put each there as <YouTube id>.mp4, or with another ending of a video; "
        "many are gone from YouTube",
        allow_missing=allow_missing,
        notes=notes,
        size=SIZE,
        fps=FPS,
        seconds=SECONDS,
    )


def _find(folder, name):
    """An official file, in its folder or in `original` there."""
    places = [folder / name, folder / "original" / name]
    for place in places:
        packed = place.with_name(f"{name}.gz")
        if packed.is_file() and not place.is_file():
            raise SourceError(
                f"{packed}: is compressed; unpack it there (gzip -d {packed.name})."
            )
    return next((place for place in places if place.is_file()), places[0])


def _read_list(file, classes):
    """`(video_id, class numbers)` of each line."""
    listed = []
    for line, text in read_lines(file):
        url, _, numbers = text.partition(" ")
        match = _URL.match(url)
        numbers = numbers.strip().split(",")
        if not match or not all(n.isascii() and n.isdecimal() for n in numbers):
            raise SourceError(
                f"{file}, line {line}: found {text}; expected <URL of YouTube> <class "
                f"number>,<class number> … Take the official file."
            )
        numbers = tuple(map(int, numbers))
        if max(numbers) >= len(classes):
            raise SourceError(
                f"{file}, line {line}: has the class {max(numbers)}; {_LABELS} names "
                f"0 to {len(classes) - 1}. Take both from one release."
            )
        listed.append((match[1], numbers))
    return listed


def _by_id(root):
    """YouTube id to file."""
    files = {}
    for file in list_files(root).videos:
        if file.stem in files:
            raise SourceError(
                f"{file}: is there a second time as {files[file.stem]}; keep one."
            )
        files[file.stem] = file
    return files
