"""ACT, task 1: classInd.txt, trainlist.txt, testlist.txt.

Source: Wang, Farhadi, Gupta, "Actions ~ Transformations", CVPR 2016. 11,234 videos of
43 classes; task 1, classification, has 7,260 videos for training and 3,974 for testing
(dissertation, section 5.4.1).

The authors' page (xiaolonw.github.io/actioncvpr.html) offers the videos (.avi), their
frames, and an archive called Labels. How the files in that archive look we could not
establish: neither the page nor public code that we found says so. Hence this reader
asks for lists in a form of its own, near to UCF101's, and refuses anything else:

- `classInd.txt`: lines `<number> <class>`, the numbers 1, 2, 3 …
- `trainlist.txt`, `testlist.txt`: lines `<video> <number>`, the video's path below the
  folder of videos, and the number of its class.
"""

import os
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import check_folder
from vidzoo_data.sources.official import (
    build_source,
    check_listed_once,
    compare_counts,
    read_class_numbers,
    read_lines,
)
from vidzoo_data.sources.source import Source

_COUNTS = {"classes": 43, "train videos": 7260, "test videos": 3974}


def read(
    path: str | os.PathLike,
    *,
    splits_dir: str | os.PathLike,
    allow_missing: bool = False,
) -> Source:
    """Reads ACT: splits `train` and `test`, classes in the order of `classInd.txt`.

    Args:
        path: folder of the videos.
        splits_dir: folder of the three lists.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: videos or lists are missing, a line is damaged, or a video is
            listed twice.
    """
    root, splits_dir = Path(path), Path(splits_dir)
    check_folder(splits_dir, "classInd.txt, trainlist.txt and testlist.txt")
    classes = read_class_numbers(splits_dir / "classInd.txt")
    listed = []  # (video_id, split, class, where)
    for split in ("train", "test"):
        file = splits_dir / f"{split}list.txt"
        listed += [(i, split, c, at) for i, c, at in _read_list(file, classes)]
    check_listed_once((video_id, split, at) for video_id, split, _, at in listed)
    splits = {
        split: tuple(i for i, name, _, _ in listed if name == split)
        for split in ("train", "test")
    }
    found = {
        "classes": len(classes),
        **{f"{split} videos": len(ids) for split, ids in splits.items()},
    }
    return build_source(
        "act",
        root,
        classes=classes,
        splits=splits,
        paths={video_id: root / video_id for video_id, *_ in listed},
        labels={video_id: (label,) for video_id, _, label, _ in listed},
        remedy="Unpack ACT's videos there",
        allow_missing=allow_missing,
        notes=compare_counts("act", found, _COUNTS),
    )


def _read_list(file, classes):
    """Yields `(video_id, class, where)` of each line `<video> <number>`."""
    for line, text in read_lines(file):
        where = f"{file}, line {line}"
        video_id, _, number = text.rpartition(" ")
        video_id = video_id.strip()
        if not video_id or not number.isdecimal():
            raise SourceError(
                f"{where}: found {text}; expected <video> <number of its class>. "
                f"docs/data.md has the form of ACT's lists."
            )
        if not 1 <= int(number) <= len(classes):
            raise SourceError(
                f"{where}: unknown class {number}; classInd.txt has the numbers 1 to "
                f"{len(classes)}. Correct the one or the other."
            )
        yield video_id, classes[int(number) - 1], where
