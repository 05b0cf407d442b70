"""What is wrong with masks once they are drawn: empty ones, areas, objects annotated twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instseg.core.boxes import shared_areas
from instseg.core.events import OnEvent, ignore, told
from instseg.core.masks import Masks
from instseg.core.rle import pixels_in, union
from instseg.doctor.annotation_checks import Shapes
from instseg.doctor.findings import Finding
from instseg.doctor.table import Table
from instseg.files.image import MAX_PIXELS

SAME_OBJECT_IOU = 0.95

_PAIRS_AT_ONCE = 4_000_000  # of annotations of one image that are compared; bounds the memory
_LONGEST_PX = 100_000  # pycocotools' memory follows the outline of a polygon


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """What the masks of N annotations measure.

    Attributes:
        areas: float64 (N,), pixels; NaN where there is no sound mask.
        boxes: float64 (N, 4), xyxy in pixels, right and bottom exclusive; NaN where there is no
            pixel.
        undecoded: Why an annotation's RLE could not be decoded.
        twice: Pairs of annotations of one object, the later one first.
    """

    areas: NDArray[np.float64]
    boxes: NDArray[np.float64]
    undecoded: dict[int, str]
    twice: list[tuple[int, int]]


def draw(table: Table, shapes: Shapes, on_event: OnEvent = ignore) -> Drawn:
    """Rasterise every mask, image by image.

    Args:
        table: N annotations.
        shapes: Their masks.
        on_event: Called with the progress of the images done.
    """
    drawn = Drawn(
        areas=np.full(len(table), np.nan),
        boxes=np.full((len(table), 4), np.nan),
        undecoded={},
        twice=[],
    )
    drawable = shapes.fit.copy()
    drawable[shapes.rles] = True
    drawable &= (table.sizes_wh.prod(axis=1) <= MAX_PIXELS) & (table.sizes_wh <= _LONGEST_PX).all(1)
    for group in told(table.by_image(), on_event, "drawing masks"):
        _draw_image(table, shapes, group[drawable[group]], drawn)
    drawn.boxes[drawn.areas == 0] = np.nan
    return drawn


def _draw_image(table: Table, shapes: Shapes, group: NDArray[np.int64], drawn: Drawn) -> None:
    if not len(group):
        return
    width, height = (int(side) for side in table.sizes_wh[group[0]])
    coded, kept = [], []
    for i in group.tolist():
        if shapes.fit[i]:
            parts = [part.ravel() for part in shapes.polygons.parts_of(i)]
            coded.append(union(coco_mask.frPyObjects(parts, height, width)))
            kept.append(i)
            continue
        try:
            rle = table.segmentations[i]
            coded += Masks.from_rle([rle], (height, width)).to_rle()
            kept.append(i)
            if (pixels := pixels_in(rle["counts"])) != height * width:
                drawn.undecoded[i] = f"runs of {pixels} pixels in an image of {height * width}"
        except (ValueError, OverflowError) as error:
            drawn.undecoded[i] = str(error)
    if kept:
        drawn.areas[kept] = [coco_mask.area(one) for one in coded]  # of 256 at once it fails
        drawn.boxes[kept] = coco_mask.toBbox(coded)
        drawn.boxes[kept, 2:] += drawn.boxes[kept, :2]
        drawn.twice.extend(_twice(table, coded, np.array(kept), drawn))


def _twice(
    table: Table, coded: list[Any], order: NDArray[np.int64], drawn: Drawn
) -> list[tuple[int, int]]:
    """Pairs of one class whose masks are nearly the same; crowds are no objects."""
    areas, boxes, classes = drawn.areas[order], drawn.boxes[order], table.category_ids[order]
    crowd, count = table.crowd[order], len(order)
    pairs: list[tuple[int, int]] = []
    again = np.zeros(count, dtype=bool)
    rows = max(1, _PAIRS_AT_ONCE // count)
    for first in range(0, count, rows):
        some = slice(first, first + rows)
        shared = shared_areas(boxes[some, None], boxes[None])  # masks share no more than boxes
        shared = np.minimum(shared, np.minimum(areas[some, None], areas))
        likely = shared > SAME_OBJECT_IOU * np.maximum(areas[some, None], areas)
        likely &= (classes[some, None] == classes) & ~(crowd[some, None] | crowd)
        likely &= np.arange(count) > np.arange(count)[some, None]
        for place in np.flatnonzero(likely.any(axis=1)).tolist():
            early = first + place
            later = np.flatnonzero(likely[place] & ~again)
            if again[early] or not len(later):  # compared with the first of its kind
                continue
            overlaps = coco_mask.iou([coded[early]], [coded[i] for i in later], [0] * len(later))
            later = later[overlaps[0] > SAME_OBJECT_IOU]
            again[later] = True
            pairs += [(int(order[i]), int(order[early])) for i in later]
    return pairs


def check_drawn(table: Table, shapes: Shapes, drawn: Drawn) -> list[Finding]:
    """Find masks that cannot be decoded, are empty, cross themselves, or have another area."""
    undecoded = list(drawn.undecoded)
    reason = " ".join(drawn.undecoded[undecoded[0]].split())[:200] if undecoded else ""
    later = sorted({late for late, _ in drawn.twice})
    pair = ""
    if drawn.twice:
        late, early = (table.document["annotations"][table.rows[i]]["id"] for i in drawn.twice[0])
        pair = f"{late} is {early} again"
    return [
        *table.found("rle-runs", np.array(undecoded, dtype=np.int64), reason),
        *table.found("mask-empty", drawn.areas == 0),
        *table.found("polygon-crosses", shapes.polygons.crossing()),
        *_areas_off(table, shapes, drawn),
        *table.found("annotation-twice", np.array(later, dtype=np.int64), pair),
    ]


def _areas_off(table: Table, shapes: Shapes, drawn: Drawn) -> list[Finding]:
    """Areas neither of the pixels nor, as COCO's own are, of the polygons.

    COCO's crowd areas are up to a third larger than their masks; nothing depends on them.
    """
    enclosed = shapes.polygons.areas()
    off = ~table.crowd & (drawn.areas > 0)
    for truth in (drawn.areas, enclosed):
        off &= np.abs(table.areas - truth) > np.maximum(0.1 * truth, 16)
    words = ""
    if off.any():
        i = int(np.flatnonzero(off)[0])
        words = f"{table.areas[i]:.6g} where the mask has {drawn.areas[i]:.0f} pixels"
    return table.found("area-off", off, words)
