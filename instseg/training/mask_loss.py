"""The loss of the mask head: from masks, labelled points or boxes, whichever an object has."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from instseg.training.box_supervision import around_objects, box_losses
from instseg.training.crowds import Target
from instseg.training.point_supervision import has_points, point_losses

NOTHING, MASK, POINTS, BOX = range(4)


def mask_sources(target: Target) -> Tensor:
    """What each object of an image trains masks by: int64 (N,), `NOTHING` to `BOX`.

    An object without a mask (`has_mask`, bool (N,)) has points, if any are in `points`, float32
    (N, P, 3); else its box, if the target has a `photo`.
    """
    found = torch.full_like(target["labels"], MASK)
    if "has_mask" not in target:
        return found
    without = ~target["has_mask"]
    found[without] = BOX if "photo" in target else NOTHING
    pointed = has_points(target)
    if pointed is not None:
        found[without & pointed] = POINTS
    return found


def trains_masks(target: Target) -> bool:
    """Whether a photo has an object that trains masks, or may have one."""
    return bool((mask_sources(target) > 0).any()) if "has_mask" in target else True


def mask_regions(
    boxes: Tensor, labels: Tensor, matched: Tensor, target: Target
) -> tuple[Tensor, Tensor]:
    """The regions of an image in which masks are trained.

    Args:
        boxes: (R, 4) xyxy, the sampled boxes.
        labels: int64 (R,), 0 for the background.
        matched: int64 (R,), the object of each box.
        target: Of the image.

    Returns:
        (S, 4) boxes and int64 (S,) objects: the boxes whose object trains masks; one trained by its
        box alone is enlarged to contain that.
    """
    found = torch.where(labels > 0)[0]
    sources = mask_sources(target)[matched[found]]
    found, sources = found[sources > 0], sources[sources > 0]
    boxes, matched = boxes[found], matched[found]
    by_box = (sources == BOX)[:, None]
    if by_box.any():
        boxes = torch.where(by_box, around_objects(boxes, target["boxes"][matched]), boxes)
    return boxes, matched


def mask_loss(
    logits: Tensor, boxes: list[Tensor], matched: list[Tensor], targets: list[Target]
) -> Tensor:
    """The mean loss of the regions: torchvision's mask loss, where all objects have masks.

    Args:
        logits: (R, K, M, M), for the boxes of all images; K = 1 for all classes together.
        boxes: For each image (R_i, 4) xyxy.
        matched: For each image int64 (R_i,), the object of each box.
        targets: For each image its objects, with `masks` as `MaskTargets`.
    """
    images = list(zip(boxes, matched, targets, strict=True))
    labels = torch.cat([target["labels"][rows] for _, rows, target in images])
    if not len(labels):
        return logits.sum() * 0
    channels = labels if logits.shape[1] > 1 else torch.zeros_like(labels)
    own = logits[torch.arange(len(labels), device=labels.device), channels]
    if all(bool((mask_sources(target)[rows] == MASK).all()) for _, rows, target in images):
        side = logits.shape[-1]
        wanted = torch.cat([target["masks"].on_boxes(b, rows, side) for b, rows, target in images])
        return F.binary_cross_entropy_with_logits(own, wanted)
    parts = own.float().split([len(rows) for rows in matched])
    each = [_losses(part, *image) for part, image in zip(parts, images, strict=True)]
    return torch.cat(each).mean()


def _losses(logits: Tensor, boxes: Tensor, matched: Tensor, target: Target) -> Tensor:
    """The loss of each region of an image, (R,), from float32 logits (R, M, M)."""
    sources, found = mask_sources(target)[matched], logits.new_zeros(len(matched))
    for source in sources.unique().tolist():
        (here,) = torch.where(sources == source)
        given, regions, rows = logits[here], boxes[here], matched[here]
        if source == MASK:
            wanted = target["masks"].on_boxes(regions, rows, logits.shape[-1])
            losses = F.binary_cross_entropy_with_logits(given, wanted, reduction="none")
            found[here] = losses.mean((1, 2))
        elif source == POINTS:
            found[here] = point_losses(given, regions, target["points"][rows])
        else:
            objects, photo = target["boxes"][rows], target["photo"]
            found[here] = box_losses(given, regions, objects, photo, target["pairwise"])
    return found
