"""Weights: reading them from files, checking them, and setting them."""

from vidzoo.weights.load import WeightsFile, open_weights, save_weights
from vidzoo.weights.presets import PRESETS, Preset

__all__ = ["PRESETS", "Preset", "WeightsFile", "open_weights", "save_weights"]
