"""The forward pass for inference: results equal to torchvision's, without unused work."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.transform import resize_boxes
from torchvision.ops import (
    FrozenBatchNorm2d,
    batched_nms,
    clip_boxes_to_image,
    remove_small_boxes,
)

from instseg.models.mask_rcnn import Model
from instseg.models.quick import QUICK_LAYERS, folded, with_layers

NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)
SMALLEST_BOX_PX = 1e-2  # torchvision's


@dataclass(frozen=True, kw_only=True)
class Detections:
    """The detections of the network in one image.

    Attributes:
        boxes: float32 (N, 4) xyxy in pixels of the original image.
        class_ids: int64 (N,), 1..K.
        scores: float32 (N,), in descending order.
        soft_masks: float32 (N, 28, 28), probabilities inside the box.
    """

    boxes: Tensor
    class_ids: Tensor
    scores: Tensor
    soft_masks: Tensor


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which detections are kept.

    Attributes:
        score_threshold: Only higher scores are kept.
        max_detections: At most this many detections per image.
        class_ids: Only these classes; None for all.
    """

    score_threshold: float = 0.05
    max_detections: int = 100
    class_ids: frozenset[int] | None = None


class Detector:
    """A network prepared for inference on one device.

    BatchNorm is folded into the convolutions, memory is laid out channels last, unwanted classes
    are dropped before their boxes and masks are computed, and masks are computed only for the kept
    detections and their own class.

    Args:
        model: The model, which is not changed.
        device: The device.
        dtype: float32, or bfloat16 for autocast.
        scale: Scale of the input size; 1 is that of the architecture.
    """

    def __init__(
        self, model: Model, device: torch.device, dtype: torch.dtype, scale: float = 1.0
    ) -> None:
        network = fold_batch_norms(with_layers(copy.deepcopy(model.network), QUICK_LAYERS))
        network.eval().requires_grad_(False)
        self.network = network.to(device, memory_format=torch.channels_last)
        resize = network.transform
        resize.min_size = tuple(round(side * scale) for side in resize.min_size)
        resize.max_size = round(resize.max_size * scale)
        self.class_id_of_output = model.class_id_of_output.to(device)
        self.device = device
        self.dtype = dtype

    @torch.inference_mode()
    def __call__(self, images: list[Tensor], choice: Choice) -> list[Detections]:
        """Detect in images of one size after resizing.

        Args:
            images: uint8 (3, H, W), RGB.
            choice: Which detections are kept.
        """
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        scaled = [
            widen_sliver(image.to(self.device).float() / 255, self.network.transform.max_size)
            for image in images
        ]
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            batch, _ = self.network.transform(scaled)
            inputs = batch.tensors.contiguous(memory_format=torch.channels_last)
            features = self.network.backbone(inputs)
            proposals, _ = self.network.rpn(batch, features)
            kept = self._boxes(features, proposals, batch.image_sizes, choice)
            masks = self._masks(features, kept, batch.image_sizes)
        return [
            Detections(
                boxes=resize_boxes(boxes, resized, size).cpu(),
                class_ids=self.class_id_of_output[outputs].cpu(),
                scores=scores.cpu(),
                soft_masks=soft.cpu(),
            )
            for (boxes, outputs, scores), soft, resized, size in zip(
                kept, masks, batch.image_sizes, sizes, strict=True
            )
        ]

    @torch.inference_mode()
    def masks_inside(self, image: Tensor, boxes: Tensor, class_ids: Tensor) -> Tensor:
        """The soft masks of the objects in known boxes.

        Args:
            image: uint8 (3, H, W), RGB.
            boxes: float32 (N, 4) xyxy in pixels of the image.
            class_ids: int64 (N,), 1..K, of the model.

        Returns:
            float32 (N, 28, 28) on the CPU, probabilities inside the box.
        """
        outputs = torch.tensor(
            [self.class_id_of_output.tolist().index(each) for each in class_ids.tolist()],
            dtype=torch.int64,
            device=self.device,
        )
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            batch, _ = self.network.transform([image.to(self.device).float() / 255])
            features = self.network.backbone(batch.tensors)
            size = image.shape[-2], image.shape[-1]
            scaled = resize_boxes(boxes.to(self.device), size, batch.image_sizes[0])
            (masks,) = self._masks(features, [(scaled, outputs, outputs)], batch.image_sizes)
        return masks.cpu()

    def _boxes(
        self,
        features: dict[str, Tensor],
        proposals: list[Tensor],
        image_sizes: list[tuple[int, int]],
        choice: Choice,
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Boxes, output indices and scores of each image."""
        heads = self.network.roi_heads
        pooled = heads.box_roi_pool(features, proposals, image_sizes)
        logits, deltas = heads.box_predictor(heads.box_head(pooled))
        boxes = heads.box_coder.decode(deltas.float(), proposals)  # [R,outputs,4]
        scores = logits.float().softmax(-1) * self._wanted(choice)
        counts = [len(p) for p in proposals]
        per_image = zip(boxes.split(counts), scores.split(counts), image_sizes, strict=True)
        return [self._select(b, s, size, choice) for b, s, size in per_image]

    def _wanted(self, choice: Choice) -> Tensor:
        """1 for outputs of a wanted class, else 0: (outputs,)."""
        wanted = self.class_id_of_output > 0
        if choice.class_ids is not None:
            ids = torch.tensor(sorted(choice.class_ids), device=self.device)
            wanted = torch.isin(self.class_id_of_output, ids)
        return wanted.float()

    def _select(
        self, boxes: Tensor, scores: Tensor, size_hw: tuple[int, int], choice: Choice
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Threshold, drop empty boxes, suppress per class, keep the best."""
        row, output = torch.where(scores > choice.score_threshold)
        found = scores[row, output]
        candidates = clip_boxes_to_image(boxes[row, output], size_hw)
        large = remove_small_boxes(candidates, SMALLEST_BOX_PX)
        candidates, found, output = candidates[large], found[large], output[large]
        best = batched_nms(candidates, found, output, self.network.roi_heads.nms_thresh)
        best = best[: choice.max_detections]
        return candidates[best], output[best], found[best]

    def _masks(
        self,
        features: dict[str, Tensor],
        kept: list[tuple[Tensor, Tensor, Tensor]],
        image_sizes: list[tuple[int, int]],
    ) -> tuple[Tensor, ...]:
        """Soft masks of each image: (N_i, 28, 28)."""
        heads = self.network.roi_heads
        boxes = [b for b, _, _ in kept]
        outputs = torch.cat([o for _, o, _ in kept])
        if not len(outputs):
            return tuple(b.new_zeros((0, 28, 28)) for b in boxes)
        pooled = heads.mask_head(heads.mask_roi_pool(features, boxes, image_sizes))
        logits = own_mask_logits(heads.mask_predictor, pooled, outputs)
        return logits.float().sigmoid().split([len(b) for b in boxes])


def widen_sliver(image: Tensor, max_size: int) -> Tensor:
    """Widen an image (C, H, W) so narrow that resizing would reduce its shorter side to 0."""
    size = image.shape[-2:]
    least = max(size) // max_size + 1
    if min(size) >= least:
        return image
    return F.interpolate(image[None], size=[max(side, least) for side in size])[0]


def own_mask_logits(predictor: nn.Module, x: Tensor, outputs: Tensor) -> Tensor:
    """The mask logits of each detection for its own class.

    Args:
        predictor: Torchvision's mask predictor, or one with the same two steps.
        x: (N, C, M, M).
        outputs: int64 (N,).

    Returns:
        (N, 2M, 2M).
    """
    if isinstance(predictor, MaskRCNNPredictor):
        cells = predictor.relu(predictor.conv5_mask(x))
        if len(predictor.mask_fcn_logits.bias) == 1:  # which all classes share
            outputs = torch.zeros_like(outputs)
        weight = predictor.mask_fcn_logits.weight[outputs, :, 0, 0]  # [N,C]
        bias = predictor.mask_fcn_logits.bias[outputs]
        return torch.einsum("nchw,nc->nhw", cells, weight) + bias[:, None, None]
    return predictor(x)[torch.arange(len(outputs), device=outputs.device), outputs]


def fold_batch_norms(network: GeneralizedRCNN) -> GeneralizedRCNN:
    """Fold every BatchNorm that directly follows a convolution into it, in place."""
    for parent in list(network.modules()):
        children = list(parent.named_children())
        for (_, conv), (name, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, NORMS):
                conv.weight, conv.bias = map(nn.Parameter, folded(conv, norm))
                setattr(parent, name, nn.Identity())
    return network
