"""Pictures of what networks do: arrays in, pictures `(H, W, 3)` uint8, RGB, out."""

from vidzoo.explain.class_bars import class_bars
from vidzoo.explain.class_differences import ClassDifferences, class_differences
from vidzoo.explain.occlusion import Occlusion, occlude, occlusion_picture, overlay
from vidzoo.explain.sheet import Panel, sheet
from vidzoo.explain.strips import flow_comparison, flow_strip

__all__ = [
    "ClassDifferences",
    "Occlusion",
    "Panel",
    "class_bars",
    "class_differences",
    "flow_comparison",
    "flow_strip",
    "occlude",
    "occlusion_picture",
    "overlay",
    "sheet",
]
