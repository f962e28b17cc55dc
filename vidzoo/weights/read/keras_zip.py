"""Keras's `.keras`: only the weights in it, under the names of a `.weights.h5`.

The model's description, `config.json`, is searched for code, never built.
"""

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from vidzoo.arrays import UnreadableError, open_zip
from vidzoo.weights.lazy import Listing
from vidzoo.weights.read import hdf5

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
_CODE = ("Lambda", "__lambda__")
_SETTINGS = ("channel_order", "scale", "mean", "std")
_CONFIG_LIMIT = 8 * 2**20


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a file and lists the arrays of the weights; see `hdf5` for their names.

    Raises:
        UnreadableError: the file is damaged, or its description holds code.
    """
    with path.open("rb") as file, open_zip(file) as archive:
        missing = {CONFIG, WEIGHTS} - set(archive.namelist())
        if missing:
            raise UnreadableError(f"it has no {' and no '.join(sorted(missing))}")
        _refuse_code(archive)
        # HDF5 reads here and there: unpacked on disk, not in memory.
        with tempfile.TemporaryFile() as weights:
            with archive.open(WEIGHTS) as member:
                shutil.copyfileobj(member, weights)
            with hdf5.opened_stream(weights) as listing:
                yield listing


def preprocess_settings(path: Path) -> dict | None:
    """The arguments of a `.keras` model's `Preprocess`; None of any other file.

    Raises:
        UnreadableError: the file is damaged, or its description holds code.
    """
    if not zipfile.is_zipfile(path):
        return None
    with path.open("rb") as file, open_zip(file) as archive:
        if CONFIG not in archive.namelist():
            return None
        _refuse_code(archive)
        parts = _parts(json.loads(archive.read(CONFIG)))
    for part in parts:
        if part.get("registered_name") == "vidzoo>Preprocess":
            return {name: part["config"][name] for name in _SETTINGS}
    return None


def _refuse_code(archive: zipfile.ZipFile):
    if archive.getinfo(CONFIG).file_size > _CONFIG_LIMIT:
        raise UnreadableError(f"its {CONFIG} is no description of a model: too long")
    for part in _parts(json.loads(archive.read(CONFIG))):
        name = part.get("class_name")
        if name in _CODE:
            layer = part.get("name") or _layer_name(part)
            raise UnreadableError(
                f"refused: its {CONFIG} declares the {name} {layer!r}, which is "
                "code; nothing of it was run. Save the weights alone: .weights.h5"
            )


def _parts(description):
    """Every dictionary in a description, at any depth."""
    parts = [description]
    while parts:
        part = parts.pop()
        if isinstance(part, dict):
            yield part
            parts.extend(part.values())
        elif isinstance(part, list):
            parts.extend(part)


def _layer_name(part):
    config = part.get("config")
    return config.get("name", "") if isinstance(config, dict) else ""
