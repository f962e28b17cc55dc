"""`vidzoo convert FILE --model=NAME --out=OUT`: weights written anew."""

import tempfile
from pathlib import Path

from vidzoo import atomic
from vidzoo.errors import UsageError, WeightsError
from vidzoo.tasks import known_network
from vidzoo.tasks.verify import describe
from vidzoo.weights import save_weights

# What OUT's name may end in, the longest first.
SUFFIXES = (".weights.h5", ".keras", ".npz")


def run(file, out, *, model: str, accept_license: bool = False) -> dict:
    """Reads weights of any format that vidzoo knows and writes them anew; atomic.

    Args:
        file: a weights file, or a preset's name.
        out: the file to write. A `.npz` is vidzoo's own, which names its network and
            preprocessing; a `.weights.h5` or `.keras` is Keras's.
        model: a key of `vidzoo.models.catalogue.NETWORKS`: the network of the weights.
        accept_license: accept a preset's licence that forbids commercial use.

    Returns:
        What was written, JSON-ready.

    Raises:
        UsageError: there is no such network, or `out` ends in something else.
        WeightsError: the file is damaged or of another network or variant, or `out`
            exists.
    """
    network = known_network.find(model)
    out = Path(out)
    suffix = next((suffix for suffix in SUFFIXES if out.name.endswith(suffix)), None)
    if suffix is None:
        raise UsageError(f"--out={out}: end it in one of {', '.join(SUFFIXES)}.")
    if suffix == ".keras" and network.variant is None:
        raise UsageError(
            f"--out={out}: a .keras holds how many snippets of what size a "
            f"{network.name} takes, which weights do not tell. End it in .npz."
        )
    if out.exists():
        raise _is_there(out)
    if not out.parent.is_dir():
        raise WeightsError(f"{out}: there is no folder {out.parent}. Make it first.")
    built, weights_file = known_network.open_and_build(
        file, network, accept_license=accept_license
    )
    _write(built, weights_file, out, suffix)
    return describe(built, weights_file) | {"out": str(out)}


def _write(model, weights_file, out, suffix):
    """Writes beside `out`, then gives it that name, unless another process has.

    Keras chooses the format by the name, and writes no file atomically.
    """
    try:
        with tempfile.TemporaryDirectory(
            dir=out.parent, prefix=f".{out.name}."
        ) as folder:
            written = Path(folder, f"weights{suffix}")
            _save(model, weights_file, written, suffix)
            atomic.create(written, out)
    except FileExistsError as error:
        raise _is_there(out) from error
    except OSError as error:  # HDF5's names no file
        reason = error.strerror or error
        raise WeightsError(
            f"{out}: cannot be written ({reason}). Make room, or choose another --out."
        ) from error


def _save(model, weights_file, path, suffix):
    if suffix == ".npz":
        save_weights(
            path,
            model,
            network=weights_file.network,
            backbone=weights_file.backbone,
            variant=weights_file.variant,
            preset=weights_file.preset,
        )
    else:
        (model.save if suffix == ".keras" else model.save_weights)(path)


def _is_there(out):
    return WeightsError(f"{out}: is there already. Choose another --out.")
