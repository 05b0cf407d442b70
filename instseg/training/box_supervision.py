"""Masks from boxes alone: BoxInst's losses (Tian et al., CVPR 2021) for the mask head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align

from instseg.training.crowds import Target

BACKGROUND = -20.0  # the logit of a cell that is not the object
PAIRS = ((0, 2), (2, 0), (2, 2), (2, -2))  # of the eight neighbours two cells away, each pair once
SIMILAR = 0.3
MARGIN = 2  # cells around a region, so that its outermost cells have all neighbours
WARM_UP = 1 / 9  # share of the steps: 10,000 of the 90,000 of COCO's usual schedule

_TO_XYZ = (
    (0.412453, 0.357580, 0.180423),
    (0.212671, 0.715160, 0.072169),
    (0.019334, 0.119193, 0.950227),
)
_WHITE = (0.95047, 1.0, 1.08883)  # D65


def pairwise_weight(step: int, steps: int) -> float:
    """The weight of the pairwise loss, which rises from 0 to 1 at the beginning of a run."""
    return min(step / max(steps * WARM_UP, 1), 1.0)


def with_photos(
    targets: Sequence[Target],
    batch: ImageList,
    mean: Sequence[float],
    std: Sequence[float],
    pairwise: float,
) -> list[Target]:
    """Targets whose objects without masks or points train masks by their boxes.

    Args:
        targets: Of each image, not changed.
        batch: The images, normalised.
        mean: Of the normalisation.
        std: Of the normalisation.
        pairwise: Weight of the pairwise loss, 0..1.

    Returns:
        The targets with `photo`, float32 RGB (3, H, W), 0..1, and `pairwise`.
    """
    center, scale = (batch.tensors.new_tensor(each)[:, None, None] for each in (mean, std))
    rgb = (batch.tensors * scale + center).clamp(0, 1).float()
    return [
        {**target, "photo": photo[:, :height, :width], "pairwise": pairwise}
        for target, photo, (height, width) in zip(targets, rgb, batch.image_sizes, strict=True)
    ]


def around_objects(boxes: Tensor, objects: Tensor) -> Tensor:
    """Boxes, (R, 4) xyxy, enlarged to contain their object's box.

    In a region with the whole object, the projections of its mask are exactly those of its box.
    """
    return torch.cat(
        [torch.minimum(boxes[:, :2], objects[:, :2]), torch.maximum(boxes[:, 2:], objects[:, 2:])],
        dim=1,
    )


def box_losses(
    logits: Tensor, boxes: Tensor, objects: Tensor, photo: Tensor, pairwise: float = 1.0
) -> Tensor:
    """The losses of masks whose objects have a box alone.

    Args:
        logits: float32 (R, M, M).
        boxes: (R, 4) xyxy in pixels of the photo, the regions of the masks; they contain `objects`.
        objects: (R, 4), the boxes of the objects.
        photo: RGB (3, H, W), 0..1.
        pairwise: Weight of the pairwise loss, 0..1.

    Returns:
        (R,): for each region the projection loss plus the weighted pairwise loss.
    """
    rows, columns = cells_inside(boxes, objects, logits.shape[-1])
    found = projection_losses(logits, rows, columns)
    if pairwise:
        # what lies around the region is not the object: a mask that fills its box has a price
        colors = region_colors(photo, boxes, logits.shape[-1], MARGIN)
        inside = F.pad(rows[:, :, None] & columns[:, None], (MARGIN,) * 4)
        padded = F.pad(logits, (MARGIN,) * 4, value=BACKGROUND)
        found = found + pairwise * pairwise_losses(padded, colors, inside)
    return found


def cells_inside(boxes: Tensor, objects: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Which rows and columns of regions have their centre in the object's box: bool (R, side)."""
    centers = (torch.arange(side, device=boxes.device) + 0.5) / side
    start, stop = boxes[:, None, :2], boxes[:, None, 2:]
    places = start + (stop - start) * centers[:, None]  # [R,side,2], x and y
    inside = (places >= objects[:, None, :2]) & (places <= objects[:, None, 2:])
    return inside[..., 1], inside[..., 0]


def projection_losses(logits: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """How far the projections of masks onto both axes differ from those of the boxes.

    Args:
        logits: (R, M, M).
        rows: bool (R, M), those in the object's box.
        columns: bool (R, M), likewise.

    Returns:
        (R,), the dice losses of both axes, each 0..1, added up.
    """
    masks = logits.sigmoid()
    return _dice(masks.amax(2), rows.float()) + _dice(masks.amax(1), columns.float())


def _dice(found: Tensor, wanted: Tensor) -> Tensor:
    shared = 2 * (found * wanted).sum(1)
    return 1 - shared / (found.square().sum(1) + wanted.square().sum(1) + 1e-5)


def pairwise_losses(logits: Tensor, colors: Tensor, inside: Tensor) -> Tensor:
    """How far cells of similar colour differ in their labels.

    Args:
        logits: (R, M, M).
        colors: (R, 3, M, M), CIELAB; NaN is similar to nothing.
        inside: bool (R, M, M), the cells in the object's box. A pair counts once for each of its
            cells that is inside.

    Returns:
        (R,): -log of the probability of equal labels, the mean over the pairs whose similarity is
        `SIMILAR` or more; 0 where there are none.
    """
    fore, back = F.logsigmoid(logits), F.logsigmoid(-logits)
    total, count = logits.new_zeros(len(logits)), logits.new_zeros(len(logits))
    for offset in PAIRS:
        (color, other), (fore1, fore2), (back1, back2), (in1, in2) = (
            _shifted(each, offset) for each in (colors, fore, back, inside)
        )
        similarity = (-0.5 * (color - other).norm(dim=1)).exp()
        weight = (similarity >= SIMILAR).to(logits.dtype) * (in1.to(logits.dtype) + in2)
        same = torch.logaddexp(fore1 + fore2, back1 + back2)
        total = total - (same * weight).sum((1, 2))
        count = count + weight.sum((1, 2))
    return total / count.clamp(min=1)


def _shifted(cells: Tensor, offset: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Two (..., H, W) views, in which a cell and that at an offset, down and right or left, match.

    Args:
        cells: (..., M, M).
        offset: Rows, at least 0, and columns.
    """
    down, right = offset
    height, width = cells.shape[-2:]
    first = cells[..., : height - down, max(-right, 0) : width - max(right, 0)]
    return first, cells[..., down:, max(right, 0) : width - max(-right, 0)]


def region_colors(photo: Tensor, boxes: Tensor, side: int, margin: int = 0) -> Tensor:
    """The mean colours of the cells of regions, and of further cells around them.

    Args:
        photo: RGB (3, H, W), 0..1.
        boxes: (R, 4) xyxy in pixels.
        side: Cells along each side of a region.
        margin: Further cells at each of its sides.

    Returns:
        CIELAB (R, 3, S, S), S = side + 2 * margin; NaN for cells outside the photo.
    """
    cells = (boxes[:, 2:] - boxes[:, :2]) / side
    around = torch.cat([boxes[:, :2] - margin * cells, boxes[:, 2:] + margin * cells], dim=1)
    count = side + 2 * margin
    rgb = roi_align(photo[None], [around.to(photo.dtype)], count, aligned=True).clamp(0, 1)
    frame = around.new_tensor([[0, 0, photo.shape[2], photo.shape[1]]]).expand(len(boxes), -1)
    rows, columns = cells_inside(around, frame, count)
    return to_lab(rgb).masked_fill(~(rows[:, None, :, None] & columns[:, None, None]), torch.nan)


def to_lab(rgb: Tensor) -> Tensor:
    """CIELAB (D65) of sRGB (N, 3, H, W), 0..1."""
    linear = torch.where(rgb > 0.04045, ((rgb + 0.055) / 1.055).pow(2.4), rgb / 12.92)
    # not a matrix product, which autocast would round to bfloat16
    xyz = (rgb.new_tensor(_TO_XYZ)[:, :, None, None] * linear[:, None]).sum(2)
    ratio = xyz / rgb.new_tensor(_WHITE)[:, None, None]
    f = torch.where(ratio > 0.008856, ratio.clamp(min=1e-6).pow(1 / 3), 7.787 * ratio + 16 / 116)
    x, y, z = f.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)
