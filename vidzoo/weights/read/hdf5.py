"""HDF5: Keras's legacy `.h5`, Keras 3's `.weights.h5`, and any file of datasets.

Names are, in a legacy file, `layer/variable` as Keras wrote them, less the `:0`; in a
`.weights.h5` the dataset's path with the layer's own name, `layers/conv1/vars/0` (Keras
writes layers under their class, `layers/conv2d_3`, and the name beside it); in other
files the dataset's path. An optimizer's state and random seeds are left out.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from vidzoo.arrays import UnreadableError, check_declared
from vidzoo.weights.lazy import Listing, Stored
from vidzoo.weights.read import hdf5_header
from vidzoo.weights.read.bfloat16 import from_bfloat16

SIGNATURE = b"\x89HDF\r\n\x1a\n"
# Filters that keep the size: shuffle, Fletcher's checksum. HDF5 unpacks others without
# a limit, or looks for them as plug-ins on disk; Keras writes none.
_FILTERS = {2, 3}
_LEGACY = "layer_names"
_LEFT_OUT = {"optimizer", "optimizer_weights", "seed_generator"}
_BLOCK = 2**18  # numbers read at once
_MAX_FILTERED_CHUNK = 2**26  # bytes, which HDF5 holds to give one number of them
_MAX_TEXT = 2**24
_MAX_OBJECTS = 200_000
_MAX_DEPTH = 64


class _UncheckedError(UnreadableError):
    """How long a text is cannot be told before it is read."""


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Listing]:
    """Opens a file and lists its datasets of numbers.

    Raises:
        UnreadableError: the file is damaged, or refers to anything outside it.
    """
    with path.open("rb") as file, opened_stream(file) as listing:
        yield listing


@contextlib.contextmanager
def opened_stream(file) -> Iterator[Listing]:
    """As `opened`, of an open, seekable binary file."""
    size = file.seek(0, 2)
    file.seek(0)
    with h5py.File(file, "r") as root:
        datasets = {}
        top = h5py.h5o.get_info(root.id).addr
        _walk(root, "", datasets, {top: "the top"}, 0)
        for path, dataset in datasets.items():
            _check(path, dataset, size)
        paths = _names(root, datasets, file)
        check_declared((_nbytes(datasets[path]) for path in paths), size)
        yield Listing(
            (name, _stored(path, datasets[path])) for path, name in paths.items()
        )


def _walk(group, path, datasets, seen, depth):
    """Finds every dataset through hard links alone; each object once."""
    if depth > _MAX_DEPTH or len(seen) > _MAX_OBJECTS:
        raise UnreadableError("refused: its groups are nested without end")
    for name in group:
        here = f"{path}{name}"
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise UnreadableError(
                f"refused: {here} is an external link to {link.path} in {link.filename}"
            )
        if not isinstance(link, h5py.HardLink):
            raise UnreadableError(f"refused: {here} is a link, not an array")
        info = h5py.h5o.get_info(group.id, name.encode())
        if info.type not in (h5py.h5o.TYPE_GROUP, h5py.h5o.TYPE_DATASET):
            continue  # a named type
        if info.addr in seen:
            raise UnreadableError(f"refused: {here} is {seen[info.addr]} once more")
        seen[info.addr] = here
        child = group[name]
        if isinstance(child, h5py.Group):
            _walk(child, f"{here}/", datasets, seen, depth + 1)
        else:
            datasets[here] = child


def _check(path, dataset, file_size):
    """Nothing outside the file, and room in it for what is declared."""
    properties = dataset.id.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        raise UnreadableError(f"refused: {path} is virtual, its numbers are elsewhere")
    if properties.get_external_count():
        raise UnreadableError(f"refused: {path} has its numbers in other files")
    filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
    if filters - _FILTERS:
        raise UnreadableError(
            f"refused: {path} is compressed or otherwise filtered ({max(filters)}); "
            "unpack the file first, as h5repack -f NONE does"
        )
    if dataset.shape is None:
        raise UnreadableError(f"{path} holds no array")
    declared = _nbytes(dataset)
    if dataset.chunks and declared:  # HDF5 reads a whole chunk for its first number
        chunk = math.prod(dataset.chunks) * dataset.id.get_type().get_size()
        declared = max(declared, chunk)
        if filters and chunk > _MAX_FILTERED_CHUNK:
            raise UnreadableError(
                f"refused: {path} is filtered in chunks of {chunk} bytes; unpack the "
                "file first, as h5repack -f NONE does"
            )
    stored = min(dataset.id.get_storage_size(), file_size)
    if declared > stored:
        raise UnreadableError(f"{path} declares {declared} bytes, and holds {stored}")


def _nbytes(dataset):
    return math.prod(dataset.shape) * dataset.id.get_type().get_size()


def _names(root, datasets, file):
    """Path -> name of the datasets that are weights."""
    for prefix in ("", "model_weights/"):
        group = root.get(prefix) if prefix else root
        if isinstance(group, h5py.Group) and _has(group, _LEGACY):
            return _legacy_names(group, prefix, datasets, file)
    kept = {path: path for path in datasets if not _LEFT_OUT & set(path.split("/"))}
    named = {path: _with_layer_name(root, path, file) for path in kept}
    return named if len(set(named.values())) == len(named) else kept


def _legacy_names(group, prefix, datasets, file):
    layers = _texts(group, _LEGACY, file)
    if "top_level_model_weights" in group:
        layers.append("top_level_model_weights")
    names = {}
    for layer in layers:
        for weight in _texts(group[layer], "weight_names", file):
            path = f"{prefix}{layer}/{weight}"
            if path not in datasets:
                raise UnreadableError(f"its list names {path}, which is not there")
            name = weight.removesuffix(":0")
            within = name.startswith(f"{layer}/")
            names[path] = name if within else f"{layer}/{name}"
    if len(set(names.values())) < len(names):
        return {path: path.removesuffix(":0") for path in names}
    return names


def _with_layer_name(root, path, file):
    """`layers/conv2d_3/vars/0` -> `layers/conv1/vars/0`, by the name kept beside."""
    holder, _, number = path.rpartition("/")
    owner, _, last = holder.rpartition("/")
    if last != "vars" or "name" not in root[holder].attrs:
        return path
    try:
        (name,) = _texts(root[holder], "name", file)
    except _UncheckedError:
        return path
    above = owner.rpartition("/")[0]
    return f"{above}/{name}/vars/{number}" if above else path


def _has(group, attribute):
    return attribute in group.attrs or f"{attribute}0" in group.attrs


def _texts(group, attribute, file):
    """A list of texts; Keras cuts one that is too long into numbered parts."""
    parts = [attribute]
    if attribute not in group.attrs:
        parts = [f"{attribute}{i}" for i in range(len(group.attrs))]
        parts = [part for part in parts if part in group.attrs]
    texts = []
    for part in parts:
        if not group.attrs.get_id(part).get_space().get_simple_extent_npoints():
            continue  # of a layer without weights; Keras writes no texts, as floats
        _check_text(group, part, file)
        values = np.atleast_1d(group.attrs[part])
        texts += [v.decode() if isinstance(v, bytes) else str(v) for v in values]
    return texts


def _check_text(group, attribute, file):
    """Room in the file for an attribute's texts, before HDF5 makes room in memory."""
    kept = group.attrs.get_id(attribute)
    kind = kept.get_type()
    if not isinstance(kind, h5py.h5t.TypeStringID):
        raise _UncheckedError(f"its attribute {attribute} of {group.name} is no text")
    sizes = [math.prod(kept.shape) * kind.get_size()]
    if kind.is_variable_str():
        place = h5py.h5o.get_info(group.id).addr
        lengths = hdf5_header.text_lengths(file, place, attribute)
        if lengths is None:
            raise _UncheckedError(
                f"its attribute {attribute} of {group.name} has texts of any length; "
                "write them as bytes of one length, as Keras does"
            )
        sizes += lengths
    if sum(sizes) > min(file.seek(0, 2), _MAX_TEXT):
        raise UnreadableError(
            f"its attribute {attribute} of {group.name} declares {sum(sizes)} bytes"
        )


def _stored(path, dataset):
    bfloat16 = dataset.dtype == "V2"  # so Keras writes it
    if not bfloat16 and dataset.dtype.kind not in "fiub":
        raise UnreadableError(f"refused: {path} holds {dataset.dtype}, not numbers")
    shape, dtype = dataset.shape, dataset.dtype.newbyteorder("=")
    if not bfloat16:
        return Stored(shape, dtype, lambda: _blocks(dataset))
    return Stored(
        shape, np.dtype(np.float32), lambda: map(from_bfloat16, _blocks(dataset))
    )


def _blocks(dataset):
    """A dataset's numbers in C's order, cut along one axis after those before it."""
    shape = dataset.shape
    if not shape:
        yield np.atleast_1d(dataset[()])
        return
    axis, inner = len(shape) - 1, 1  # of how many numbers a step along the axis is
    while axis and inner * shape[axis] <= _BLOCK:
        inner *= shape[axis]
        axis -= 1
    step = max(1, _BLOCK // max(1, inner))
    for place in np.ndindex(shape[:axis]):
        for start in range(0, shape[axis], step):
            block = dataset[(*place, slice(start, start + step))]
            yield block.reshape(-1)
