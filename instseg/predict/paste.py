"""From the network's soft masks to masks of the photo, pixel for pixel as torchvision pastes them.

Torchvision pastes each soft mask into a float image of full size and leaves the threshold to the
user. Here only the pixels of the box are computed, and the threshold is applied at once. On a GPU
the pixels of all masks of a batch are computed together, and copied to the CPU together.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from instseg.core.masks import Masks, given_up

THRESHOLD = 0.5
PIXELS_AT_ONCE = 2**24  # of masks on a GPU: 2 GB of memory
STRIP_PIXELS = 2**22  # of a mask that are computed at once


def paste_batch(
    soft: Sequence[Tensor], boxes: Sequence[Tensor], sizes_hw: Sequence[tuple[int, int]]
) -> list[Masks]:
    """Paste the masks of each of several photos; see `paste_masks`."""
    if all(each.device.type == "cpu" for each in soft):
        return [paste_masks(*photo) for photo in zip(soft, boxes, sizes_hw, strict=True)]
    return paste_together(soft, boxes, sizes_hw)


def paste_masks(soft: Tensor, boxes: Tensor, size_hw: tuple[int, int]) -> Masks:
    """Resize soft masks to their boxes and threshold them.

    The soft mask is padded by one cell and the box grown in proportion, so that the resize sees
    the border; boxes are truncated to whole pixels and include their last one; bilinear, with
    half-pixel centres. This is torchvision's rule, and its `>= 0.5`.

    Args:
        soft: (N, M, M) probabilities.
        boxes: (N, 4) xyxy in pixels of the photo.
        size_hw: Height and width of the photo.

    Returns:
        N masks.
    """
    soft = F.pad(soft.detach().float().cpu(), (1, 1, 1, 1))
    cells = soft.shape[-1]
    whole = grow_boxes(boxes.detach().float().cpu(), cells / (cells - 2)).to(torch.int64)
    crops: list[NDArray[np.bool_]] = []
    offsets: list[tuple[int, int]] = []
    for mask, (x0, y0, x1, y1) in zip(soft, whole.tolist(), strict=True):
        height, width = max(y1 - y0 + 1, 1), max(x1 - x0 + 1, 1)
        crops.append(given_up(enlarged(mask, (height, width)).numpy()))
        offsets.append((y0, x0))
    return Masks.from_crops(crops, np.array(offsets, dtype=np.int64).reshape(-1, 2), size_hw)


def paste_together(
    soft: Sequence[Tensor], boxes: Sequence[Tensor], sizes_hw: Sequence[tuple[int, int]]
) -> list[Masks]:
    """The same as `paste_batch` with a fixed number of calls, for masks on a GPU."""
    flat = F.pad(torch.cat(list(soft)).detach().float(), (1, 1, 1, 1))  # [N,M,M]
    cells = flat.shape[-1]
    known = torch.cat(list(boxes)).detach().float().cpu()
    start, stop = grow_boxes(known, cells / (cells - 2)).to(torch.int64).split(2, dim=1)  # as xy
    extent = (stop - start + 1).clamp(min=1)
    counts = [len(each) for each in boxes]
    limits = torch.tensor(sizes_hw).flip(1).repeat_interleave(torch.tensor(counts), dim=0)
    first = start.clamp(min=0)  # of the pixels inside the photo
    sides = (torch.minimum(start + extent, limits) - first).clamp(min=0)
    pixels = sides.prod(1)
    windows = torch.cat([first - start, extent, sides], dim=1)
    values = _mask_pixels(flat, windows, pixels)
    found = []
    sliced = zip(first.split(counts), sides.split(counts), pixels.split(counts), strict=True)
    for (offsets, shapes, areas), size_hw in zip(sliced, sizes_hw, strict=True):
        own, values = np.split(values, [int(areas.sum())])
        parts = np.split(given_up(own.copy()), areas.cumsum(0)[:-1].numpy())
        crops = [part.reshape(h, w) for part, (w, h) in zip(parts, shapes.tolist(), strict=False)]
        found.append(Masks.from_crops(crops, offsets.flip(1).numpy(), size_hw))
    return found


def _mask_pixels(soft: Tensor, windows: Tensor, pixels: Tensor) -> NDArray[np.bool_]:
    """The pixels of all masks, row by row and one mask after the other, on the CPU.

    Args:
        soft: float32 (N, M, M), padded.
        windows: int64 (N, 6), for each mask the first pixel inside the photo, the size of the
            whole mask, and that of the part inside, each as x and y.
        pixels: int64 (N,), the pixels inside.
    """
    ends = pixels.cumsum(0)
    values = torch.empty(int(pixels.sum()), dtype=torch.bool, device=soft.device)
    begin = 0
    while begin < len(pixels):
        done = int(ends[begin] - pixels[begin])
        end = max(int((ends <= done + PIXELS_AT_ONCE).sum()), begin + 1)
        part, total = slice(begin, end), int(ends[end - 1]) - done
        table = torch.cat([windows[part], (ends - pixels - done)[part, None]], dim=1)
        table = table.to(torch.int32)
        if soft.device.type == "cuda":
            table = table.pin_memory()
        table = table.to(soft.device, non_blocking=True)
        values[done : done + total] = _interpolated(soft[part], table, total) >= THRESHOLD
        begin = end
    return values.cpu().numpy()


def _interpolated(soft: Tensor, table: Tensor, total: int) -> Tensor:
    """The values of all pixels, float32 (total,); as `interpolate` computes them.

    Args:
        soft: float32 (N, M, M).
        table: int32 (N, 7), as `windows`, and where each mask's pixels begin.
        total: Pixels of all masks.
    """
    cells = soft.shape[-1]
    numbers = torch.arange(max(total, len(soft)), dtype=torch.int32, device=soft.device)
    areas = table[:, 4] * table[:, 5]
    mask = torch.repeat_interleave(numbers[: len(soft)], areas, output_size=total)
    before_x, before_y, width, height, wide, _, begin = table[mask].unbind(1)
    row, column = _divided(numbers[:total] - begin, wide)
    low_x, share_x = _places(column + before_x, width, cells)
    low_y, share_y = _places(row + before_y, height, cells)
    high_x, high_y = (low_x + 1).clamp(max=cells - 1), (low_y + 1).clamp(max=cells - 1)
    flat, first = soft.flatten(), mask * cells**2
    upper = first + low_y * cells
    lower = first + high_y * cells
    left = 1 - share_x
    above = flat[upper + low_x] * left + flat[upper + high_x] * share_x
    below = flat[lower + low_x] * left + flat[lower + high_x] * share_x
    return above * (1 - share_y) + below * share_y


def _divided(number: Tensor, divisor: Tensor) -> tuple[Tensor, Tensor]:
    quotient = torch.div(number, divisor, rounding_mode="floor")
    return quotient, number - quotient * divisor


def _places(pixel: Tensor, extent: Tensor, cells: int) -> tuple[Tensor, Tensor]:
    """The cell before the middle of each pixel, and the weight of the one after it."""
    place = ((pixel + 0.5) * (cells / extent.float()) - 0.5).clamp(min=0)
    low = place.to(torch.int32)
    return low, place - low


def enlarged(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """A soft mask (M, M) at another size, bilinear, thresholded: bool (H, W).

    Large ones are made in strips, equal but for rounding, as floats take four times the memory.
    """
    height, width = size_hw
    if height * width <= STRIP_PIXELS:
        return _stretched(mask, size_hw) >= THRESHOLD
    places = ((torch.arange(height) + 0.5) * (len(mask) / height) - 0.5).clamp(min=0)
    inside = torch.empty(size_hw, dtype=torch.bool)
    step = max(STRIP_PIXELS // width, 1)
    for rows, strip in zip(places.split(step), inside.split(step), strict=True):
        above = rows.long().clamp(max=len(mask) - 1)
        below = (above + 1).clamp(max=len(mask) - 1)
        lines = torch.lerp(mask[above], mask[below], (rows - above)[:, None])
        torch.ge(_stretched(lines, (len(rows), width)), THRESHOLD, out=strip)
    return inside


def _stretched(mask: Tensor, size_hw: tuple[int, int]) -> Tensor:
    return F.interpolate(mask[None, None], size=size_hw, mode="bilinear", align_corners=False)[0, 0]


def grow_boxes(boxes: Tensor, factor: float) -> Tensor:
    """(N, 4) xyxy boxes grown about their centres, in torchvision's order of operations."""
    half = (boxes[:, 2:] - boxes[:, :2]) * 0.5 * factor
    centre = (boxes[:, 2:] + boxes[:, :2]) * 0.5
    return torch.cat([centre - half, centre + half], dim=1)
