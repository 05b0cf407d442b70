"""The steps of a `Detector` on a whole batch at once, for GPUs.

Torchvision's steps go from image to image and from level to level, and wait for the device each
time to learn how many boxes are left. Here what is not left is marked, so that sizes are known
beforehand. However large the batch, the host waits for the device four times: until the proposals
are final, until the detections are, for the number of detections, and for the detections.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList

from instseg.models.detections import Choice, Detections, Kept
from instseg.models.inference import Detector, widen_sliver
from instseg.models.mask_rcnn import Model
from instseg.models.parallel_nms import parallel_nms
from instseg.models.roi_align import numbers_on
from instseg.models.selection import SMALLEST_BOX_PX

CANDIDATES = 1000  # of an image, best first, among which detections are chosen


class BatchDetector(Detector):
    """A detector that works on all images of a batch at once.

    Images of a batch must be of one size. The results are those of `Detector`, except for rounding
    and for the soft masks, which stay on the device.
    """

    def prepare(self, images: list[Tensor]) -> ImageList:
        """Resize, normalise and pad images uint8 (3, H, W) of one size to a batch."""
        transform = self.network.transform
        pixels = torch.stack(images)
        if self.device.type == "cuda":
            pixels = pixels.pin_memory()
        pixels = pixels.to(self.device, non_blocking=True).float() / 255
        mean, std = (
            numbers_on(tuple(each), self.device)[:, None, None]
            for each in (transform.image_mean, transform.image_std)
        )
        planes = widen_sliver(((pixels - mean) / std).flatten(0, 1), transform.max_size)
        planes, _ = transform.resize(planes, None)
        height, width = planes.shape[-2:]
        step = transform.size_divisible
        padded = F.pad(planes, (0, -width % step, 0, -height % step)).unflatten(0, (-1, 3))
        return ImageList(
            padded.contiguous(memory_format=torch.channels_last), [(height, width)] * len(images)
        )

    def proposals(
        self, batch: ImageList, logits: list[Tensor], deltas: list[Tensor]
    ) -> list[Tensor]:
        """The proposals of each image, best first, all (R, 4); the last may be boxes of no size."""
        rpn = self.network.rpn
        images, size_hw = len(batch.image_sizes), batch.image_sizes[0]
        (anchors, *_) = rpn.anchor_generator(batch, logits)
        most = rpn.pre_nms_top_n()
        boxes, scores = [], []
        of_levels = anchors.split([each[0].numel() for each in logits])
        for level, steps, known in zip(logits, deltas, of_levels, strict=True):
            per_cell = level.shape[1]
            best, at = level.permute(0, 2, 3, 1).flatten(1).topk(min(most, len(known)))  # [B,k]
            steps = steps.unflatten(1, (per_cell, 4)).permute(0, 3, 4, 1, 2).flatten(1, 3)
            steps = steps.gather(1, at[..., None].expand(-1, -1, 4))
            found = clip(decode(steps, known[at], rpn.box_coder), size_hw)
            missing = most - best.shape[1]
            boxes.append(F.pad(found, (0, 0, 0, missing)))
            scores.append(F.pad(best.sigmoid(), (0, missing), value=-1))
        groups = torch.stack(boxes, 1).flatten(0, 1)  # [B*L,most,4]
        ranks = torch.stack(scores, 1).flatten(0, 1)
        valid = is_large(groups, rpn.min_size) & (ranks >= max(rpn.score_thresh, 0))
        kept = parallel_nms(groups, None, valid, rpn.nms_thresh)
        ranks = torch.where(kept, ranks, -1).view(images, -1)
        best, at = ranks.topk(min(rpn.post_nms_top_n(), ranks.shape[1]))
        found = groups.view(images, -1, 4).gather(1, at[..., None].expand(-1, -1, 4))
        return list(torch.where(best[..., None] >= 0, found, 0))

    def select(
        self,
        logits: Tensor,
        deltas: Tensor,
        proposals: list[Tensor],
        image_sizes: list[tuple[int, int]],
        choice: Choice,
    ) -> list[Kept]:
        """Decode the boxes of each image and keep the best."""
        heads = self.network.roi_heads
        outputs = logits.shape[1]
        boxes = decode(
            deltas.view(len(logits), outputs, 4), torch.cat(proposals)[:, None], heads.box_coder
        )
        boxes = clip(boxes, image_sizes[0])
        scores = logits.softmax(-1) * self._wanted(choice)
        counts = (scores > choice.score_threshold) & is_large(boxes, SMALLEST_BOX_PX)
        scores = torch.where(counts, scores, 0).view(len(proposals), -1)  # [B,R*outputs]
        best, at = scores.topk(min(CANDIDATES, scores.shape[1]))
        boxes = boxes.view(len(proposals), -1, 4).gather(1, at[..., None].expand(-1, -1, 4))
        classes = at % outputs
        kept = parallel_nms(boxes, classes, best > 0, heads.nms_thresh)
        kept &= kept.cumsum(1) <= choice.max_detections
        found = kept.sum(1)
        # of the candidates that were not looked at, some may belong to these detections
        short = ((found < choice.max_detections) & (best[:, -1] > 0)).any()
        *numbers, is_short = torch.cat([found, short[None]]).tolist()
        if is_short and scores.shape[1] > CANDIDATES:
            return super().select(logits, deltas, proposals, image_sizes, choice)
        first = (~kept).flatten().byte().argsort(stable=True)[: sum(numbers)]
        flat = boxes.flatten(0, 1)[first], classes.flatten()[first], best.flatten()[first]
        parts = (each.split(numbers) for each in flat)
        return [Kept(*each) for each in zip(*parts, strict=True)]

    def detections(
        self,
        kept: list[Kept],
        masks: list[Tensor],
        image_sizes: list[tuple[int, int]],
        sizes: list[tuple[int, int]],
    ) -> list[Detections]:
        """Boxes in pixels of the original images; all but the masks on the CPU, in one copy."""
        (height, width), (resized_h, resized_w) = sizes[0], image_sizes[0]
        ratios = numbers_on((width / resized_w, height / resized_h) * 2, self.device)
        boxes, outputs, scores = (torch.cat(each) for each in zip(*kept, strict=True))
        ids = self.class_id_of_output[outputs]
        rows = torch.cat([boxes * ratios, ids[:, None], scores[:, None]], 1).cpu()
        return [
            Detections(
                boxes=each[:, :4].contiguous(),
                class_ids=each[:, 4].long(),
                scores=each[:, 5].contiguous(),
                soft_masks=soft,
            )
            for each, soft in zip(rows.split([len(each) for each in masks]), masks, strict=True)
        ]


def detector_for(
    model: Model,
    device: torch.device,
    dtype: torch.dtype,
    scale: float = 1.0,
    *,
    compiled: bool = False,
) -> Detector:
    """The detector for a device.

    Args:
        model: As for `Detector`, as are `device`, `dtype` and `scale`.
        device: See above.
        dtype: See above.
        scale: See above.
        compiled: Compile the parts of the network.
    """
    kind = BatchDetector if device.type == "cuda" else Detector
    detector = kind(model, device, dtype, scale)
    if compiled:
        compile_parts(detector.network)
    return detector


def compile_parts(network: GeneralizedRCNN, backend: str = "inductor") -> None:
    """Compile trunk, RPN head, box head and mask head, in place, each when it is first used.

    One compilation is for any size of image and any number of boxes, so none need be padded.
    """
    heads = network.roi_heads
    parts = network.backbone, network.rpn.head, heads.box_head, heads.box_predictor
    for part in (*parts, heads.mask_head):
        part.compile(dynamic=True, backend=backend)


def decode(steps: Tensor, boxes: Tensor, coder: BoxCoder) -> Tensor:
    """Move and stretch boxes (..., 4) xyxy by a network's steps (..., 4), as torchvision does."""
    size = boxes[..., 2:] - boxes[..., :2]
    shift = steps[..., :2] / numbers_on(tuple(coder.weights[:2]), steps.device)
    stretch = steps[..., 2:] / numbers_on(tuple(coder.weights[2:]), steps.device)
    centre = shift * size + (boxes[..., :2] + 0.5 * size)
    half = 0.5 * (stretch.clamp(max=coder.bbox_xform_clip).exp() * size)
    return torch.cat([centre - half, centre + half], -1)


def clip(boxes: Tensor, size_hw: tuple[int, int]) -> Tensor:
    """Boxes (..., 4) xyxy, cut at the borders of an image."""
    height, width = size_hw
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack([x, y], -1).flatten(-2)


def is_large(boxes: Tensor, least_px: float) -> Tensor:
    """Whether both sides of boxes (..., 4) xyxy have at least this length."""
    return ((boxes[..., 2:] - boxes[..., :2]) >= least_px).all(-1)
