"""The shapes of objects: from a COCO segmentation to a mask, parts or one ring, and back.

All of it is exact: what these functions give, pycocotools rasterises to the pixels of the mask.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from scipy import ndimage

from instseg.core.masks import Masks
from instseg.core.outlines import exact_loops, is_clockwise, simplified_outlines
from instseg.core.rle import polygons_to_rle
from instseg.core.rle import union as union_of
from instseg.files.coco_masks import is_blank
from instseg.formats.bridges import bridged

Loop = NDArray[np.float64]
_EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Part:
    """A connected part of a mask.

    Attributes:
        outer: (K, 2), x, y in pixels.
        holes: Each (K, 2).
    """

    outer: Loop
    holes: tuple[Loop, ...] = ()


def has_mask(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation has a segmentation, sound or not."""
    return not is_blank(annotation.get("segmentation"))


def size_of(image: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of an image record."""
    return int(image["height"]), int(image["width"])


def mask_of(annotation: Mapping[str, Any], size_hw: tuple[int, int]) -> Masks:
    """The mask of an annotation: one, which is empty if it has no segmentation.

    Raises:
        ValueError: The segmentation is broken.
    """
    outline = annotation.get("segmentation")
    if is_blank(outline):
        return Masks.from_polygons([[]], size_hw)
    if isinstance(outline, Mapping):
        try:
            return Masks.from_rle([dict(outline)], size_hw)
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"a broken RLE: {error}") from error
    return _rasterised(polygons_of(annotation), size_hw)


def area_of(annotation: Mapping[str, Any], size_hw: tuple[int, int]) -> float:
    """The pixels of an annotation's mask.

    Raises:
        ValueError: The segmentation is broken.
    """
    if not isinstance(annotation.get("segmentation"), list):
        return float(mask_of(annotation, size_hw).areas()[0])
    rings = [ring.ravel().tolist() for ring in polygons_of(annotation)]
    return float(coco_mask.area(polygons_to_rle(rings, size_hw)))  # without decoding it


def measured(annotation: Mapping[str, Any], size_hw: tuple[int, int]) -> dict[str, Any]:
    """An annotation with the box and area of its mask, where it has none of its own."""
    whole = dict(annotation)
    try:
        if isinstance(whole.get("segmentation"), Mapping) and whole.get("bbox") is None:
            mask = mask_of(annotation, size_hw)  # decoded once for both
            if box := _box_of_mask(mask):
                whole["bbox"] = box
            if whole.get("area") is None:
                whole["area"] = float(mask.areas()[0])
        if whole.get("bbox") is None and (box := box_of(annotation, size_hw)):
            whole["bbox"] = box
        if whole.get("area") is None:
            box = whole.get("bbox") or [0, 0, 0, 0]
            masked = has_mask(annotation)
            whole["area"] = area_of(annotation, size_hw) if masked else float(box[2] * box[3])
    except ValueError:  # a broken segmentation, which the doctor tells of
        pass
    return whole


def polygons_of(annotation: Mapping[str, Any]) -> list[Loop]:
    """The polygons of an annotation that have 3 points or more, each (K, 2); [] for RLE.

    Raises:
        ValueError: They are no lists of numbers.
    """
    outline = annotation.get("segmentation")
    if isinstance(outline, Mapping) or is_blank(outline):
        return []
    try:
        rings = [np.asarray(ring, dtype=np.float64) for ring in outline or ()]
    except (TypeError, ValueError) as error:
        raise ValueError("polygons that are no lists of numbers") from error
    if any(ring.ndim != 1 or len(ring) % 2 or not np.isfinite(ring).all() for ring in rings):
        raise ValueError("polygons that are no flat lists of finite x, y")
    return [ring.reshape(-1, 2) for ring in rings if len(ring) >= 6]


def box_of(annotation: Mapping[str, Any], size_hw: tuple[int, int]) -> list[float] | None:
    """The box [x, y, width, height] as it is given, else that of the polygons or the mask.

    Raises:
        ValueError: The segmentation is broken.
    """
    given = annotation.get("bbox")
    if isinstance(given, Sequence) and len(given) == 4:
        return [float(value) for value in given]
    if polygons := polygons_of(annotation):
        points = np.concatenate(polygons)
        low, high = points.min(axis=0), points.max(axis=0)
        return [*low.tolist(), *(high - low).tolist()]
    return _box_of_mask(mask_of(annotation, size_hw))


def parts_of(
    annotation: Mapping[str, Any], size_hw: tuple[int, int], tolerance: float = 0.0
) -> list[Part]:
    """The parts of an annotation with their holes: its own polygons, or the outlines of its RLE.

    Args:
        annotation: With a segmentation.
        size_hw: Of its image.
        tolerance: How far left-out corners may lie from the outline, in pixels; 0 is exact.

    Returns:
        The parts; [] for an empty mask.

    Raises:
        ValueError: The segmentation is broken.
    """
    polygons = polygons_of(annotation)
    if not polygons:
        mask = mask_of(annotation, size_hw)
        return _parts(mask.crops[0], mask.offsets_yx[0].tolist(), tolerance)
    return [Part(ring) for ring in _simple(polygons, tolerance)]


def simplified(
    annotation: dict[str, Any], size_hw: tuple[int, int], tolerance: float
) -> dict[str, Any]:
    """An annotation with simplified polygons; masks with holes, and broken ones, stay as they are.

    Args:
        annotation: With a segmentation or without.
        size_hw: Of its image.
        tolerance: See `parts_of`; with 0, the annotation stays as it is.
    """
    if not tolerance or not has_mask(annotation):
        return annotation
    try:
        parts = parts_of(annotation, size_hw, tolerance)
    except ValueError:  # which the doctor tells of
        return annotation
    if not parts or any(part.holes for part in parts):
        return annotation
    return {**annotation, "segmentation": [part.outer.ravel().tolist() for part in parts]}


def ring_of(
    annotation: Mapping[str, Any], size_hw: tuple[int, int], tolerance: float = 0.0
) -> Loop | None:
    """An annotation as one ring: parts and holes are joined by bridges without width.

    Args:
        annotation: With a segmentation.
        size_hw: Of its image.
        tolerance: See `parts_of`.

    Returns:
        (K, 2), which fills the mask by the even-odd rule; None for an empty mask.

    Raises:
        ValueError: The segmentation is broken.
    """
    polygons = _simple(polygons_of(annotation), tolerance)
    if len(polygons) == 1:
        return polygons[0]
    if polygons and _are_apart(_coded(polygons, size_hw)):
        return bridged(polygons)
    mask = mask_of(annotation, size_hw)
    offset = mask.offsets_yx[0].tolist()
    loops = _simple(exact_loops(mask.crops[0], (offset[0], offset[1])), tolerance)
    return bridged(loops) if loops else None


def of_rings(rings: Sequence[Loop], size_hw: tuple[int, int]) -> Any:
    """The segmentation of rings, (K, 2) each, that fill a mask by the even-odd rule.

    Returns:
        The rings as polygons where they are apart; else the mask as polygons or, with holes, RLE.
        [] where nothing has 3 points.

    Raises:
        ValueError: Coordinates are too far away.
    """
    whole = [np.asarray(ring, dtype=np.float64) for ring in rings if len(ring) > 2]
    coded = _coded(whole, size_hw) if len(whole) > 1 else []
    if not coded or _are_apart(coded):
        return [ring.ravel().tolist() for ring in whole]
    each = Masks.from_rle(coded, size_hw)
    union = each.union()
    if not union.crops[0].size:
        return [whole[0].ravel().tolist()]
    filled = np.zeros_like(union.crops[0])
    top, left = union.offsets_yx[0].tolist()
    for crop, (y, x) in zip(each.crops, each.offsets_yx.tolist(), strict=True):
        if crop.size:
            filled[y - top : y - top + crop.shape[0], x - left : x - left + crop.shape[1]] ^= crop
    return of_mask(filled, (top, left), size_hw)


def of_mask(crop: NDArray[np.bool_], offset_yx: tuple[int, int], size_hw: tuple[int, int]) -> Any:
    """The segmentation of a mask: polygons along its pixels or, with holes, RLE; [] if empty.

    Args:
        crop: (h, w), which may reach beyond the image.
        offset_yx: The image pixel of the crop's first pixel.
        size_hw: The image.
    """
    mask = Masks.from_crops([crop], [offset_yx], size_hw)
    if not mask.crops[0].size:
        return []
    polygons = mask.to_polygons()[0]
    if polygons is None:
        return mask.to_rle()[0]
    return [[float(value) for value in ring] for ring in polygons]


def counts_of(annotation: Mapping[str, Any], size_hw: tuple[int, int]) -> tuple[int, int]:
    """How many parts and holes an annotation's mask has.

    Raises:
        ValueError: The segmentation is broken.
    """
    if isinstance(annotation.get("segmentation"), list):
        return len(polygons_of(annotation)), 0
    crop = mask_of(annotation, size_hw).crops[0]
    _, parts = ndimage.label(crop)
    _, gaps = ndimage.label(np.pad(~crop, 1, constant_values=True), structure=_EIGHT)
    return int(parts), int(gaps) - 1


def _parts(crop: NDArray[np.bool_], offset_yx: Sequence[int], tolerance: float) -> list[Part]:
    """The parts of a mask, each with its holes."""
    loops = exact_loops(crop)
    if not loops:
        return []
    labels, _ = ndimage.label(crop)
    shift = np.array(offset_yx[::-1], dtype=np.float64)
    outers: dict[int, Loop] = {}
    holes: dict[int, list[Loop]] = {}
    for loop, simple in zip(loops, _simple(loops, tolerance), strict=True):
        x, y = loop[0].tolist()  # the leftmost corner: the mask is to the right, or left of a hole
        if is_clockwise(loop):
            outers[int(labels[y, x])] = simple + shift
        else:
            holes.setdefault(int(labels[y, x - 1]), []).append(simple + shift)
    return [Part(outer, tuple(holes.get(label, ()))) for label, outer in outers.items()]


def _simple(loops: Sequence[NDArray[Any]], tolerance: float) -> list[Loop]:
    """Each loop with fewer corners; one that has no area then stays as it is."""
    if not tolerance:
        return [loop.astype(np.float64) for loop in loops]
    return [own[0] for own in simplified_outlines([[loop] for loop in loops], tolerance)]


def _box_of_mask(mask: Masks) -> list[float] | None:
    left, top, right, bottom = mask.boxes_xyxy()[0].tolist()
    return [left, top, right - left, bottom - top] if right > left else None


def _coded(rings: Sequence[Loop], size_hw: tuple[int, int]) -> list[dict[str, Any]]:
    """Each ring filled, as compressed RLE."""
    return [polygons_to_rle([ring.ravel().tolist()], size_hw) for ring in rings]


def _are_apart(coded: Sequence[dict[str, Any]]) -> bool:
    """Whether no two masks, compressed RLE, have a pixel in common."""
    return int(np.sum(coco_mask.area(coded))) == int(coco_mask.area(union_of(coded)))


def _rasterised(polygons: Sequence[Loop], size_hw: tuple[int, int]) -> Masks:
    return Masks.from_polygons([[ring.ravel().tolist() for ring in polygons]], size_hw)
