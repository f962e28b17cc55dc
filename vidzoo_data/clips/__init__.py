"""Clips: which frames, which window of them, and batches of both."""

from vidzoo_data.clips.augment import (
    TSN_SCALES,
    CenterCrop,
    ColorJitter,
    CornerCrop,
    MultiScaleCrop,
    RandomCrop,
)
from vidzoo_data.clips.flow_pairs import (
    center_pair_batches,
    pair_batches,
    whole_pair_batches,
)
from vidzoo_data.clips.geometry import (
    Similarity,
    transformed,
    transformed_flow,
)
from vidzoo_data.clips.pipeline import (
    center_batches,
    center_clip,
    checked,
    training_batches,
)
from vidzoo_data.clips.sample import Excerpt, Segments, Whole, Window
from vidzoo_data.clips.serving import flow_clips, jpeg_clips
from vidzoo_data.clips.stream import check_videos
from vidzoo_data.clips.views import view_batches
from vidzoo_data.clips.whole import file_chunks, in_memory_chunks, record_chunks

__all__ = [
    "TSN_SCALES",
    "CenterCrop",
    "ColorJitter",
    "CornerCrop",
    "Excerpt",
    "MultiScaleCrop",
    "RandomCrop",
    "Segments",
    "Similarity",
    "Whole",
    "Window",
    "center_batches",
    "center_clip",
    "center_pair_batches",
    "check_videos",
    "checked",
    "file_chunks",
    "flow_clips",
    "in_memory_chunks",
    "jpeg_clips",
    "pair_batches",
    "record_chunks",
    "training_batches",
    "transformed",
    "transformed_flow",
    "view_batches",
    "whole_pair_batches",
]
