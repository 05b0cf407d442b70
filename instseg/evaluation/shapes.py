"""Boxes and masks of a whole dataset, and the IoUs of those that overlap."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from instseg.core.boxes import corners_of, shared_areas
from instseg.core.masks import Masks, given_up
from instseg.core.rle import to_rles
from instseg.evaluation.boundary_iou import near_edge, width_of

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Kind = Literal["bbox", "segm", "boundary"]
Rle = dict[str, Any]
Pairs = tuple[Ints, Ints, Floats]
"""Shapes, regions and their IoUs, each (P,); sorted by shape, then by region."""

_MOST_AREAS = 255  # in one call of pycocotools, which keeps their number in 8 bits
_MOST_PAIRS = 2**20  # that are compared at once, so that memory stays small
_ROUNDING = 1e-9  # of areas


@dataclass(frozen=True, kw_only=True, eq=False)
class Shapes:
    """N boxes or masks.

    Attributes:
        kind: What IoUs are of.
        areas: float64 (N,), in pixels.
        boxes_xywh: float64 (N, 4); around masks, NaN until `corners` needs it.
        rles: Compressed masks; None for boxes.
    """

    kind: Kind
    areas: Floats
    boxes_xywh: Floats
    rles: Sequence[Rle] | None = None

    @classmethod
    def of_boxes(cls, boxes_xywh: Floats) -> Shapes:
        """Boxes (N, 4)."""
        return cls(kind="bbox", areas=boxes_xywh[:, 2] * boxes_xywh[:, 3], boxes_xywh=boxes_xywh)

    @classmethod
    def of_masks(
        cls, outlines: Sequence[Any], kind: Kind, size_hw: Callable[[int], tuple[int, int]]
    ) -> Shapes:
        """COCO segmentations.

        Args:
            outlines: N of them.
            kind: What to compare.
            size_hw: Gives the height and width of the image of one of them, to draw polygons in.
        """
        rles = [*outlines]
        other = [
            i for i, r in enumerate(rles) if type(r) is not dict or type(r["counts"]) is not str
        ]
        drawn = to_rles([rles[i] for i in other], [*map(size_hw, other)])
        for i, rle in zip(other, drawn, strict=True):
            rles[i] = rle
        return cls(
            kind=kind, areas=_areas(rles), boxes_xywh=np.full((len(rles), 4), np.nan), rles=rles
        )

    def take(self, rows: Ints) -> Shapes:
        """Some of the shapes."""
        return Shapes(
            kind=self.kind,
            areas=self.areas[rows],
            boxes_xywh=self.boxes_xywh[rows],
            rles=None if self.rles is None else [self.rles[i] for i in rows.tolist()],
        )

    def corners(self, rows: Ints) -> Floats:
        """The boxes of, or around, some of the shapes: xyxy (len(rows), 4)."""
        unknown = rows[np.isnan(self.boxes_xywh[rows, 0])]
        if self.rles is not None and len(unknown):
            self.boxes_xywh[unknown] = coco_mask.toBbox([self.rles[i] for i in unknown.tolist()])
        return corners_of(self.boxes_xywh[rows])


def _areas(rles: Sequence[Rle]) -> Floats:
    parts = [rles[i : i + _MOST_AREAS] for i in range(0, len(rles), _MOST_AREAS)]
    return np.concatenate([np.zeros(0), *map(coco_mask.area, parts)])


def overlapping(
    shapes: Shapes,
    groups: Ints,
    regions: Shapes,
    region_groups: Ints,
    crowd: NDArray[np.bool_],
    min_iou: float,
) -> Pairs:
    """Compare the shapes and regions of each group, as pycocotools does.

    Masks are compared only if their boxes and areas permit the IoU.

    Args:
        shapes: N detections.
        groups: (N,), the group of each, ascending.
        regions: M objects and crowd regions.
        region_groups: (M,), ascending.
        crowd: (M,), whether each is a crowd, where the IoU is the share of the shape inside.
        min_iou: Above 0.

    Returns:
        The pairs of at least this IoU.
    """
    first = np.searchsorted(region_groups, groups)
    counts = np.searchsorted(region_groups, groups, "right") - first
    ends = np.cumsum(counts)
    limits = np.searchsorted(ends, np.arange(_MOST_PAIRS, ends[-1:].sum(), _MOST_PAIRS))
    region_corners = regions.corners(np.arange(len(region_groups)))
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    least = min_iou * (1 - _ROUNDING)
    region_least = np.where(crowd, 0, least * regions.areas)  # of a shape, to overlap enough
    for rows in np.split(np.arange(len(groups)), limits):
        count = counts[rows]
        area = np.repeat(shapes.areas[rows], count)
        region = np.arange(len(area)) + np.repeat(first[rows] - np.cumsum(count) + count, count)
        near = (area >= region_least[region]) & (regions.areas[region] >= least * area)
        pairs = np.flatnonzero(near)  # which are few
        shape, region = np.repeat(rows, count)[pairs], region[pairs]
        is_next = np.diff(shape, prepend=-1) > 0
        corners = shapes.corners(shape[is_next])[np.cumsum(is_next) - 1]
        common = shared_areas(corners, region_corners[region])
        iou = _highest_ious(common, shapes, shape, regions, region, crowd)
        enough = iou >= min_iou
        parts.append((shape[enough], region[enough], iou[enough]))
    shape, region, iou = map(np.concatenate, zip(*parts, strict=True))
    if shapes.rles is None or regions.rles is None:
        return shape, region, iou
    iou = _mask_ious(shapes.rles, shape, regions.rles, region, crowd, groups[shape])
    if shapes.kind == "boundary":
        enough = iou >= min_iou
        shape, region, iou = shape[enough], region[enough], iou[enough]
        edges, region_edges = _boundaries(shapes.rles, shape), _boundaries(regions.rles, region)
        edge_iou = _mask_ious(edges, shape, region_edges, region, crowd, groups[shape])
        iou = np.where(crowd[region], iou, np.minimum(iou, edge_iou))
    enough = iou >= min_iou
    return shape[enough], region[enough], iou[enough]


def _highest_ious(
    common: Floats,
    shapes: Shapes,
    shape: Ints,
    regions: Shapes,
    region: Ints,
    crowd: NDArray[np.bool_],
) -> Floats:
    """IoUs of pairs of boxes, or the highest that areas permit.

    Args:
        common: (P,), in pixels; at most that, for masks.
        shapes: All of them.
        shape: (P,).
        regions: All of them.
        region: (P,).
        crowd: As in `overlapping`.
    """
    area, region_area = shapes.areas[shape], regions.areas[region]
    if shapes.rles is not None:
        common = np.minimum(common, np.minimum(area, region_area))
    union = np.where(crowd[region], area, area + region_area - common)
    return np.divide(common, union, out=np.zeros(len(shape)), where=np.greater(common, 0))


def _mask_ious(
    rles: Mapping[int, Rle] | Sequence[Rle],
    shape: Ints,
    region_rles: Mapping[int, Rle] | Sequence[Rle],
    region: Ints,
    crowd: NDArray[np.bool_],
    group: Ints,
) -> Floats:
    """IoUs of pairs of masks, one call of pycocotools for all pairs of a group.

    Args:
        rles: The masks.
        shape: (P,), of each pair.
        region_rles: Objects and crowds.
        region: (P,), of each pair; they ascend from group to group.
        crowd: As in `overlapping`.
        group: (P,), ascending.
    """
    if not len(shape):
        return np.zeros(0)
    used, row = np.unique(shape, return_inverse=True)
    used_regions, column = np.unique(region, return_inverse=True)
    masks = [rles[i] for i in used.tolist()]
    region_masks = [region_rles[i] for i in used_regions.tolist()]
    is_crowd = crowd[used_regions].astype(np.uint8)
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    rows, columns = np.append(row[starts], len(used)), np.minimum.reduceat(column, starts)
    columns = np.append(columns, len(used_regions))
    limits = zip(*(itertools.pairwise(each.tolist()) for each in (rows, columns)), strict=True)
    tables = [
        coco_mask.iou(masks[top:bottom], region_masks[left:right], is_crowd[left:right]).ravel("F")
        for (top, bottom), (left, right) in limits
    ]
    heights = np.diff(rows)
    ends = np.cumsum(heights * np.diff(columns))
    table_start = np.append(0, ends[:-1]) - rows[:-1] - heights * columns[:-1]
    of = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(shape)))
    ious: Floats = np.concatenate(tables)[table_start[of] + row + heights[of] * column]
    return ious


def _boundaries(rles: Sequence[Rle], chosen: Ints) -> dict[int, Rle]:
    """The boundaries of the chosen masks, by their index."""
    return {i: boundary_of(rles[i]) for i in np.unique(chosen).tolist()}


def boundary_of(rle: Rle) -> Rle:
    """The pixels of a mask near its edge: at most 2% of the image's diagonal away."""
    mask = Masks.from_rle([rle])
    crop = mask.crops[0]
    edge = crop & near_edge(crop.view(np.uint8), width_of(mask.size_hw))
    return Masks(
        size_hw=mask.size_hw, crops=(given_up(edge),), offsets_yx=mask.offsets_yx
    ).to_rle()[0]
