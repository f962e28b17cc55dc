"""Arrays of weights from files of every format, told apart by their content.

One module per format. Each has `read(path)`, which gives the arrays by name, in the
file's order, and raises `UnreadableError`. Nothing from a file is run, nothing beside
it is opened, and what it declares is compared with its size before it is allocated.
"""

import zipfile
from pathlib import Path

import numpy as np

from vidzoo.arrays import UnreadableError
from vidzoo.errors import WeightsError
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


def read(path) -> dict[str, np.ndarray]:
    """Reads the arrays of a weights file, in their own precision (bfloat16: float32).

    Args:
        path: a `.npz`, `.h5`, `.weights.h5`, `.keras`, `.pth`, `.pt`, `.safetensors` or
            `.caffemodel` file under any name, or a TensorFlow checkpoint's prefix or
            `.index` file.

    Returns:
        Arrays by the names that the file gives them, in its order.

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
    try:
        if path.is_file():
            arrays = _reader(path).read(path)
        else:
            arrays = tensorflow_checkpoint.read(index)
    # A damaged file makes the libraries raise nearly anything.
    except Exception as error:
        known = f"{path.suffix} " if path.suffix in SUFFIXES else "weights "
        reason = str(error) if isinstance(error, UnreadableError) else repr(error)
        raise WeightsError(
            f"{path}: not a readable {known}file ({reason}). Give a file of named "
            "arrays, as numpy.savez, Keras, PyTorch, safetensors, Caffe or TensorFlow "
            "writes it."
        ) from error
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
    broken = [name for name, array in arrays.items() if not _is_finite(array)]
    if broken:
        first = arrays[broken[0]]
        count = sum(np.count_nonzero(~np.isfinite(row)) for row in np.atleast_1d(first))
        raise WeightsError(
            f"{path}: {len(broken)} arrays hold NaN or infinity; first: {broken[0]} "
            f"({count} of its {first.size} values). Give weights that are finite."
        )


def _is_finite(array):
    """As `isfinite(array).all()`, without an array of truths: extremes keep NaN."""
    if array.dtype.kind != "f" or not array.size:
        return True
    with np.errstate(invalid="ignore"):
        return bool(np.isfinite(array.min()) and np.isfinite(array.max()))
