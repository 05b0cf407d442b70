"""Pictures of instances: fast raster drawing, and matplotlib for notebooks."""

from typing import TYPE_CHECKING, Any

from instseg.visualize.draw import draw_instances
from instseg.visualize.notebook import show_instances

if TYPE_CHECKING:
    from instseg.visualize.display import display_instances

__all__ = ["display_instances", "draw_instances", "show_instances"]


def __getattr__(name: str) -> Any:
    """Import matplotlib only when `display_instances` is asked for."""
    if name == "display_instances":
        from instseg.visualize.display import display_instances

        return display_instances
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
