"""Merging the instances of tiles, of a mirrored photo, and across classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import overlapping
from instseg.core.instances import Instances, Masks
from instseg.core.windows import Window
from instseg.predict.seams import SAME_OBJECT_IOU, group_pieces

LARGE_SHARE = 0.5  # objects larger than this share of a tile are taken from the whole photo


def tile_windows(size_hw: tuple[int, int], tile: int, overlap: float) -> list[Window]:
    """Squares of `tile` pixels that cover an image, evenly spread.

    Args:
        size_hw: Height and width in pixels.
        tile: Side of a square in pixels; a smaller image has one row (or column) of its own size.
        overlap: Least overlap of neighbours, as a share of their side, 0..0.9.

    Returns:
        Row and column slices.
    """
    step = int(tile * (1 - overlap))  # whole pixels, so that rounding the starts keeps the overlap

    def starts(size: int) -> list[int]:
        if size <= tile:
            return [0]
        count = int(np.ceil((size - tile) / step)) + 1
        return np.linspace(0, size - tile, count).round().astype(int).tolist()

    return [
        (slice(y, min(y + tile, size_hw[0])), slice(x, min(x + tile, size_hw[1])))
        for y in starts(size_hw[0])
        for x in starts(size_hw[1])
    ]


def drop_repeats(found: Instances, iou_threshold: float) -> Instances:
    """Greedy mask NMS across classes: of two that overlap more, the lower scored is removed."""
    order = np.argsort(-found.scores, kind="stable")
    masks = found.masks[order]
    areas = masks.areas().tolist()
    rivals: list[list[int]] = [[] for _ in order]  # of each, those before it that cover it
    for i, j in overlapping(masks.crop_boxes()).tolist():
        common = masks.shared_pixels(i, j)
        if common > iou_threshold * (areas[i] + areas[j] - common):
            rivals[j].append(i)
    kept: set[int] = set()
    for row, better in enumerate(rivals):
        if kept.isdisjoint(better):
            kept.add(row)
    return found[order[sorted(kept)]]


def join_flipped(found: Instances, mirrored: Instances) -> Instances:
    """Merge the predictions of a photo and of its mirror image.

    Args:
        found: Instances of the photo.
        mirrored: Instances of the mirror image, in its coordinates.

    Returns:
        Of each object the mask and box with the better score, with the mean of both scores; an
        object that only one of them has counts with score 0 in the other.
    """
    mirrored_boxes = mirrored.boxes.copy()
    mirrored_boxes[:, [0, 2]] = found.size_hw[1] - mirrored.boxes[:, [2, 0]]
    back = replace(mirrored, boxes=mirrored_boxes, masks=mirrored.masks.flipped())
    both = Instances.concatenate([found, back])
    scores = both.scores * np.float32(0.5)
    repeats = []
    for i, j in pairs_of_same(found, back):
        best, other = sorted((i, len(found) + j), key=lambda row: -both.scores[row])
        scores[best] += scores[other]
        repeats.append(other)
    return replace(both, scores=scores)[np.delete(np.arange(len(both)), repeats)]


def pairs_of_same(one: Instances, other: Instances) -> list[tuple[int, int]]:
    """Rows of the same objects in two predictions, by class and mask; best overlap first."""
    same_class = one.class_ids[:, None] == other.class_ids[None]
    ious = one.masks.iou(other.masks) * same_class
    pairs = []
    while ious.max(initial=0) > SAME_OBJECT_IOU:
        i, j = np.unravel_index(ious.argmax(), ious.shape)
        pairs.append((int(i), int(j)))
        ious[i] = ious[:, j] = 0
    return pairs


def join_tiles(
    parts: Sequence[Instances], windows: Sequence[Window], whole: Instances
) -> Instances:
    """Merge the instances of tiles with those of the whole photo.

    An object at a seam is found in both tiles; `group_pieces` tells which pieces belong together,
    and their union is one object. An object too large for a tile is taken from the whole photo,
    and its pieces are removed.

    Args:
        parts: The instances of each tile, in the tile's coordinates.
        windows: Where each tile lies.
        whole: The instances of the whole photo.
    """
    placed = [
        on_canvas(part, window, whole.size_hw) for part, window in zip(parts, windows, strict=True)
    ]
    pieces = Instances.concatenate(placed)
    tile_of = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    joined = [union(pieces[rows]) for rows in group_pieces(pieces, tile_of, windows, whole)]
    tile_side = max(max(y.stop - y.start, x.stop - x.start) for y, x in windows)
    sides = (whole.boxes[:, 2:] - whole.boxes[:, :2]).max(axis=1, initial=0)
    large = whole[sides > LARGE_SHARE * tile_side]
    empty = Instances.empty(whole.size_hw, whole.class_names)
    small = Instances.concatenate([empty, *joined])
    return Instances.concatenate([large, small[~covered(small, large)]])


def on_canvas(part: Instances, window: Window, size_hw: tuple[int, int]) -> Instances:
    """A tile's instances in the coordinates of the photo."""
    y, x = window[0].start, window[1].start
    boxes = part.boxes + np.array([x, y, x, y], dtype=np.float32)
    return replace(part, boxes=boxes, masks=part.masks.placed((y, x), size_hw))


def union(pieces: Instances) -> Instances:
    """Several pieces of one object as one: all their pixels, the best score."""
    if len(pieces) == 1:
        return pieces
    low, high = pieces.boxes[:, :2].min(axis=0), pieces.boxes[:, 2:].max(axis=0)
    return replace(
        pieces[0],
        boxes=np.concatenate([low, high])[None],
        scores=pieces.scores.max(keepdims=True),
        masks=pieces.masks.union(),
    )


def covered(small: Instances, large: Instances) -> NDArray[np.bool_]:
    """Which of `small` lie mostly inside an instance of `large` of the same class: bool (N,)."""
    hidden = np.zeros(len(small), dtype=bool)
    boxes, areas = small.masks.crop_boxes(), small.masks.areas()
    both = Masks.concatenate([small.masks, large.masks])
    for number, box in enumerate(large.masks.crop_boxes(), start=len(small)):
        near = (boxes[:, :2] < box[2:]).all(axis=1) & (boxes[:, 2:] > box[:2]).all(axis=1)
        near &= (small.class_ids == large.class_ids[number - len(small)]) & ~hidden
        for row in np.flatnonzero(near).tolist():
            hidden[row] = both.shared_pixels(row, number) > SAME_OBJECT_IOU * areas[row]
    return hidden
