"""Shapes that people drew in a tool, which become objects: one each, or several by their group."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.masks import Masks
from instseg.formats.labels import Builder, Record
from instseg.formats.rings import Loop, cut_off
from instseg.formats.shapes import of_mask, size_of

_FARTHER = 1.0
"""Pixels: what is less far outside of its photo is cut off without a word, as tools round."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """A shape; it has a box, a ring, a mask or an RLE.

    Attributes:
        label: The class.
        group: Shapes of one label and group are parts of one object; None if it is one alone.
        box: Left, top, right, bottom.
        ring: (K, 2).
        mask: (h, w), and top and left of its first pixel.
        rle: Of the whole object, in COCO's form.
        more: Further fields of the object, such as score, attributes, track_id.
    """

    label: str
    group: Hashable = None
    box: tuple[float, float, float, float] | None = None
    ring: Loop | None = None
    mask: tuple[NDArray[np.bool_], tuple[int, int]] | None = None
    rle: Mapping[str, Any] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def add_objects(builder: Builder, image: Record, shapes: Iterable[Drawn], where: object) -> None:
    """Add the objects of a photo; what is outside of it is cut off, and told.

    Args:
        builder: Collects them.
        image: The record of the photo.
        shapes: In order. Of a group with masks, boxes are left out; those of others are joined.
        where: The file, for notes.
    """
    groups: dict[Hashable, list[Drawn]] = {}
    for number, shape in enumerate(shapes):
        single = shape.group is None
        groups.setdefault(("", number) if single else (shape.label, shape.group), []).append(shape)
    for own in groups.values():
        segmentation, box = _joined(builder, own, size_of(image), where)
        if segmentation or box:
            category = builder.category(own[0].label)
            more = own[0].more
            builder.annotation(image, category, segmentation=segmentation, bbox=box, **more)
        else:
            builder.note("shapes outside of their photo, or without area: left out", where)


def _joined(
    builder: Builder, shapes: Sequence[Drawn], size_hw: tuple[int, int], where: object
) -> tuple[Any, list[float] | None]:
    """The segmentation of an object, or the box of one that has none."""
    if shapes[0].rle is not None:
        return dict(shapes[0].rle), None
    rings = [_inside(builder, s.ring, size_hw, where) for s in shapes if s.ring is not None]
    polygons = [ring.ravel().tolist() for ring in rings if len(ring) > 2]
    masks = [shape.mask for shape in shapes if shape.mask is not None]
    if masks:
        parts = Masks.from_crops([crop for crop, _ in masks], [yx for _, yx in masks], size_hw)
        if polygons:
            parts = Masks.concatenate([parts, Masks.from_polygons([polygons], size_hw)])
        whole = parts.union()
        top, left = whole.offsets_yx[0].tolist()
        return of_mask(whole.crops[0], (top, left), size_hw), None
    boxes = np.array([shape.box for shape in shapes if shape.box is not None])
    if polygons or not len(boxes):
        return polygons, None
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    corners = _inside(builder, np.stack([low, high]), size_hw, where, box=True)
    (left, top), (right, bottom) = corners.tolist()
    box = [left, top, right - left, bottom - top]
    return [], box if box[2] > 0 and box[3] > 0 else None


def _inside(
    builder: Builder, points: Loop, size_hw: tuple[int, int], where: object, *, box: bool = False
) -> Loop:
    limits = np.array(size_hw[::-1], dtype=np.float64)
    beyond = float(max(-points.min(), (points - limits).max()))
    if beyond <= 0:
        return points
    if beyond >= _FARTHER:
        builder.note("shapes partly outside of their photo: cut off at its border", where)
    return points.clip(0, limits) if box else cut_off(points, size_hw)
