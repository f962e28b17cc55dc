"""Pictures of what networks do: arrays in, pictures `(H, W, 3)` uint8, RGB, out."""

from vidzoo.explain.class_bars import class_bars
from vidzoo.explain.class_differences import ClassDifferences, class_differences
from vidzoo.explain.layer_lines import Line, LinesPanel, layer_lines
from vidzoo.explain.occlusion import Occlusion, occlude, occlusion_picture, overlay
from vidzoo.explain.patches import patch_clusters, patchwork
from vidzoo.explain.sheet import Panel, sheet
from vidzoo.explain.strips import flow_comparison, flow_strip

__all__ = [
    "ClassDifferences",
    "Line",
    "LinesPanel",
    "Occlusion",
    "Panel",
    "class_bars",
    "class_differences",
    "flow_comparison",
    "flow_strip",
    "layer_lines",
    "occlude",
    "occlusion_picture",
    "overlay",
    "patch_clusters",
    "patchwork",
    "sheet",
]
