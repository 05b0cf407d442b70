"""What is wrong with annotations by their numbers alone: no photo is read, no mask rasterised."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import are_corners, box_ious, corners_of
from instseg.core.masks import Masks
from instseg.core.rle import LONGEST_OUTLINE_PX
from instseg.doctor.findings import Finding
from instseg.doctor.polygons import Polygons, polygon_trouble
from instseg.doctor.table import Table, is_whole, short
from instseg.files.coco_records import score_of
from instseg.system.memory import no_garbage_collection

TOLERANCE_PX = 2.0
"""Boxes this close are equal: COCO's own crowd boxes are a pixel short of their masks."""

_SMALLEST_IMAGE_PX = 16  # in a smaller one, numbers up to 1 may well be pixels
_ENOUGH_MASKS = 3  # to tell by their boxes that x and y are exchanged
_MOST_DIFFER = 0.8  # of at least _LEAST_DIFFER boxes: no single mistakes, and no telling which
_LEAST_DIFFER = 5
_MANY_CROWDS = 1 / 3  # of the annotations; in COCO it is one of a hundred


@dataclass(frozen=True, kw_only=True, eq=False)
class Shapes:
    """The masks of N annotations, as far as they are sound.

    Attributes:
        polygons: Their polygons.
        extents: float64 (N, 4), xyxy of the polygons; NaN where there are none.
        rles: The annotations with an RLE of their image's size.
        fit: bool (N,), which have polygons near their image, in pixels and not too long to draw.
        exchanged: bool (N,), which have x and y exchanged.
    """

    polygons: Polygons
    extents: NDArray[np.float64]
    rles: list[int]
    fit: NDArray[np.bool_]
    exchanged: NDArray[np.bool_]


@no_garbage_collection()
def check_masks(table: Table) -> tuple[Shapes, list[Finding]]:
    """Sort the segmentations of a dataset into sound ones and findings."""
    given = table.segmentations
    missing = [i for i, s in enumerate(given) if not isinstance(s, list | dict)]
    boxed = [i for i in missing if given[i] is None and (table.boxes[i, 2:] > 0).all()]
    degenerate = [i for i in missing if given[i] is None and not np.isnan(table.boxes[i]).any()]
    lost = sorted({*missing} - {*boxed, *degenerate})  # degenerate boxes are found as such
    rles = [i for i, s in enumerate(given) if isinstance(s, dict)]
    broken = [i for i in rles if not _is_rle(given[i])]
    unfit = set(broken)
    sizes = table.sizes_wh[:, ::-1].tolist()
    other = [i for i in rles if i not in unfit and given[i]["size"] != sizes[i]]
    unfit.update(other)

    polygons = Polygons.collect(given)
    extents = polygons.extents()
    for i in other:
        if given[i]["size"] == sizes[i][::-1]:
            extents[i] = _extent_of(given[i])
    exchanged = find_exchanged(table, extents)
    other = [i for i in other if not exchanged[i]]
    extents[other] = np.nan
    fit, found = _check_polygons(table, polygons, extents, exchanged)
    example = f"{given[other[0]]['size']} in an image of {_hw(table, other[0])}" if other else ""
    found += [
        *table.found("mask-exchanged", exchanged),
        *table.found("mask-missing", np.array(lost, dtype=np.int64)),
        *table.found("box-only", np.array(boxed, dtype=np.int64)),
        *table.found("rle-broken", np.array(broken, dtype=np.int64)),
        *table.found("rle-size", np.array(other, dtype=np.int64), example),
    ]
    sound = [i for i in rles if i not in unfit]
    shapes = Shapes(polygons=polygons, extents=extents, rles=sound, fit=fit, exchanged=exchanged)
    return shapes, found


def find_exchanged(table: Table, extents: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which masks have x and y exchanged; none, unless the boxes of all annotations show it.

    Args:
        table: The annotations.
        extents: float64 (N, 4), xyxy of each mask; NaN where unknown.
    """
    boxes = np.hstack([table.boxes[:, :2], table.boxes[:, :2] + table.boxes[:, 2:]])
    compared = ~np.isnan(boxes[:, 0]) & ~np.isnan(extents[:, 0])
    fits, fits_exchanged = (
        np.abs(boxes - ends).max(axis=1, initial=0) <= TOLERANCE_PX
        for ends in (extents, extents[:, [1, 0, 3, 2]])
    )
    telling = fits_exchanged & ~fits
    if telling.sum() >= _ENOUGH_MASKS and (fits_exchanged | ~compared).all():
        return compared
    return np.zeros(len(table), dtype=bool)


def _extent_of(rle: dict[str, Any]) -> NDArray[np.float64]:
    """Xyxy of an RLE in its own size; NaN where it has no pixel, or cannot be decoded."""
    try:
        masks = Masks.from_rle([rle])
    except (ValueError, OverflowError):
        return np.full(4, np.nan)
    return masks.boxes_xyxy()[0] if masks.areas()[0] else np.full(4, np.nan)


def _hw(table: Table, index: int) -> list[int]:
    return [int(side) for side in table.sizes_wh[index, ::-1]]


def _is_rle(value: dict[str, Any]) -> bool:
    size, counts = value.get("size"), value.get("counts")
    sized = isinstance(size, list) and len(size) == 2 and all(map(is_whole, size))
    return sized and (
        isinstance(counts, str) or (isinstance(counts, list) and all(map(is_whole, counts)))
    )


def _check_polygons(
    table: Table,
    polygons: Polygons,
    extents: NDArray[np.float64],
    exchanged: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], list[Finding]]:
    found = []
    for code, owners in polygons.troubles.items():
        parts = table.segmentations[owners[0]]
        part = next(part for part in parts if polygon_trouble(part) == code)
        found += table.found(code, np.array(owners), ascii(part)[:40])
    known = ~np.isnan(extents[:, 0]) & ~exchanged
    over_px = np.hstack([-extents[:, :2], extents[:, 2:] - table.sizes_wh]).max(axis=1, initial=-1)
    relative = _relative(extents, known, table)
    far = known & (over_px > table.sizes_wh.max(axis=1, initial=0))
    found += table.found("polygon-relative", relative)
    found += table.found("polygon-far-outside", far)
    long = known & ~relative & ~far & (polygons.lengths() > LONGEST_OUTLINE_PX)
    found += table.found("polygon-long", long, f"over {LONGEST_OUTLINE_PX:,} pixels")
    found += table.found("polygon-outside", known & (over_px > 1) & ~far & ~long)
    return known & ~relative & ~far & ~long, found


def _relative(
    numbers: NDArray[np.float64], known: NDArray[np.bool_], table: Table
) -> NDArray[np.bool_]:
    """Which of (N, 4) numbers are shares of the image; none, unless nearly all of them are."""
    small = np.all((numbers >= 0) & (numbers <= 1), axis=1)
    small &= (table.sizes_wh >= _SMALLEST_IMAGE_PX).all(axis=1)
    mostly = known.any() and small.sum() > 0.9 * known.sum()
    return small if mostly else np.zeros(len(numbers), dtype=bool)


def check_boxes(table: Table, extents: NDArray[np.float64]) -> list[Finding]:
    """Find boxes that are wrong by themselves, or next to their masks.

    Args:
        table: The annotations.
        extents: float64 (N, 4), xyxy of each mask in pixels, NaN where unknown.
    """
    boxes, wh = table.boxes, table.sizes_wh
    known = ~np.isnan(boxes[:, 0])
    xyxy = corners_of(boxes)
    masks = np.hstack([extents[:, :2].clip(0, wh), extents[:, 2:].clip(0, wh)])
    apart_px = np.abs(xyxy - masks).max(axis=1, initial=0)
    relative = _relative(boxes, known, table)
    corners = _corners(boxes, apart_px, masks, wh) & ~relative
    pixels = known & ~relative & ~corners
    positive = pixels & (boxes[:, 2:] > 0).all(axis=1)
    degenerate = pixels & ~positive
    overlap = box_ious(xyxy, masks)
    apart = positive & (apart_px > TOLERANCE_PX)  # NaN, for an unknown mask, is not
    off = apart & (overlap < 0.5)
    exchanged = find_exchanged(table, extents)
    differ = off & ~exchanged
    compared = pixels & ~np.isnan(masks[:, 0])
    if differ.sum() < max(_LEAST_DIFFER, _MOST_DIFFER * compared.sum()):
        differ[:] = False
    positive &= ~exchanged & ~differ
    apart, off = apart & positive, off & positive
    return [
        *table.found("mask-exchanged", exchanged),
        *table.found("box-mask-differ", differ),
        *table.found("box-missing", ~known),
        *table.found("box-relative", relative),
        *table.found("box-xyxy", corners),
        *table.found("box-degenerate", degenerate),
        *table.found("box-negative", positive & (boxes[:, :2] < -1).any(axis=1)),
        *table.found("box-outside", positive & (xyxy[:, 2:] > wh + 1).any(axis=1)),
        *table.found("box-not-mask", off),
        *table.found("box-loose", apart & ~off & (overlap < 0.9)),
    ]


def _corners(
    boxes: NDArray[np.float64],
    apart_px: NDArray[np.float64],
    masks: NDArray[np.float64],
    wh: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which boxes are x0, y0, x1, y1; none, unless the dataset as a whole is written so.

    The masks tell, where most boxes have one. Without masks, every box has to be a proper one when
    read as corners, and a good part of them has to leave the image when read as x, y, w, h.
    """
    compared = ~np.isnan(apart_px)
    fits = compared & (apart_px <= TOLERANCE_PX)
    as_corners = np.abs(boxes - masks).max(axis=1, initial=0) <= TOLERANCE_PX
    suits = as_corners & ~fits
    if compared.any():
        mostly = suits.sum() > 0.5 * compared.sum()
    else:
        suits = ~np.isnan(boxes[:, 0])
        mostly = are_corners(boxes[suits], wh[suits])
    return suits if mostly else np.zeros(len(boxes), dtype=bool)


def check_flags(table: Table) -> list[Finding]:
    """Find missing areas, scores that are none, and crowd flags that are missing or improbable."""
    records = [table.document["annotations"][row] for row in table.rows]
    scores = [record.get("score") for record in records]
    strange = np.array([s is not None and score_of(s) is None for s in scores], dtype=bool)
    example = short(scores[int(strange.argmax())]) if strange.any() else ""
    absent = np.array(["iscrowd" not in record for record in records], dtype=bool)
    known = np.array([record.get("iscrowd") in (0, 1) for record in records], dtype=bool)
    polygons = np.array([isinstance(s, list) for s in table.segmentations], dtype=bool)
    every = len(table) > 1 and bool(table.crowd.all())
    return [
        *table.found("score-form", strange, example),
        *table.found("area-missing", np.isnan(table.areas)),
        *table.found("crowd-missing", absent),
        *table.found("crowd-value", ~absent & ~known),
        *table.found("crowd-all", np.full(len(table), every)),
        *(_many_crowds(table) if not every else ()),
        *table.found("crowd-polygon", table.crowd & polygons & (not every)),
    ]


def _many_crowds(table: Table) -> list[Finding]:
    """Crowd flags that a tool has probably set: on many objects, or on a whole class."""
    crowds = int(table.crowd.sum())
    if crowds > _MANY_CROWDS * len(table):
        return table.found("crowd-many", table.crowd, f"{crowds} of {len(table)} annotations")
    flagged = Counter(table.category_ids[table.crowd].tolist())
    objects = set(table.category_ids[~table.crowd].tolist())
    whole = [number for number, times in flagged.items() if times > 1 and number not in objects]
    names = ", ".join(short(table.class_name(number)) for number in whole[:5])
    chosen = table.crowd & np.isin(table.category_ids, whole)
    return table.found("crowd-many", chosen, f"all of {names}")
