"""Weights: presets and their downloads, files, and setting them in a model."""

from vidzoo.weights.download import fetch
from vidzoo.weights.load import WeightsFile, open_weights, save_weights
from vidzoo.weights.preset import Preset, RemoteFile
from vidzoo.weights.presets import PRESETS

__all__ = [
    "PRESETS",
    "Preset",
    "RemoteFile",
    "WeightsFile",
    "fetch",
    "open_weights",
    "save_weights",
]
