"""Windows of large photos in training: where they lie, and what of the labels they show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from instseg.core.boxes import box_areas, shared_areas
from instseg.core.masks import Masks
from instseg.core.windows import Window, corners_of_window
from instseg.data.labels import PhotoLabels

VISIBLE_SHARE = 0.25  # an object of which a window shows less is neither object nor background


def around_objects(
    boxes: NDArray[np.float64], size_hw: tuple[int, int], tile: int, rng: np.random.Generator
) -> list[Window]:
    """As many random windows as it takes to show every object whole.

    One after the other, in random order, each object that no earlier window shows whole gets a
    window, at a random place where it lies inside. Of an object that is larger than a window, the
    window shows a part.

    Args:
        boxes: float64 (N, 4), xyxy in pixels of the photo, inside it.
        size_hw: Height and width of the photo.
        tile: Side of a window; less where the photo is smaller.
        rng: Of all random numbers.
    """
    seen = np.zeros(len(boxes), dtype=np.bool_)
    windows = []
    for row in rng.permutation(len(boxes)).tolist():
        if seen[row]:
            continue
        x0, y0, x1, y1 = boxes[row].tolist()
        window = (_around(y0, y1, size_hw[0], tile, rng), _around(x0, x1, size_hw[1], tile, rng))
        windows.append(window)
        low, high = np.split(np.array(corners_of_window(window)), 2)
        seen |= ((boxes[:, :2] >= low) & (boxes[:, 2:] <= high)).all(axis=1)
    return windows


def without_objects(
    boxes: NDArray[np.float64],
    size_hw: tuple[int, int],
    tile: int,
    tries: int,
    rng: np.random.Generator,
) -> list[Window]:
    """Random windows that no object touches.

    Args:
        boxes: As for `around_objects`.
        size_hw: As there.
        tile: As there.
        tries: Number of windows that are tried, at least 1.
        rng: Of all random numbers.

    Returns:
        Those of them without objects: none where there is no room.
    """
    sides = [min(tile, size) for size in size_hw]
    starts = [
        rng.integers(0, size - side + 1, tries) for size, side in zip(size_hw, sides, strict=True)
    ]
    windows = [
        (slice(y, y + sides[0]), slice(x, x + sides[1]))
        for y, x in zip(*(each.tolist() for each in starts), strict=True)
    ]
    corners = np.array([corners_of_window(window) for window in windows])
    touched = (shared_areas(corners[:, None], boxes) > 0).any(axis=1)
    return [windows[i] for i in np.flatnonzero(~touched).tolist()]


def seen_in(labels: PhotoLabels, window: Window) -> PhotoLabels:
    """What a window shows of the labels of a photo, in its own pixels.

    Masks, boxes and points are clipped, not resized. Objects of which less than `VISIBLE_SHARE` of
    the area is visible become ignored regions.

    Args:
        labels: The labels of the photo.
        window: Inside the photo.
    """
    y, x = window
    size_hw = (y.stop - y.start, x.stop - x.start)
    offset_yx = (-y.start, -x.start)
    before, found = labels.instances.masks, labels.boxes
    masks, crowds = (each.placed(offset_yx, size_hw) for each in (before, labels.crowds))
    instances = replace(labels.instances, masks=masks, boxes=masks.boxes_xyxy())
    shown = masks.areas() > 0
    shares = masks.areas() / before.areas().clip(1)
    shift = np.array(offset_yx[::-1] * 2, dtype=np.float32)
    corners = (found.boxes + shift).clip(0, size_hw[::-1] * 2).astype(np.float32)
    old, new = box_areas(found.boxes), box_areas(corners)
    box_shares = np.divide(new, old, out=np.zeros_like(new), where=old > 0)
    there = new > 0
    points = found.points.copy()
    points[..., :2] += shift[:2]
    outside = ((points[..., :2] < 0) | (points[..., :2] > size_hw[::-1])).any(axis=-1)
    points[..., 2] = np.where(outside, -1, points[..., 2])
    cut = replace(
        labels,
        instances=instances[shown],
        crowds=crowds[crowds.areas() > 0],
        boxes=replace(
            found, boxes=corners[there], class_ids=found.class_ids[there], points=points[there]
        ),
    )
    return ignoring(cut, shares[shown] < VISIBLE_SHARE, box_shares[there] < VISIBLE_SHARE)


def only_large(labels: PhotoLabels, least_px: float) -> PhotoLabels:
    """The labels of a photo, in which objects whose longer side is shorter are ignored."""

    def small(boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
        return (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) < least_px

    return ignoring(labels, small(labels.instances.boxes), small(labels.boxes.boxes))


def ignoring(
    labels: PhotoLabels, instances: NDArray[np.bool_], boxes: NDArray[np.bool_]
) -> PhotoLabels:
    """Labels of which some objects become regions that are neither objects nor background.

    Args:
        labels: Of a photo.
        instances: Which objects with masks, bool (N,).
        boxes: Which objects without masks, bool (M,).
    """
    ignored = labels.instances.masks[instances]
    return replace(
        labels,
        instances=labels.instances[~instances],
        crowds=Masks.concatenate([labels.crowds, ignored]),
        boxes=replace(labels.boxes, class_ids=np.where(boxes, 0, labels.boxes.class_ids)),
    )


def _around(low: float, high: float, size: int, tile: int, rng: np.random.Generator) -> slice:
    """A random range of `tile` pixels, or of all, that has low..high inside or lies inside it."""
    side = min(tile, size)
    first, last = sorted((int(np.ceil(high)) - side, int(low)))
    start = int(rng.integers(max(first, 0), min(last, size - side) + 1))
    return slice(start, start + side)
