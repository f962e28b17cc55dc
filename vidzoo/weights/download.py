"""Presets from their origins into the user's cache, each file verified before use.

`weights/<preset>/<file>` in `$VIDZOO_CACHE`, else `$XDG_CACHE_HOME/vidzoo`, else
`~/.cache/vidzoo`. A file has its final name once it is whole and verified; one that the
user puts there serves as well, so that no connection is needed.
"""

import logging
import os
from pathlib import Path

from vidzoo import atomic
from vidzoo.errors import WeightsError
from vidzoo.locking import locked
from vidzoo.weights import checksums, transfer
from vidzoo.weights.preset import Preset
from vidzoo.weights.presets import PRESETS

ACCEPTED = "licence-accepted.txt"

_log = logging.getLogger("vidzoo")


def fetch(preset: Preset | str, *, accept_license: bool = False) -> Path:
    """The file of a preset, from the cache or else from its origin.

    One process at a time fetches a preset; others wait for it and find its file.

    Args:
        preset: a preset, or a key of `vidzoo.weights.PRESETS`.
        accept_license: accept a licence that forbids commercial use; remembered.

    Returns:
        The file to open, whole and verified; the preset's others lie beside it.

    Raises:
        WeightsError: there is no such preset, its licence is not accepted, or it
            cannot be fetched; the message says which file to put where.
    """
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise WeightsError(
                f"no preset '{preset}'. Choose one of: {', '.join(PRESETS)}."
            )
        preset = PRESETS[preset]
    folder = cache_folder() / "weights" / preset.name
    try:
        _check_licence(preset, folder, accept_license)
        if _missing(preset, folder):
            _fetch_missing(preset, folder)
        for remote in preset.files:
            checksums.check(remote, folder / remote.name)
    except OSError as error:
        raise WeightsError(
            f"{error.filename or folder}: {error.strerror}. The cache must be writable "
            "and have room; VIDZOO_CACHE may name another folder. What was fetched is "
            "kept, and the next call goes on with it."
        ) from error
    return folder / preset.files[0].name


def cache_folder() -> Path:
    """Where vidzoo keeps what it can make or fetch again.

    Raises:
        WeightsError: no variable names one and the user has no home.
    """
    if folder := os.environ.get("VIDZOO_CACHE"):
        return Path(folder).expanduser()
    caches = os.environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(caches):  # others do not count, says the XDG specification
        return Path(caches) / "vidzoo"
    try:
        return Path.home() / ".cache" / "vidzoo"
    except RuntimeError as error:
        raise WeightsError(
            "no home folder to keep downloads in. Set VIDZOO_CACHE to a folder."
        ) from error


def _check_licence(preset, folder, accept):
    """Checks that a licence for non-commercial use is accepted, now or earlier."""
    if not preset.non_commercial:
        return
    accepted = folder / ACCEPTED
    if accepted.is_file() and accepted.read_text(encoding="utf-8") == preset.licence:
        return
    if not accept:
        raise WeightsError(
            f"{preset.name}: its licence is {preset.licence}, which forbids commercial "
            "use. If you accept it, give --accept-license, or call "
            f"vidzoo.weights.fetch({preset.name!r}, accept_license=True); once is "
            "enough."
        )
    folder.mkdir(parents=True, exist_ok=True)
    atomic.write_text(accepted, preset.licence)


def _missing(preset, folder):
    return [f for f in preset.files if not (folder / f.name).is_file()]


def _fetch_missing(preset, folder):
    folder.mkdir(parents=True, exist_ok=True)

    def on_wait():
        _log.info("%s: another process fetches it; waiting", preset.name)

    with locked(folder, on_wait):
        missing = _missing(preset, folder)  # what another process has left to do
        if missing:
            level = logging.WARNING if preset.non_commercial else logging.INFO
            _log.log(level, "%s: licence: %s", preset.name, preset.licence)
            _log.info("%s: cite %s", preset.name, preset.citation)
        for i, remote in enumerate(missing):
            _download(remote, folder, preset.name, missing[i:])


def _download(remote, folder, title, missing):
    path = folder / remote.name
    part = folder / f"{remote.name}.part"
    _log.info("fetching %s into %s", remote.url, folder)
    for is_last in (False, True):
        try:
            transfer.transfer(remote, part, title)
        except transfer.TransferError as error:
            raise WeightsError(_failure(remote, error, folder, missing)) from error
        except OSError as error:
            error.filename = error.filename or str(part)  # a full disk names no file
            raise
        problem = checksums.find_problem(remote, part, remote.digest)
        if problem is None:
            break
        transfer.discard(part)
        if is_last:
            raise WeightsError(_failure(remote, problem, folder, missing))
        _log.warning("warning: %s: damaged: %s; fetched once more", remote.url, problem)
    atomic.move(part, path)
    transfer.discard(part)


def _failure(remote, reason, folder, missing):
    files = "; ".join(
        f"{other.url} as {folder / other.name} ({other.facts()})" for other in missing
    )
    return f"{remote.url}: {reason}. Try again, or get by other means: {files}."
