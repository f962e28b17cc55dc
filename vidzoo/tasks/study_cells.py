"""What a retrieval study has measured: a file for each number, written when it is."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vidzoo import atomic, locking
from vidzoo.errors import UsageError, VidzooError

FOLDER = "cells"


def check_folder(out: Path) -> None:
    """Checks that a folder is a study's, empty, or not there.

    Raises:
        UsageError: it is something else.
    """
    known = out.is_dir() and (out / FOLDER).is_dir()
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    if not known and names not in ([], [locking.LOCK]):
        raise UsageError(
            f"{out}: is neither empty nor a study's folder. Choose another (OUT)."
        )


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Attributes:
        network: its name.
        layer: whose maps.
        scales: whose encodings stand one after the other.
        num_words: of the vocabulary; None for global average pooling.
        seed: of the vocabulary; None likewise.
        dimension: of PCA; None without.
    """

    network: str
    layer: str
    scales: tuple[int, ...]
    num_words: int | None = None
    seed: int | None = None
    dimension: int | None = None

    @property
    def name(self) -> str:
        """Of its file, without the suffix."""
        words = (
            "pooling"
            if self.num_words is None
            else f"words{self.num_words}.seed{self.seed}"
        )
        scales = "+".join(map(str, self.scales))
        end = "" if self.dimension is None else f".pca{self.dimension}"
        return f"{self.network}.{self.layer}.scale{scales}.{words}{end}"


class Cells:
    """The measurements in a folder; more may be added, by runs that measure alike.

    Args:
        out: the folder of the study.
        made_with: network -> what its measurements depend on beside the cell itself,
            JSON-ready.

    Raises:
        UsageError: the folder holds measurements made otherwise.
        VidzooError: a file in it is damaged.
    """

    def __init__(self, out: Path, made_with: dict[str, dict]):
        self._folder = out / FOLDER
        self._made_with = made_with
        self._found = {}
        self._folder.mkdir(exist_ok=True)
        for file in sorted(self._folder.glob("*.json")):
            cell, content = self._read(file)
            self._check(out, content["made_with"], cell.network)
            self._found[cell] = content

    def _read(self, file):
        try:
            content = json.loads(file.read_text())
            fields = content["cell"]
            cell = Cell(**fields | {"scales": tuple(fields["scales"])})
        except (ValueError, KeyError, TypeError) as error:
            raise VidzooError(
                f"{file}: is damaged ({error}). Remove it; the study measures it again."
            ) from None
        return cell, content

    def _check(self, out, there, network):
        here = self._made_with.get(network)
        if here is None:  # not measured by this run: compare what is not the network's
            here = next(iter(self._made_with.values())) | {"weights": there["weights"]}
        for name, value in here.items():
            if there.get(name) != value:
                raise UsageError(
                    f"{out}: holds a study of {network} whose {name} is "
                    f"{there.get(name)}; now it is {value}. Choose another folder "
                    "(OUT)."
                )

    def __contains__(self, cell: Cell) -> bool:
        return cell in self._found

    def __getitem__(self, cell: Cell) -> dict:
        return self._found[cell]

    def __iter__(self):
        return iter(self._found)

    def add(self, cell: Cell, measured: dict) -> None:
        """Writes a measurement, whole or not at all."""
        made_with = self._made_with[cell.network]
        content = {"cell": asdict(cell), "made_with": made_with, **measured}
        file = self._folder / f"{cell.name}.json"
        atomic.write_text(file, json.dumps(content, indent=1, allow_nan=False) + "\n")
        self._found[cell] = content
