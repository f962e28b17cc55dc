"""Weights: presets and their downloads, files, and setting them in a model.

Each part is imported when first asked for: the table of presets needs no backend.
"""

import importlib

_HOMES = {
    "PRESETS": "presets",
    "Preset": "preset",
    "RemoteFile": "preset",
    "WeightsFile": "weights_file",
    "fetch": "download",
    "open_weights": "load",
    "save_weights": "load",
}
__all__ = [  # noqa: PLE0604
    "PRESETS",
    "Preset",
    "RemoteFile",
    "WeightsFile",
    "fetch",
    "initialize",
    "open_weights",
    "save_weights",
]


def __getattr__(name):
    if name == "initialize":
        return importlib.import_module("vidzoo.weights.initialize")
    if name in _HOMES:
        module = importlib.import_module(f"vidzoo.weights.{_HOMES[name]}")
        return getattr(module, name)
    raise AttributeError(f"module 'vidzoo.weights' has no attribute '{name}'")


def __dir__():
    return __all__
