"""Pictures of instances: fast raster drawing, and matplotlib for notebooks.

Its names include those of Matterport's `mrcnn.visualize`, with the same arguments.
"""

import importlib
from typing import TYPE_CHECKING, Any

from instseg.visualize.draw import draw_instances
from instseg.visualize.notebook import show_instances

if TYPE_CHECKING:
    from instseg.visualize.differences import display_differences
    from instseg.visualize.display import display_instances
    from instseg.visualize.image_grid import display_images, display_top_masks
    from instseg.visualize.matterport_charts import plot_overlaps, plot_precision_recall
    from instseg.visualize.painting import apply_mask, color_splash, draw_box, random_colors
    from instseg.visualize.rois import draw_boxes, draw_rois
    from instseg.visualize.tables import display_table, display_weight_stats

__all__ = [
    "apply_mask",
    "color_splash",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_instances",
    "draw_rois",
    "plot_overlaps",
    "plot_precision_recall",
    "random_colors",
    "show_instances",
]

_HOME = {
    "apply_mask": "painting",
    "color_splash": "painting",
    "display_differences": "differences",
    "display_images": "image_grid",
    "display_instances": "display",
    "display_table": "tables",
    "display_top_masks": "image_grid",
    "display_weight_stats": "tables",
    "draw_box": "painting",
    "draw_boxes": "rois",
    "draw_rois": "rois",
    "plot_overlaps": "matterport_charts",
    "plot_precision_recall": "matterport_charts",
    "random_colors": "painting",
}


def __getattr__(name: str) -> Any:
    """Import matplotlib only when a name that needs it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
