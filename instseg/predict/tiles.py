"""Merging the instances of tiles, of a mirrored photo, and across classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from instseg.core.instances import Instances, Masks

Window = tuple[slice, slice]

SAME_OBJECT_IOU = 0.5  # masks of one object in two predictions overlap at least this much
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
    ious = found.masks.iou(found.masks)
    kept: list[int] = []
    for i in order:
        if not (ious[i, kept] > iou_threshold).any():
            kept.append(int(i))
    return found[kept]


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

    An object at a seam is found in both tiles: if the masks agree inside the strip that the tiles
    share, their union is one object. An object too large for a tile is taken from the whole photo,
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
    groups = group_same(pieces, agreement_in_strips(pieces, tile_of, windows))
    joined = [union(pieces[group]) for group in groups]
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
    inside = small.masks.iou(large.masks, np.ones(len(large)))  # share of small's own area
    same_class = small.class_ids[:, None] == large.class_ids[None]
    return ((inside > SAME_OBJECT_IOU) & same_class).any(axis=1)


def agreement_in_strips(
    pieces: Instances, tile_of: NDArray[np.int64], windows: Sequence[Window]
) -> NDArray[np.bool_]:
    """Which pieces of different tiles agree inside the strip that both tiles see: bool (N, N)."""
    ious = np.zeros((len(pieces), len(pieces)))
    for a, b in combinations(range(len(windows)), 2):
        strip = shared(windows[a], windows[b])
        first, second = np.flatnonzero(tile_of == a), np.flatnonzero(tile_of == b)
        in_first, in_second = (clipped(pieces.masks[rows], strip) for rows in (first, second))
        ious[np.ix_(first, second)] = in_first.iou(in_second)
    same_class = pieces.class_ids[:, None] == pieces.class_ids[None]
    same = (ious > SAME_OBJECT_IOU) & same_class
    return same | same.T


def shared(one: Window, other: Window) -> Window:
    """The rectangle that two windows have in common."""
    y, x = (
        slice(max(a.start, b.start), max(min(a.stop, b.stop), max(a.start, b.start)))
        for a, b in zip(one, other, strict=True)
    )
    return y, x


def clipped(masks: Masks, window: Window) -> Masks:
    """The part of masks inside a window, as masks of an image of the window's size."""
    y, x = window
    return masks.placed((-y.start, -x.start), (y.stop - y.start, x.stop - x.start))


def group_same(found: Instances, same: NDArray[np.bool_]) -> list[list[int]]:
    """Groups of rows that are linked, directly or through others, best scored group first."""
    left = list(np.argsort(-found.scores, kind="stable"))
    groups = []
    while left:
        group, queue = [], [left.pop(0)]
        while queue:
            row = queue.pop()
            group.append(int(row))
            linked = [other for other in left if same[row, other]]
            queue += linked
            left = [other for other in left if other not in linked]
        groups.append(group)
    return groups
