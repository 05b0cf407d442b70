"""A Mask R-CNN as one plain function of tensors, from a prepared image to its instances.

The same steps as in `instseg.models.inference`, for one image, in operations that `torch.export`
follows for any size of the image and any number of boxes.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.ops import MultiScaleRoIAlign, nms, roi_align

from instseg.models.compact import LEVELS, DenseMaskPredictor, PyramidRPN
from instseg.models.efficientnet_lite_fpn import CONTEXT, ContextRoIAlign
from instseg.models.roi_align import PyramidRoIAlign
from instseg.models.selection import SMALLEST_BOX_PX

Features = dict[str, Tensor]


class Detect(nn.Module):
    """The network behind `PrepareForDetector`.

    Args:
        network: A Mask R-CNN prepared for inference, see `Detector.network`.
        class_id_of_output: int64 (outputs,), 0 where an output is unused.
    """

    class_id_of_output: Tensor

    def __init__(self, network: Any, class_id_of_output: Tensor) -> None:
        super().__init__()
        self.backbone, self.rpn, self.heads = network.backbone, network.rpn, network.roi_heads
        self.register_buffer("class_id_of_output", class_id_of_output)

    def forward(
        self,
        inputs: Tensor,
        resized: Tensor,
        size: Tensor,
        score_thresholds: Tensor,
        max_detections: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Detect in one image.

        Args:
            inputs: float32 (1, 3, h', w'), normalised and padded.
            resized: int64 (2,), height and width without the padding.
            size: int64 (2,), height and width of the photo.
            score_thresholds: float32 (K + 1,), minimum score by class id; classes above 1 are left
                out before anything else is chosen.
            max_detections: int64 (), at most this many detections.

        Returns:
            Boxes float32 (N, 4) xyxy in pixels of the photo, class ids int64 (N,), scores float32
            (N,) in descending order, and masks float32 (N, 28, 28), probabilities inside the box.
        """
        features = self.backbone(inputs)
        proposals = self.proposals(inputs, features, resized)
        found = self.boxes(features, proposals, resized, score_thresholds)
        most = torch.where(torch.arange(found[0].shape[0]) < max_detections)[0]
        boxes, outputs, scores = (rows(each, most) for each in found)
        class_ids = rows(self.class_id_of_output, outputs)
        enough = torch.where(scores > rows(score_thresholds, class_ids))[0]
        boxes, outputs, class_ids, scores = (
            rows(each, enough) for each in (boxes, outputs, class_ids, scores)
        )
        cells, order, boxes = pool(self.heads.mask_roi_pool, features, boxes)
        cells = self.heads.mask_head(cells)
        masks = mask_logits(self.heads.mask_predictor, cells, rows(outputs, order)).sigmoid()
        back = order.argsort()
        boxes, masks = rows(boxes, back), rows(masks, back)
        ratio = size.float() / resized.float()
        boxes = boxes * ratio.flip(0).repeat(2)
        return boxes, class_ids, scores, masks

    def proposals(self, inputs: Tensor, features: Features, resized: Tensor) -> Tensor:
        """The proposals of the network, (R, 4) in pixels of its input, best first."""
        rpn = self.rpn
        names = LEVELS if isinstance(rpn, PyramidRPN) else tuple(features)
        levels = zip(*rpn.head([features[name] for name in names]), strict=True)
        chosen = [
            self._best_of_level(inputs, logits, deltas, cells)
            for (logits, deltas), cells in zip(
                levels, rpn.anchor_generator.cell_anchors, strict=True
            )
        ]
        best, deltas, anchors = zip(*chosen, strict=True)
        boxes = decoded(rpn.box_coder, torch.cat(deltas), torch.cat(anchors))
        boxes = clipped(boxes, resized)
        scores = torch.cat(best).sigmoid()
        is_wanted = is_large(boxes, rpn.min_size)
        found, first = [], 0
        for each in best:
            level = slice(first, first + each.shape[0])
            large = torch.where(is_wanted[level])[0] + first
            kept = nms(rows(boxes, large), rows(scores, large), rpn.nms_thresh)
            found.append(rows(large, kept))
            first = level.stop
        kept = torch.cat(found)
        order = rows(scores, kept).argsort(descending=True)[: rpn.post_nms_top_n()]
        return rows(boxes, rows(kept, order))

    def _best_of_level(
        self, inputs: Tensor, logits: Tensor, deltas: Tensor, cells: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (N,), best first, deltas (N, 4) and anchors (N, 4) of the best of a level.

        Args:
            inputs: The network's.
            logits: (1, A, h, w).
            deltas: (1, 4 * A, h, w).
            cells: The anchors of one cell (A, 4).
        """
        count, height, width = logits.shape[1:]
        scores = logits[0].permute(1, 2, 0).flatten()  # [h*w*A]
        best, at = scores.topk(torch.sym_min(self.rpn.pre_nms_top_n(), scores.shape[0]))
        deltas = deltas.view(count, 4, height * width).permute(2, 0, 1).reshape(-1, 4)
        stride_y, stride_x = inputs.shape[2] // height, inputs.shape[3] // width
        cell = torch.div(at, count, rounding_mode="floor")
        y = torch.div(cell, width, rounding_mode="floor")
        x = cell - y * width
        corner = torch.stack([x * stride_x, y * stride_y], dim=1).float()
        return best, rows(deltas, at), rows(cells, at - cell * count) + corner.repeat(1, 2)

    def boxes(
        self, features: Features, proposals: Tensor, resized: Tensor, score_thresholds: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes in pixels of the input, indices of their outputs, and scores, best first."""
        heads = self.heads
        cells, _, proposals = pool(heads.box_roi_pool, features, proposals)
        logits, deltas = heads.box_predictor(heads.box_head(cells))
        wanted = (self.class_id_of_output > 0) & (score_thresholds[self.class_id_of_output] <= 1)
        scores = logits.softmax(-1) * wanted.float()
        row, output = torch.where(scores > score_thresholds[1:].min())
        at = row * scores.shape[1] + output
        scores, deltas = rows(scores.flatten(), at), rows(deltas.view(-1, 4), at)
        boxes = decoded(heads.box_coder, deltas, rows(proposals, row))
        boxes = clipped(boxes, resized)
        large = torch.where(is_large(boxes, SMALLEST_BOX_PX))[0]
        boxes, scores, output = rows(boxes, large), rows(scores, large), rows(output, large)
        # as `torchvision.ops.batched_nms`: classes are moved so far apart that they do not overlap
        furthest = torch.cat([boxes.flatten(), boxes.new_zeros(1)]).max()
        apart = boxes + (output.float() * (furthest + 1))[:, None]
        kept = nms(apart, scores, heads.nms_thresh)
        return rows(boxes, kept), rows(output, kept), rows(scores, kept)


def rows(values: Tensor, chosen: Tensor) -> Tensor:
    """`values[chosen]` of int64 (N,): ONNX has one operation for it, and four for an index."""
    return values.index_select(0, chosen)


def decoded(coder: BoxCoder, deltas: Tensor, boxes: Tensor) -> Tensor:
    """Deltas (N, 4) of boxes (N, 4) -> boxes (N, 4)."""
    size = boxes[:, 2:] - boxes[:, :2]
    shift, stretch = (deltas / deltas.new_tensor(coder.weights)).split(2, dim=1)
    centre = shift * size + (boxes[:, :2] + 0.5 * size)
    half = 0.5 * (stretch.clamp(max=coder.bbox_xform_clip).exp() * size)
    return torch.cat([centre - half, centre + half], dim=1)


def clipped(boxes: Tensor, size: Tensor) -> Tensor:
    """Boxes (N, 4) inside an image whose height and width are `size`."""
    return torch.minimum(boxes.clamp(min=0), size.float().flip(0).repeat(2))


def is_large(boxes: Tensor, least: float) -> Tensor:
    """Whether both sides of the boxes (N, 4) have this many pixels: bool (N,)."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= least).all(1)


def pool(pooler: nn.Module, features: Features, boxes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cells of boxes (N, 4), as `pooler` gives them, by ONNX's own RoIAlign.

    They come level by level, because sorting the cells would copy them. In bf16, OpenVINO rounds
    coordinates too if only RoIAlign uses them; it keeps those that become the graph's result. So
    what is found must follow from the boxes that are returned, which are RoIAlign's own (1:5).

    Returns:
        The cells; int64 (N,), the index of the box of each; and the boxes in this order.
    """
    if isinstance(pooler, MultiScaleRoIAlign):
        pooler = PyramidRoIAlign(tuple(pooler.featmap_names), pooler.output_size[0])
    assert isinstance(pooler, PyramidRoIAlign)
    level = pooler.level_of(boxes)
    members = [torch.where(level == k)[0] for k in range(len(pooler.levels))]
    order = torch.cat(members) if len(members) > 1 else torch.arange(boxes.shape[0])
    if len(members) == 1:
        members = [order]
    rois = as_rois(boxes)
    by_level = [rows(rois, at) for at in members]
    cells = torch.cat(
        [
            roi_align(features[name], each, pooler.bins, 1 / (pooler.finest_stride * 2**k), 2)
            for k, (name, each) in enumerate(zip(pooler.levels, by_level, strict=True))
        ]
    )
    boxes = torch.cat([each[:, 1:5] for each in by_level])
    if not isinstance(pooler, ContextRoIAlign):
        return cells, order, boxes
    context = features[CONTEXT]
    rois = as_rois(boxes)
    inside = roi_align(context, rois, 2, 1 / 32, 2).mean((2, 3))
    around = context.mean((2, 3)).expand(rois.shape[0], -1)
    return torch.cat([cells.flatten(1), inside, around], dim=1), order, rois[:, 1:5]


def as_rois(boxes: Tensor) -> Tensor:
    """Boxes (N, 4) of the first image as RoIAlign takes them: (N, 5)."""
    return torch.cat([torch.zeros_like(boxes[:, :1]), boxes], dim=1)


def mask_logits(predictor: nn.Module, x: Tensor, outputs: Tensor) -> Tensor:
    """The logits (N, 2M, 2M) of cells (N, C, M, M), each for its own output.

    A transposed 2x2 convolution of stride 2 is a dense layer on each cell. The 2 x 2 cells that
    each cell becomes are moved to their places at the end, as single logits.
    """
    count, side = x.shape[0], x.shape[2]
    if isinstance(predictor, DenseMaskPredictor):
        up, last = predictor.upsample, predictor.logits
        dense, bias = up.weight, up.bias  # [4*O,C]
    else:
        assert isinstance(predictor, MaskRCNNPredictor)
        conv, last = predictor.conv5_mask, predictor.mask_fcn_logits
        dense, bias = conv.weight.permute(2, 3, 1, 0).flatten(0, 2), conv.bias.repeat(4)
    cells = F.linear(x.flatten(2).transpose(1, 2), dense, bias).relu()
    if len(last.bias) == 1:  # which all classes share
        outputs = torch.zeros_like(outputs)
    weight = rows(last.weight.flatten(1), outputs)  # [N,O]
    logits = torch.bmm(cells.reshape(count, side * side * 4, weight.shape[1]), weight[:, :, None])
    logits = logits[..., 0] + rows(last.bias, outputs)[:, None]
    logits = logits.view(count, side, side, 2, 2).permute(0, 1, 3, 2, 4)
    return logits.reshape(count, 2 * side, 2 * side)
