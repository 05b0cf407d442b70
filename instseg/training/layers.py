"""The parts of a Mask R-CNN that compute losses, for training on crowded photos.

They give torchvision's own losses, and differ in four things. Crowd regions and other regions to
ignore, `targets[i]["crowds"]`, float32 (C, 4) xyxy in pixels of the batch: anchors and proposals
with more than half of their area in such a box, and not matched to an object, are neither
foreground nor background; objects in a crowd are trained on like all others. Memory use hardly
grows with the number of objects: masks stay compact (`MaskTargets`), and many objects are matched
to the anchors in parts. Objects without a mask, by `targets[i]["has_mask"]`, bool (N,), train masks
by points, by their box, or not at all; see `mask_sources`. On photos with classes nobody looked
for, `targets[i]["unknown"]`, bool (classes,), proposals without an object may be background or one
of these classes; with `targets[i]["is_open"]`, bool (), anchors without an object are ignored. With
`targets[i]["is_own"]`, bool (), boxes are not learnt.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads, fastrcnn_loss
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import box_iou

from instseg.models.compact import PyramidRPN
from instseg.models.quick import QUICK_LAYERS, Layers
from instseg.models.shared_mask import mask_channels
from instseg.training.crowds import Target, has_crowds, in_crowd
from instseg.training.mask_loss import mask_loss, mask_regions, trains_masks
from instseg.training.own_labels import no_loss_of_nan, without_places
from instseg.training.partial_labels import (
    is_open,
    partial_cross_entropy,
    unknown_classes,
)

MOST_PAIRS = 2**23  # pairs of objects and anchors that are compared at once: 32 MB, and some copies


class TrainingRPN(RegionProposalNetwork):
    """Region proposals whose losses ignore anchors in crowds."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Label and object of each anchor, for each image.

        Returns:
            float32 (A,) labels: 1 object, 0 background, -1 ignored, which is never sampled; and
            float32 (A, 4) boxes of the matched objects, NaN for pseudo-labels.
        """
        labels, matched = [], []
        for boxes, target in zip(anchors, targets, strict=True):
            objects = target["boxes"]
            if len(objects):
                rows = match_objects(self.proposal_matcher, objects, boxes)
                matched.append(objects[rows.clamp(min=0)])
                ignored = rows == self.proposal_matcher.BETWEEN_THRESHOLDS
                label = (rows >= 0).float().masked_fill(ignored, -1)
            else:
                matched.append(torch.zeros_like(boxes, dtype=torch.float32))
                label = torch.zeros(len(boxes), device=boxes.device)
            unsure = is_open(target) or in_crowd(boxes, target)
            labels.append(label.masked_fill((label == 0) & unsure, -1))
        return labels, without_places(matched, targets)

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """As the base class; zero instead of NaN if all anchors are ignored."""
        if all(bool((label < 0).all()) for label in labels):
            return objectness.sum() * 0, pred_bbox_deltas.sum() * 0
        wanted, factor = no_loss_of_nan(torch.cat(regression_targets), pred_bbox_deltas)
        found = super().compute_loss(objectness, pred_bbox_deltas, labels, [wanted])
        return found[0], found[1] * factor


class TrainingPyramidRPN(TrainingRPN, PyramidRPN):
    """The same for `compact`."""


class TrainingRoIHeads(RoIHeads):
    """Heads whose losses ignore proposals in crowds, and that take masks as `MaskTargets`."""

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """As the base class; in training, without the background proposals in crowds.

        If no proposal is left in the batch, all are used and the losses multiplied by zero: every
        parameter then has a gradient, which distributed training requires.
        """
        if not self.training or targets is None:
            return super().forward(features, proposals, image_shapes, targets)
        if not any(map(has_crowds, targets)):
            return [], self.losses(features, proposals, image_shapes, targets)
        kept = self.without_crowds(proposals, targets)
        if any(map(len, kept)) or any(len(target["boxes"]) for target in targets):
            return [], self.losses(features, kept, image_shapes, targets)
        losses = self.losses(features, proposals, image_shapes, targets)
        return [], {name: loss * 0 for name, loss in losses.items()}

    def losses(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target],
    ) -> dict[str, Tensor]:
        """Torchvision's three losses of the heads."""
        sampled, matched, labels, deltas = self.select_training_samples(proposals, targets)
        pooled = self.box_head(self.box_roi_pool(features, sampled, image_shapes))
        logits, box_deltas = self.box_predictor(pooled)
        rows = torch.cat(labels)
        own = box_deltas.unflatten(1, (-1, 4))[torch.arange(len(rows), device=rows.device), rows]
        wanted, factor = no_loss_of_nan(torch.cat(without_places(deltas, targets)), own)
        classifier, box_reg = fastrcnn_loss(logits, box_deltas, labels, [wanted])
        unknown = unknown_classes(targets, [len(label) for label in labels], logits.shape[1])
        if unknown is not None:
            classifier = partial_cross_entropy(logits, rows, unknown)
        found = {"loss_classifier": classifier, "loss_box_reg": box_reg * factor}
        if not any(map(trains_masks, targets)):
            return {**found, "loss_mask": classifier * 0}
        mask = self._mask_loss(features, sampled, matched, labels, image_shapes, targets)
        return {**found, "loss_mask": mask}

    def _mask_loss(
        self,
        features: dict[str, Tensor],
        sampled: list[Tensor],
        matched: list[Tensor],
        labels: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target],
    ) -> Tensor:
        """The loss of the sampled boxes whose objects train masks."""
        found = map(mask_regions, sampled, labels, matched, targets)
        boxes, objects = (list(each) for each in zip(*found, strict=True))
        pooled = self.mask_head(self.mask_roi_pool(features, boxes, image_shapes))
        return mask_loss(mask_channels(self.mask_predictor, pooled), boxes, objects, targets)

    def without_crowds(self, proposals: list[Tensor], targets: list[Target]) -> list[Tensor]:
        """Each image's (N_i, 4) proposals without background in crowds."""
        objects = [t["boxes"].to(p.dtype) for t, p in zip(targets, proposals, strict=True)]
        classes = [target["labels"] for target in targets]
        _, labels = self.assign_targets_to_proposals(proposals, objects, classes)
        return [
            boxes[(label != 0) | ~in_crowd(boxes, target)]
            for boxes, label, target in zip(proposals, labels, targets, strict=True)
        ]


TRAINING_LAYERS: Layers = {
    **QUICK_LAYERS,
    RegionProposalNetwork: TrainingRPN,
    PyramidRPN: TrainingPyramidRPN,
    RoIHeads: TrainingRoIHeads,
}


def match_objects(matcher: Any, objects: Tensor, boxes: Tensor) -> Tensor:
    """`matcher(box_iou(objects, boxes))`, in parts if the matrix is large.

    Args:
        matcher: The `proposal_matcher` of a region proposal network.
        objects: (N, 4), N >= 1.
        boxes: (A, 4).

    Returns:
        int64 (A,): the object of each box, or the negative codes of the matcher.
    """
    parts = boxes.split(max(MOST_PAIRS // len(objects), 1))
    if len(parts) == 1:
        return matcher(box_iou(objects, boxes))
    best, nearest, highest = [], [], objects.new_zeros(len(objects))
    for part in parts:
        overlaps = box_iou(objects, part)  # [N,part]
        values, rows = overlaps.max(dim=0)
        best.append(values)
        nearest.append(rows)
        highest = torch.maximum(highest, overlaps.max(dim=1).values)
    overlap, row = torch.cat(best), torch.cat(nearest)
    matches = row.masked_fill(overlap < matcher.high_threshold, matcher.BETWEEN_THRESHOLDS)
    matches.masked_fill_(overlap < matcher.low_threshold, matcher.BELOW_LOW_THRESHOLD)
    if not matcher.allow_low_quality_matches:
        return matches
    # each object keeps the boxes that are nearest to it, however far they are
    kept = [(box_iou(objects, part) == highest[:, None]).any(dim=0) for part in parts]
    return torch.where(torch.cat(kept), row, matches)
