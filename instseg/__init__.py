"""Photos in, instances out.

The names below are imported when they are first used, so that `import instseg` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from instseg.image import read_image, write_image
    from instseg.instances import Instances, Masks
    from instseg.predict import Predictor
    from instseg.segment import Segmenter
    from instseg.semantic import to_semantic
    from instseg.visualize import display_instances, draw_instances

__version__ = "0.1.0"

__all__ = [
    "Instances",
    "Masks",
    "Predictor",
    "Segmenter",
    "display_instances",
    "draw_instances",
    "read_image",
    "to_semantic",
    "write_image",
]

_HOME = {
    "Instances": "instseg.instances",
    "Masks": "instseg.instances",
    "Predictor": "instseg.predict",
    "Segmenter": "instseg.segment",
    "display_instances": "instseg.visualize",
    "draw_instances": "instseg.visualize",
    "read_image": "instseg.image",
    "to_semantic": "instseg.semantic",
    "write_image": "instseg.image",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'instseg' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
