"""The classes of Cityscapes, and their numbers."""

from __future__ import annotations

NAMES = (
    *("unlabeled", "ego vehicle", "rectification border", "out of roi", "static", "dynamic"),
    *("ground", "road", "sidewalk", "parking", "rail track", "building", "wall", "fence"),
    *("guard rail", "bridge", "tunnel", "pole", "polegroup", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "caravan"),
    *("trailer", "train", "motorcycle", "bicycle"),
)
"""By number, from 0; "license plate" has none, and is not in its PNG files."""

THINGS = frozenset(NAMES[24:])
NOTHING = frozenset((*NAMES[:4], "license plate"))
PER_CLASS = 1000  # an object's number is 1000 times its class, and its own below that
MOST_CLASSES = 65  # whose 1000 numbers fit 16 bits


def class_and_crowd(label: str, known: frozenset[str]) -> tuple[str, bool]:
    """The class of a label, and whether it is of several objects, as `cargroup` is."""
    if label not in known and label.endswith("group") and len(label) > len("group"):
        return label.removesuffix("group"), True
    return label, False
