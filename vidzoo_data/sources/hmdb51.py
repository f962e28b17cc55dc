"""HMDB51 with its official split files: `<class>_test_split<n>.txt`.

Source: Kuehne et al., "HMDB: A Large Video Database for Human Motion Recognition",
ICCV 2011. 51 classes, three splits of 70 training and 30 test videos per class.
"""

import os
import re
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import check_folder
from vidzoo_data.sources.official import build_source, read_lines
from vidzoo_data.sources.source import Source

_CODES = {"0": None, "1": "train", "2": "test"}


def read(
    path: str | os.PathLike,
    *,
    splits_dir: str | os.PathLike,
    allow_missing: bool = False,
) -> Source:
    """Reads HMDB51: splits `train1`, `test1`, `train2` …, classes in sorted order.

    Videos that no split uses are left out.

    Args:
        path: folder of the videos, `<class>/<name>.avi`.
        splits_dir: folder of the split files.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: videos or split files are missing, or a split file is damaged.
    """
    root, splits_dir = Path(path), Path(splits_dir)
    check_folder(splits_dir, "<class>_test_split1.txt …")
    classes, splits = read_splits(splits_dir)
    return build_source(
        "hmdb51",
        root,
        classes=classes,
        splits=splits,
        paths={i: root / i for ids in splits.values() for i in ids},
        remedy="Unpack hmdb51_org.rar and the archives in it there",
        allow_missing=allow_missing,
    )


def read_splits(
    splits_dir: Path,
) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]]]:
    """Reads the split files: the classes, and split name to video ids.

    Raises:
        SourceError: there is no split file, a class lacks one, or a line is damaged.
    """
    files = {}
    for file in sorted(Path(splits_dir).glob("*_test_split*.txt")):
        match = re.fullmatch(r"(.+)_test_split(\d+)\.txt", file.name)
        if match:
            files[match[1], int(match[2])] = file
    if not files:
        raise SourceError(
            f"{splits_dir}: found no <class>_test_split1.txt; expected the official "
            f"splits (test_train_splits.rar). Unpack them there."
        )
    classes = tuple(sorted({label for label, _ in files}))
    splits = {}
    for number in sorted({number for _, number in files}):
        ids = {"train": [], "test": []}
        for label in classes:
            if (label, number) not in files:
                raise SourceError(
                    f"{splits_dir}: found no {label}_test_split{number}.txt, though "
                    f"other classes have that split. Unpack the official splits there."
                )
            for name, subset in _read_list(files[label, number]):
                if subset:
                    ids[subset].append(f"{label}/{name}")
        splits |= {f"{subset}{number}": tuple(i) for subset, i in ids.items()}
    return classes, splits


def _read_list(file):
    """Lines are `<video> <code>`; the code is 0 unused, 1 train, 2 test."""
    for line, text in read_lines(file):
        name, _, code = text.rpartition(" ")
        if not name or code not in _CODES:
            raise SourceError(
                f"{file}, line {line}: found {text}; expected <video> and 0, 1 or 2. "
                f"Take the official file."
            )
        yield name.strip(), _CODES[code]
