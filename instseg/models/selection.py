"""Which boxes are kept, as torchvision keeps them, without work for those that cannot be."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import batched_nms, clip_boxes_to_image, nms, remove_small_boxes

SMALLEST_BOX_PX = 1e-2  # torchvision's
FEW_BOXES = 1000  # up to which torchvision suppresses all classes at once on a CPU


def best_proposals(
    rpn: RegionProposalNetwork, batch: ImageList, logits: list[Tensor], deltas: list[Tensor]
) -> list[Tensor]:
    """The proposals of each image (R_i, 4), in pixels of the network's input, best first.

    Only the boxes of the best anchors of each level are decoded.

    Args:
        rpn: Torchvision's proposal network.
        batch: The images.
        logits: Of each level (B, A, h, w).
        deltas: Of each level (B, 4 * A, h, w).
    """
    one = ImageList(batch.tensors, batch.image_sizes[:1])  # all images have the same anchors
    counts = [each[0].numel() for each in logits]
    anchors = rpn.anchor_generator(one, logits)[0].split(counts)
    chosen = [
        _best_of_level(*each, rpn.pre_nms_top_n())
        for each in zip(logits, deltas, anchors, strict=True)
    ]
    best, of_levels, anchors_of_levels = zip(*chosen, strict=True)
    scores = torch.cat(best, dim=1).sigmoid()
    level = torch.cat(
        [torch.full_like(each[0], k, dtype=torch.int64) for k, each in enumerate(best)]
    )
    found = []
    for i, size_hw in enumerate(batch.image_sizes):
        boxes = rpn.box_coder.decode_single(
            torch.cat([each[i] for each in of_levels]),
            torch.cat([each[i] for each in anchors_of_levels]),
        )
        boxes = clip_boxes_to_image(boxes, size_hw)
        large = remove_small_boxes(boxes, rpn.min_size)
        boxes = boxes[large]
        kept = batched_nms(boxes, scores[i, large], level[large], rpn.nms_thresh)
        found.append(boxes[kept[: rpn.post_nms_top_n()]])
    return found


def _best_of_level(
    logits: Tensor, deltas: Tensor, anchors: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Logits (B, N), best first, deltas (B, N, 4) and anchors (B, N, 4) of the best of a level."""
    batch, per_cell, height, width = logits.shape
    flat = logits.permute(0, 2, 3, 1).flatten(1)
    best, at = flat.topk(min(count, flat.shape[1]), dim=1)
    by_cell = deltas.view(batch, per_cell, 4, height, width).permute(0, 3, 4, 1, 2)
    chosen = by_cell.reshape(batch, -1, 4).gather(1, at[:, :, None].expand(-1, -1, 4))
    return best, chosen, anchors[at]


def best_boxes(
    heads: Any,
    scores: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    size_hw: tuple[int, int],
    score_threshold: float,
    max_detections: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Threshold, drop empty boxes, suppress per class, keep the best.

    Whether a box is kept depends on boxes of higher scores alone. Where many are above the
    threshold, only the best of them are looked at, and more only if too few of these are kept.

    Args:
        heads: Torchvision's `RoIHeads`.
        scores: (R, outputs).
        deltas: (R, 4 * outputs).
        proposals: (R, 4) xyxy.
        size_hw: Height and width of the image, to which the boxes are clipped.
        score_threshold: Only higher scores are kept.
        max_detections: At most this many boxes.

    Returns:
        Boxes (N, 4) xyxy, their outputs int64 (N,), and scores (N,) in descending order.
    """
    found = scores.flatten()
    above = torch.where(found > score_threshold)[0]
    many = len(above) > FEW_BOXES
    suppress = nms_by_class if many else batched_nms
    count = max(FEW_BOXES, 4 * max_detections) if many else len(above)
    while True:
        best = above if count >= len(above) else above[found[above].topk(count).indices]
        kept = _suppressed(best, heads, scores, deltas, proposals, size_hw, suppress)
        if len(kept[0]) >= max_detections or count >= len(above):
            boxes, outputs, scores_kept = (each[:max_detections] for each in kept)
            return boxes, outputs, scores_kept
        count *= 4


def _suppressed(
    candidates: Tensor,
    heads: Any,
    scores: Tensor,
    deltas: Tensor,
    proposals: Tensor,
    size_hw: tuple[int, int],
    suppress: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    """Boxes, outputs and scores of those candidates, indices of flat scores, that remain."""
    count = scores.shape[1]
    row, outputs = candidates // count, candidates % count
    boxes = heads.box_coder.decode_single(deltas.view(-1, count, 4)[row, outputs], proposals[row])
    boxes = clip_boxes_to_image(boxes, size_hw)
    large = remove_small_boxes(boxes, SMALLEST_BOX_PX)
    boxes, outputs, found = boxes[large], outputs[large], scores[row, outputs][large]
    best = suppress(boxes, found, outputs, heads.nms_thresh)
    return boxes[best], outputs[best], found[best]


def nms_by_class(boxes: Tensor, scores: Tensor, classes: Tensor, iou: float) -> Tensor:
    """As `torchvision.ops.batched_nms` suppresses many boxes.

    Of few, it moves the classes apart instead, which rounds their coordinates.
    """
    kept = torch.zeros_like(classes, dtype=torch.bool)
    for each in classes.unique():
        at = torch.where(classes == each)[0]
        kept[at[nms(boxes[at], scores[at], iou)]] = True
    rows = torch.where(kept)[0]
    return rows[scores[rows].argsort(descending=True)]
