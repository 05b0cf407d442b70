"""COCO's run-length coding, to and from a crop of the image.

A mask of H x W is read column by column; `counts` holds the lengths of its runs, alternating
between background and mask and beginning with background. The compressed form is pycocotools'
string. No full-size image is made: time and memory depend on the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

MOST_DIGITS = 7  # of 5 bits each, in a run's code: there is no run of more than 2^32 pixels
FARTHEST_PX = 1_000_000  # coordinates of polygons; pycocotools' memory grows with the outline

LONGEST_OUTLINE_PX = 5_000_000
"""Length of all polygons of a mask: pycocotools uses fifty bytes of memory per pixel of it."""

_MERGED_AT_ONCE = 16
MOST_PIXELS = 2**32 - 1  # of an image: a run's length has 32 bits in pycocotools


def encode_crops(
    crops: Sequence[NDArray[np.bool_]], offsets_yx: NDArray[np.int64], size_hw: tuple[int, int]
) -> list[dict[str, Any]]:
    """COCO RLE of masks given as crops, byte for byte what pycocotools writes.

    Args:
        crops: N bool arrays (h_i, w_i).
        offsets_yx: (N, 2), the image pixel of each crop's first pixel; crops lie inside the image.
        size_hw: the image.

    Returns:
        N dicts `{"size": [H, W], "counts": str}`.

    Raises:
        ValueError: for an image of more than 2^32 pixels.
    """
    _check_size(size_hw)
    if not len(crops):
        return []
    size = list(size_hw)
    runs = [
        {"size": size, "counts": _runs(crop, y, x, size_hw)}
        for crop, (y, x) in zip(crops, offsets_yx.tolist(), strict=True)
    ]
    compressed = coco_mask.frPyObjects(runs, *size_hw)
    return [{"size": list(size), "counts": rle["counts"].decode("ascii")} for rle in compressed]


def to_rle(outline: Any, size_hw: tuple[int, int]) -> dict[str, Any]:
    """A COCO segmentation as compressed RLE.

    Args:
        outline: Polygons, which are checked, or RLE, which is not.
        size_hw: the image.

    Raises:
        ValueError: for a polygon that is not at least 3 points, or reaches too far, and for an
            image of more than 2^32 pixels.
    """
    _check_size(size_hw)
    if isinstance(outline, list):
        return polygons_to_rle(outline, size_hw)
    plain = isinstance(outline["counts"], list)
    return dict(coco_mask.frPyObjects(outline, *size_hw) if plain else outline)


def to_rles(outlines: Sequence[Any], sizes_hw: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """COCO segmentations, each in its own image, as `to_rle` gives them, but faster."""
    found: list[Any] = [None] * len(outlines)
    rows = [i for i, each in enumerate(outlines) if type(each) is list and len(each) == 1]
    parts = _plain([outlines[i][0] for i in rows]) or []
    if max(map(len, parts), default=0) * _farthest_px(parts) <= LONGEST_OUTLINE_PX:
        of_size: dict[tuple[int, int], list[int]] = {}
        for part, i in enumerate(rows[: len(parts)]):
            of_size.setdefault(sizes_hw[i], []).append(part)
        for size_hw, chosen in of_size.items():
            _check_size(size_hw)
            drawn = coco_mask.frPyObjects([parts[part] for part in chosen], *size_hw)
            for part, rle in zip(chosen, drawn, strict=True):
                found[rows[part]] = rle
    rest = zip(found, outlines, sizes_hw, strict=True)
    return [rle or to_rle(outline, size_hw) for rle, outline, size_hw in rest]


def polygons_to_rle(
    polygons: Sequence[Sequence[float]], size_hw: tuple[int, int]
) -> dict[str, Any]:
    """One mask of COCO polygons as compressed RLE, rasterised by pycocotools.

    Args:
        polygons: each flat [x0, y0, x1, y1, ...] in pixels; without any, the mask is empty.
        size_hw: the image.

    Raises:
        ValueError: as `to_rle`.
    """
    _check_size(size_hw)
    height, width = size_hw
    if not len(polygons):
        empty = {"size": [height, width], "counts": [height * width]}
        return dict(coco_mask.frPyObjects(empty, height, width))
    return union(coco_mask.frPyObjects(_checked(polygons), height, width))


def union(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The union of one or more compressed RLE, in time n log n of their number."""
    while len(parts) > 1:
        starts = range(0, len(parts), _MERGED_AT_ONCE)
        parts = [coco_mask.merge(parts[start : start + _MERGED_AT_ONCE]) for start in starts]
    return dict(parts[0])


def _check_size(size_hw: tuple[int, int]) -> None:
    """Raise ValueError for an image that pycocotools would crash on."""
    height, width = size_hw
    if height * width > MOST_PIXELS:
        raise ValueError(f"an image of {width} x {height} pixels is too large for masks")


def _checked(polygons: Sequence[Sequence[float]]) -> list[NDArray[np.float64]]:
    """Polygons as arrays, checked: all at once, as there may be many thousands."""
    parts = _plain(polygons) or [_polygon(part) for part in polygons]
    if _farthest_px(parts) * sum(map(len, parts)) <= LONGEST_OUTLINE_PX:
        return parts  # as no step is longer than twice the farthest coordinate
    flat = np.concatenate(parts)
    starts = np.cumsum([0, *map(len, parts[:-1])]) // 2
    points = flat.reshape(-1, 2)
    following = np.arange(1, len(points) + 1)
    following[np.append(starts[1:], len(points)) - 1] = starts
    length_px = np.abs(points - points[following]).max(axis=1).sum()
    if length_px > LONGEST_OUTLINE_PX:
        raise ValueError(
            f"polygons: an outline of {length_px:,.0f} pixels is longer than the limit of "
            f"{LONGEST_OUTLINE_PX:,}"
        )
    return parts


def _farthest_px(parts: Sequence[NDArray[np.float64]]) -> float:
    """The largest coordinate, positive or negative; 0 without any."""
    flat = parts[0] if len(parts) == 1 else np.concatenate([np.zeros(1), *parts])
    return float(max(flat.max(), -flat.min()))


def _plain(polygons: Sequence[Sequence[float]]) -> list[NDArray[np.float64]] | None:
    """Polygons as arrays; None unless all are lists of at least 3 points near enough."""
    lengths = [len(part) if type(part) is list else 0 for part in polygons]
    if not lengths or any(length < 6 or length % 2 for length in lengths):
        return None
    try:
        flat = np.fromiter(chain.from_iterable(polygons), np.float64, sum(lengths))
    except (TypeError, ValueError):
        return None
    if not (flat.min() > -FARTHEST_PX and flat.max() < FARTHEST_PX):  # also for NaN
        return None
    limits = np.cumsum([0, *lengths]).tolist()
    return [flat[start:end] for start, end in pairwise(limits)]


def _polygon(flat_xy: Sequence[float]) -> NDArray[np.float64]:
    """One polygon, checked: pycocotools takes four numbers for a box, and crashes on far points."""
    points = np.asarray(flat_xy, dtype=np.float64)
    flat = points.ndim == 1 and len(points) >= 6 and len(points) % 2 == 0
    if not flat or not (np.abs(points) < FARTHEST_PX).all():
        raise ValueError(
            "polygon: expected at least 3 finite points as flat [x0, y0, x1, y1, ...], each below "
            f"{FARTHEST_PX:,} pixels, got shape {points.shape}: {points.ravel()[:8].tolist()}"
        )
    return points


def decode_crop(
    counts: str | bytes | Sequence[int], size_hw: tuple[int, int]
) -> tuple[NDArray[np.bool_], tuple[int, int]]:
    """The tight crop of one mask, and the (y, x) of its first pixel.

    Args:
        counts: compressed (str or bytes) or plain run lengths; a missing last run is background.
        size_hw: the image.

    Raises:
        ValueError: when the runs do not fit the image.
    """
    height, width = size_hw
    if isinstance(counts, str | bytes):
        lengths = _decompress(counts)
    else:
        lengths = np.asarray(counts, dtype=np.int64)
    edges = np.cumsum(lengths)
    if (np.diff(edges, prepend=0, append=height * width) < 0).any():
        raise ValueError(
            f"RLE counts: expected runs of 0 or more pixels, {height * width} in all "
            f"for a {height} x {width} image, got {lengths.sum()} in all, shortest {lengths.min()}"
        )
    starts, ends = edges[:-1:2], edges[1::2]
    filled = starts < ends
    starts, ends = starts[filled], ends[filled]
    if not len(starts):
        return np.zeros((0, 0), dtype=bool), (0, 0)

    x_first, y_first = np.divmod(starts, height)
    x_last, y_last = np.divmod(ends - 1, height)
    wraps = (x_first < x_last).any()  # a run over two columns touches bottom and top
    top, bottom = (0, height) if wraps else (int(y_first.min()), int(y_last.max()) + 1)
    left, right = int(x_first[0]), int(x_last[-1]) + 1
    crop_h, crop_w = bottom - top, right - left

    first = (x_first - left) * crop_h + (y_first - top)  # runs, now in the crop's own columns
    edges = np.stack([first, first + (ends - starts)], axis=1).ravel()
    lengths = np.diff(edges, prepend=0, append=crop_h * crop_w)
    columns = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(crop_w, crop_h)
    return np.ascontiguousarray(columns.T), (top, left)


def pixels_in(counts: str | bytes | Sequence[int]) -> int:
    """Total length of runs, which should equal the pixels of the image; see `decode_crop`."""
    lengths = _decompress(counts) if isinstance(counts, str | bytes) else counts
    return int(sum(lengths))


def _runs(
    crop: NDArray[np.bool_], top: int, left: int, size_hw: tuple[int, int]
) -> NDArray[np.int64]:
    """Run lengths of the whole image, found from the edges between crop rows alone."""
    height, width = size_hw
    crop_h, crop_w = crop.shape
    rows = np.zeros((crop_h + 2, crop_w), dtype=bool)  # `np.diff` is slow for small arrays
    rows[1:-1] = crop
    y, x = np.divmod(np.flatnonzero(rows[1:] != rows[:-1]), max(crop_w, 1))
    edges = np.sort((x + left) * height + (y + top))
    if crop_h == height:  # a run that continues in the next column has no edge there
        joins = np.flatnonzero(edges[1:] == edges[:-1])
        edges = np.delete(edges, np.concatenate([joins, joins + 1]))
    limits = np.concatenate([[0], edges[edges < height * width], [height * width]])
    return np.diff(limits)


def _decompress(counts: str | bytes) -> NDArray[np.int64]:
    """Run lengths from pycocotools' string.

    From the fourth run on, the string holds the difference to the run two before.
    """
    raw = counts.encode("ascii") if isinstance(counts, str) else counts
    codes = codes_of(raw)
    if (codes > 63).any() or (codes[-1:] > 31).any():
        raise ValueError(
            f'RLE counts: expected characters "0" to "o", the last below "P", got {raw[-20:]!r}'
        )
    values, ends = integers_of(codes)
    if (np.diff(ends, prepend=-1) > MOST_DIGITS).any():
        raise ValueError("RLE counts: a run is longer than any image")
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def codes_of(counts: bytes) -> NDArray[np.uint8]:
    """The characters of pycocotools' string as numbers, 0..63 if it is valid."""
    return np.frombuffer(counts, dtype=np.uint8) - np.uint8(48)


def integers_of(codes: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The signed integers that codes represent, and the index in `codes` where each ends.

    An integer is one code or more, of 5 bits each, low first; bit 6 says that more follows, and the
    highest bit is the sign. Of an integer of more than `MOST_DIGITS` codes the value is wrong.

    Args:
        codes: Each 0..63, the last below 32; of any type of whole numbers.
    """
    ends = np.flatnonzero(codes < 32)
    values = (codes[ends].astype(np.int64) ^ 16) - 16
    before = ends - 1  # -1 is the last code, below 32
    rows = np.flatnonzero(codes[before] >= 32)
    at = before[rows]
    for _ in range(MOST_DIGITS - 1):
        values[rows] = values[rows] << 5 | (codes[at] & 31)
        at -= 1
        going = codes[at] >= 32
        rows, at = rows[going], at[going]
    return values, ends
