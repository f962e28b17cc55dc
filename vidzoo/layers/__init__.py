"""Layers that own state, or that two networks share."""

from vidzoo.layers.local_response_normalization import local_response_normalization
from vidzoo.layers.preprocess import Preprocess

__all__ = ["Preprocess", "local_response_normalization"]
