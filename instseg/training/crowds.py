"""Crowd regions in training: what lies in one is neither foreground nor background."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.models.detection.transform import resize_boxes

Target = dict[str, Tensor]

MOSTLY = 0.5  # a box that has more than this share of its area in a crowd lies in the crowd


def ignore_crowds(network: GeneralizedRCNN) -> None:
    """Make a network's training leave the crowd regions of its targets alone.

    From then on `targets[i]["crowds"]`, float32 (C, 4) xyxy in the pixels of the batch, is heeded:
    anchors and proposals with more than half of their area in a crowd's box, and not matched to
    an object, count neither as foreground nor as background. Objects in a crowd are learnt as
    ever. Targets without crowds, or without the key, give exactly the losses they gave before;
    a batch in which nothing is left to learn from gives losses of zero.

    Weights, their names, copies of the network and inference are as before.

    Args:
        network: Any torchvision R-CNN, once; changed in place.
    """
    _extend(network.rpn, CrowdRPN)
    _extend(network.roi_heads, CrowdRoIHeads)


def scale_crowds(
    targets: list[Target],
    old_sizes_hw: list[tuple[int, int]],
    new_sizes_hw: list[tuple[int, int]],
) -> list[Target]:
    """Resize crowd boxes with their images; torchvision's transform resizes only objects.

    Args:
        targets: For each image; is not changed. Those without "crowds" are handed on.
        old_sizes_hw: For each image height and width that its crowds are in the pixels of.
        new_sizes_hw: The same of the batch, its `image_sizes`, which are without padding.

    Returns:
        The targets with crowds in the pixels of the batch.
    """
    return [
        {**target, "crowds": resize_boxes(target["crowds"], list(old), list(new))}
        if "crowds" in target
        else target
        for target, old, new in zip(targets, old_sizes_hw, new_sizes_hw, strict=True)
    ]


def in_crowd(boxes: Tensor, target: Target) -> Tensor:
    """Which boxes have more than half of their own area in the box of one crowd.

    Args:
        boxes: (N, 4) xyxy in the pixels of the batch.
        target: With float32 (C, 4) "crowds", or without.

    Returns:
        bool (N,).
    """
    if not _has_crowds(target):
        return torch.zeros(len(boxes), dtype=torch.bool, device=boxes.device)
    boxes, crowds = boxes.float()[:, None], target["crowds"][None]  # [N,1,4], [1,C,4]
    corners = torch.minimum(boxes[..., 2:], crowds[..., 2:])
    shared = (corners - torch.maximum(boxes[..., :2], crowds[..., :2])).clamp(min=0).prod(-1)
    areas = (boxes[..., 2:] - boxes[..., :2]).prod(-1)
    return (shared > MOSTLY * areas).any(1)


class CrowdRPN(RegionProposalNetwork):
    """Takes anchors in crowds out of the proposal network's losses."""

    def assign_targets_to_anchors(
        self, anchors: list[Tensor], targets: list[Target]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """As the base class; -1, which is never sampled, for background in crowds."""
        labels, matched = super().assign_targets_to_anchors(anchors, targets)
        labels = [
            label.masked_fill((label == 0) & in_crowd(boxes, target), -1)
            for label, boxes, target in zip(labels, anchors, targets, strict=True)
        ]
        return labels, matched

    def compute_loss(
        self,
        objectness: Tensor,
        pred_bbox_deltas: Tensor,
        labels: list[Tensor],
        regression_targets: list[Tensor],
    ) -> tuple[Tensor, Tensor]:
        """As the base class; zero, where it has a mean of nothing, when all is ignored."""
        if all(bool((label < 0).all()) for label in labels):
            return objectness.sum() * 0, pred_bbox_deltas.sum() * 0
        return super().compute_loss(objectness, pred_bbox_deltas, labels, regression_targets)


class CrowdRoIHeads(RoIHeads):
    """Takes proposals in crowds out of the heads' losses."""

    def forward(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_shapes: list[tuple[int, int]],
        targets: list[Target] | None = None,
    ) -> tuple[list[Target], dict[str, Tensor]]:
        """As the base class, in training without the background proposals in crowds.

        When that leaves the batch with nothing, all proposals go through and the losses are
        multiplied by zero: every parameter still gets a gradient, as processes that train
        together need it.
        """
        if not self.training or targets is None or not any(map(_has_crowds, targets)):
            return super().forward(features, proposals, image_shapes, targets)
        kept = self.without_crowds(proposals, targets)
        if any(map(len, kept)) or any(len(target["boxes"]) for target in targets):
            return super().forward(features, kept, image_shapes, targets)
        found, losses = super().forward(features, proposals, image_shapes, targets)
        return found, {name: loss * 0 for name, loss in losses.items()}

    def without_crowds(self, proposals: list[Tensor], targets: list[Target]) -> list[Tensor]:
        """Each image's (N_i, 4) proposals but for background in crowds."""
        objects = [t["boxes"].to(p.dtype) for t, p in zip(targets, proposals, strict=True)]
        classes = [target["labels"] for target in targets]
        _, labels = self.assign_targets_to_proposals(proposals, objects, classes)
        return [
            boxes[(label != 0) | ~in_crowd(boxes, target)]
            for boxes, label, target in zip(proposals, labels, targets, strict=True)
        ]


def _has_crowds(target: Target) -> bool:
    return "crowds" in target and len(target["crowds"]) > 0


def _extend(module: nn.Module, behaviour: type[nn.Module]) -> None:
    """Put methods before those of a module's own class, which may be a subclass as well.

    A class, not new attributes of the module: these would go on using the original's weights
    in a deep copy.
    """
    own = type(module)
    module.__class__ = type(f"{behaviour.__name__}Of{own.__name__}", (behaviour, own), {})
