"""Layers that own state, or that two networks share."""

from vidzoo.layers.local_response_normalization import local_response_normalization
from vidzoo.layers.peephole_lstm import PeepholeLSTM, PeepholeLSTMCell
from vidzoo.layers.preprocess import Preprocess
from vidzoo.layers.real_frames import RealFrames
from vidzoo.layers.split_time import SplitTime

__all__ = [
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "Preprocess",
    "RealFrames",
    "SplitTime",
    "local_response_normalization",
]
