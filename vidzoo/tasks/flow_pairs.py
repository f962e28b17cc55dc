"""Data sets of flow on disk, FlyingChairs and Sintel, as `train` sees records."""

import hashlib
from pathlib import Path

from vidzoo.errors import UsageError
from vidzoo_data import clips
from vidzoo_data.flow import datasets

LAYOUTS = ("flying_chairs", "sintel", "sintel_final")


class FlowPairs:
    """The pairs of a data set, with what `train` asks of records.

    Args:
        path: the data set's folder.
        layout: one of `LAYOUTS`; Sintel's frames come clean or final.

    Attributes:
        path: the folder.
        name: of the data set.
        classes: none.
        features: none.
        plan: what it depends on: names of pairs, as a digest.
        made_with: how it was made: as it is.

    Raises:
        UsageError: the layout is unknown.
        FlowError: the folder is no such data set, or lacks files.
    """

    classes = ()
    features = None

    def __init__(self, path, layout: str):
        self.path = Path(path)
        self._layout = layout
        found = list_pairs(path, layout)
        self.name = found.name
        self.made_with = {"layout": layout}
        names = "\n".join(pair.name for pair in found.pairs)
        self.plan = hashlib.sha256(names.encode()).hexdigest()

    def split(self, name: str) -> tuple[datasets.FlowPair, ...]:
        """Its pairs: `"all"`, or of FlyingChairs `"train"` or `"val"`.

        Raises:
            UsageError: there is no such split.
            FlowError: the file that tells them apart is missing.
        """
        return list_pairs(self.path, self._layout, name).pairs

    def training_batches(self, split: str, *, recipe, size: int, **options):
        """Batches of pairs, moved at random (section 4.4.2), and what checks them.

        Args:
            split: see `split`.
            recipe: what the moves are by: mirrored if it mirrors clips.
            size: pixels of a frame's side.
            **options: of `vidzoo_data.clips.pair_batches`.
        """
        found = list_pairs(self.path, self._layout, split)
        batches = clips.pair_batches(
            found,
            size=size,
            batch_size=recipe.batch_size,
            augmentation=clips.Similarity(flip=recipe.flip),
            **options,
        )
        return clips.checked(batches, found)


def list_pairs(path, layout: str, split: str = "all") -> datasets.FlowDataset:
    """The pairs of a data set of flow.

    Raises:
        UsageError: layout or split is unknown.
        FlowError: the folder is no such data set, or lacks files.
    """
    if layout not in LAYOUTS:
        raise UsageError(
            f"no layout '{layout}' of flow. Choose one of: {', '.join(LAYOUTS)} "
            "(--layout)."
        )
    splits = datasets.CHAIRS_SPLITS if layout == "flying_chairs" else ("all",)
    if split not in splits:
        raise UsageError(
            f"no split '{split}' of {layout}. Choose one of: {', '.join(splits)} "
            "(--split)."
        )
    if layout == "flying_chairs":
        return datasets.flying_chairs(path, split)
    return datasets.sintel(path, "final" if layout == "sintel_final" else "clean")
