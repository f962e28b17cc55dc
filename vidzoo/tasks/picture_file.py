"""Pictures that verbs write: checked before hours of work, and never over a file."""

import os
from pathlib import Path

import numpy as np

from vidzoo.errors import UsageError
from vidzoo_data import flow


def check_out(file: Path, name: str) -> None:
    """Checks that a picture can be written, and that there is no such file yet.

    Args:
        file: where it goes.
        name: what messages call it, such as `--plot`.

    Raises:
        UsageError: it is no `.png`, its folder is not there or cannot be written, or
            the file exists.
    """
    if file.suffix != ".png" or not file.parent.is_dir():
        raise UsageError(
            f"{name} is {file}; give the name of a .png file in a folder that exists."
        )
    if file.exists():
        raise UsageError(f"{file}: exists. Choose another name ({name}).")
    if not os.access(file.parent, os.W_OK):
        raise UsageError(
            f"{file.parent}: cannot be written. Give {name}, a .png file elsewhere."
        )


def write(file: Path, picture: np.ndarray) -> None:
    """Writes a picture, whole or not at all; its arguments are as of `write_png`."""
    flow.write_png(file, picture)
