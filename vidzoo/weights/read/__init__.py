"""Arrays of weights from files of every format, told apart by their content.

One module per format. Each has `opened(path)`, a context that lists the arrays by name,
in the file's order, and raises `UnreadableError`; their numbers are read later, one
array at a time (`vidzoo.weights.lazy`). Nothing from a file is run, nothing beside it
is opened, and what it declares is compared with its size before it is allocated.
"""

import zipfile
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError
from vidzoo.errors import WeightsError
from vidzoo.weights.lazy import Listing, Source, unreadable
from vidzoo.weights.read import (
    caffemodel,
    hdf5,
    keras_zip,
    npz,
    pytorch,
    safetensors_file,
    tensorflow_checkpoint,
)

# vidzoo's own header in a `.npz`: the one text among the numbers.
HEADER = "__vidzoo__"
SUFFIXES = {
    ".npz": npz,
    ".h5": hdf5,
    ".hdf5": hdf5,
    ".keras": keras_zip,
    ".pth": pytorch,
    ".pt": pytorch,
    ".safetensors": safetensors_file,
    ".caffemodel": caffemodel,
    ".index": tensorflow_checkpoint,
}


def read(path) -> Listing:
    """Finds the arrays of a weights file, and checks that every number is finite.

    They stay in the file, in their own precision (bfloat16: float32); `np.asarray` of
    one reads it. Memory never holds more than a block of what is checked.

    Args:
        path: a `.npz`, `.h5`, `.weights.h5`, `.keras`, `.pth`, `.pt`, `.safetensors` or
            `.caffemodel` file under any name, or a TensorFlow checkpoint's prefix or
            `.index` file.

    Returns:
        Lazy arrays by the names that the file gives them, in its order. To read them
        raises a WeightsError if the file has changed since, or is gone.

    Raises:
        WeightsError: there is no such file, it is damaged or of no known format, asks
            for more than numbers, or holds NaN or infinity.
    """
    path = Path(path)
    index = Path(f"{path}.index")
    if path.is_dir():
        raise WeightsError(
            f"{path}: is a folder. Give the path of a weights file; of a run, "
            "weights.npz in its folder."
        )
    if not path.is_file() and not index.is_file():
        raise WeightsError(
            f"{path}: no such weights file. Give the path of a weights file: "
            f"{', '.join(SUFFIXES)}, or a TensorFlow checkpoint's prefix."
        )
    kind = path.suffix if path.suffix in SUFFIXES else "weights"
    try:
        reader = _reader(path) if path.is_file() else tensorflow_checkpoint
    except Exception as error:
        raise unreadable(path, kind, error) from error
    files = [path]
    if reader is tensorflow_checkpoint:
        files = tensorflow_checkpoint.files(path if path.is_file() else index)
    source = Source(path, files, reader, kind)
    with source:
        arrays = source.arrays()
        _check(path, arrays)
    return arrays


def _reader(path):
    """The module that reads this file, from its first and last bytes."""
    with path.open("rb") as file:
        head = file.read(1024)
        size = file.seek(0, 2)
        file.seek(max(0, size - len(tensorflow_checkpoint.FOOTER)))
        tail = file.read()
    if not head:
        raise UnreadableError("it is empty")
    if head.startswith(b"PK"):
        return _zip_reader(path)
    if head.startswith(np.lib.format.MAGIC_PREFIX):
        return npz
    if head.startswith(hdf5.SIGNATURE):
        return hdf5
    if tail == tensorflow_checkpoint.FOOTER:
        return tensorflow_checkpoint
    if pytorch.recognises(head):
        return pytorch
    if safetensors_file.recognises(head, size):
        return safetensors_file
    by_suffix = SUFFIXES.get(path.suffix)
    if by_suffix in (pytorch, caffemodel) or caffemodel.recognises(head):
        return by_suffix if by_suffix is pytorch else caffemodel
    raise UnreadableError(f"it begins with {head[:8]!r}, as no weights file does")


def _zip_reader(path):
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception as error:  # what a damaged directory raises is anyone's guess
        raise UnreadableError(f"a damaged zip: {error}") from error
    if any(name.endswith("data.pkl") for name in names):
        return pytorch
    if {keras_zip.CONFIG, keras_zip.WEIGHTS} & set(names):
        return keras_zip
    return npz


def _check(path, arrays):
    """Numbers only, and every one of them finite."""
    strange = [
        name
        for name, array in arrays.items()
        if array.dtype.kind not in "fiub" and name != HEADER
    ]
    if strange:
        raise WeightsError(
            f"{path}: {len(strange)} arrays do not hold numbers; first: {strange[0]}."
        )
    broken = {}
    for name, array in arrays.items():
        if name != HEADER and (count := array.count(_not_finite)):
            broken[name] = count
    if broken:
        first = next(iter(broken))
        raise WeightsError(
            f"{path}: {len(broken)} arrays hold NaN or infinity; first: {first} "
            f"({broken[first]} of its {arrays[first].size} values). Give weights that "
            "are finite."
        )


def _not_finite(numbers):
    return ~np.isfinite(numbers)
