"""Which preset a `weights` argument names."""

import difflib
import os
from pathlib import Path

from vidzoo.errors import WeightsError
from vidzoo.weights.preset import Preset
from vidzoo.weights.presets import DEFAULTS, PRESETS

IMAGENET = "imagenet"


def preset_for(
    weights: str | os.PathLike, network: str | None = None, variant: str | None = None
) -> Preset | None:
    """The preset that a `weights` argument names; None if it is a file's path.

    Names of presets have no suffix and no slash, and as text always mean the preset. A
    file of such a name is reached as `./name`, or by a `pathlib.Path`.

    Args:
        weights: a preset's name, `"imagenet"`, or a path.
        network: the network that wants them, or None if that does not matter.
        variant: the network's.

    Raises:
        WeightsError: the preset is another network's, there is none on ImageNet, or
            there is neither a preset nor a file of that name.
    """
    if not isinstance(weights, str):
        return None
    if weights == IMAGENET:
        return _imagenet(network, variant)
    preset = PRESETS.get(weights)
    if preset is None and _looks_like_a_name(weights):
        known = [IMAGENET] if (network, variant) in _on_imagenet() else []
        known += [
            p.name for p in PRESETS.values() if network in (None, p.network)
        ] or PRESETS
        near = difflib.get_close_matches(weights.lower(), known, n=3) or known
        raise WeightsError(
            f"{weights}: neither a preset nor a file. Presets: {', '.join(near)}."
        )
    if preset and network and (preset.network, preset.variant) != (network, variant):
        raise WeightsError(
            f"{weights}: holds weights of {preset.network} {preset.variant}, not of "
            f"{network} {variant}. {_choices(network)}"
        )
    return preset


def _looks_like_a_name(weights):
    path = Path(weights)
    is_bare = path.name == weights and not path.suffix
    return is_bare and not path.exists() and not Path(f"{weights}.index").exists()


def _on_imagenet():
    """(network, variant) -> the preset that `"imagenet"` means for it."""
    presets = [PRESETS[name] for name in DEFAULTS]
    return {(preset.network, preset.variant): preset for preset in presets}


def _imagenet(network, variant):
    if preset := _on_imagenet().get((network, variant)):
        return preset
    if network is None:
        raise WeightsError(
            f"{IMAGENET}: means other weights for each network. Give one of: "
            f"{', '.join(DEFAULTS)}."
        )
    raise WeightsError(
        f"{IMAGENET}: no weights of {network} {variant} that were trained on ImageNet "
        f"are known. {_choices(network)}"
    )


def _choices(network):
    """One sentence: the presets of a network, whatever their variant."""
    names = [
        f"{p.name} ({p.variant})" for p in PRESETS.values() if p.network == network
    ]
    if not names:
        return f"There is no preset of {network}; give a file's path, or train afresh."
    return f"Presets of {network}: {', '.join(names)}."
