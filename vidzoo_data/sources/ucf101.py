"""UCF101 with its official split files: classInd.txt, trainlist0N, testlist0N.

Source: Soomro et al., "UCF101: A Dataset of 101 Human Actions Classes From Videos in
The Wild", 2012. 13,320 videos, 101 classes, three splits.
"""

import os
from pathlib import Path

from vidzoo.errors import SourceError
from vidzoo_data.sources.files import check_folder
from vidzoo_data.sources.official import build_source, read_class_numbers, read_lines
from vidzoo_data.sources.source import Source


def read(
    path: str | os.PathLike,
    *,
    splits_dir: str | os.PathLike,
    allow_missing: bool = False,
) -> Source:
    """Reads UCF101: splits `train1`, `test1`, `train2` …, classes in official order.

    Args:
        path: folder of the videos, `<class>/v_*.avi` or all in one. In either case a
            video's id is its name in the split files, `<class>/v_*.avi`.
        splits_dir: folder of the split files.
        allow_missing: list missing videos in `Source.missing` instead of raising.

    Raises:
        SourceError: videos or split files are missing, or a split file is damaged.
    """
    root, splits_dir = Path(path), Path(splits_dir)
    check_folder(splits_dir, "classInd.txt, trainlist01.txt, testlist01.txt …")
    classes = read_classes(splits_dir)
    splits = read_splits(splits_dir, classes)
    is_flat = any(root.glob("v_*.avi"))
    paths = {
        video_id: root / (Path(video_id).name if is_flat else video_id)
        for ids in splits.values()
        for video_id in ids
    }
    return build_source(
        "ucf101",
        root,
        classes=classes,
        splits=splits,
        paths=paths,
        remedy="Unpack UCF101.rar there",
        allow_missing=allow_missing,
    )


def read_classes(splits_dir: Path) -> tuple[str, ...]:
    """Reads classInd.txt: `<number> <class>`, numbers from 1.

    Raises:
        SourceError: as `official.read_class_numbers`.
    """
    return read_class_numbers(Path(splits_dir, "classInd.txt"))


def read_splits(
    splits_dir: Path, classes: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Reads the train and test lists: split name to video ids, as listed.

    Raises:
        SourceError: there is no list, one of a pair is missing, or a line is damaged.
    """
    files = sorted(Path(splits_dir).glob("trainlist0?.txt"))
    if not files:
        raise SourceError(
            f"{splits_dir}: found no trainlist01.txt; expected the official splits "
            f"(UCF101TrainTestSplits-RecognitionTask.zip). Unpack them there."
        )
    splits = {}
    for file in files:
        number = file.stem.removeprefix("trainlist0")
        splits[f"train{number}"] = _read_list(file, classes)
        splits[f"test{number}"] = _read_list(
            file.with_name(f"testlist0{number}.txt"), classes
        )
    return splits


def _read_list(file, classes):
    """Lines are `<class>/<video>`, in training lists with the class's number."""
    ids = []
    for line, text in read_lines(file):
        video_id, _, number = text.partition(" ")
        label = video_id.split("/")[0]
        if (
            video_id.count("/") != 1
            or label not in classes
            or number not in ("", str(classes.index(label) + 1))
        ):
            raise SourceError(
                f"{file}, line {line}: found {text}; expected <class>/<video>, for "
                f"training with the class's number in classInd.txt. Take the official "
                f"file."
            )
        ids.append(video_id)
    return tuple(ids)
