"""Weights: presets and their downloads, files, and setting them in a model.

Each part is imported when first asked for: the table of presets needs no backend.
"""

from vidzoo import deferred

_HOMES = {
    "initialize": "initialize",
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
__getattr__, __dir__ = deferred.attributes(__name__, _HOMES)
