"""The forward pass for inference: results equal to torchvision's, without unused work."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes

from instseg.models.compact import LEVELS, PyramidRPN
from instseg.models.detections import Choice, Detections, Glance, Kept
from instseg.models.folding import folded_network
from instseg.models.mask_rcnn import Model
from instseg.models.packed import can_pack
from instseg.models.packed_network import PackedMaskPredictor, packed_network
from instseg.models.selection import best_boxes, best_proposals
from instseg.models.shrinking import is_shrunk, shrunk

Features = dict[str, Tensor]


class Detector:
    """A network prepared for inference on one device.

    The methods from `prepare` to `mask_head` are its steps, in this order. They are called in
    inference mode and, if `dtype` is not float32, under autocast.

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
        network = folded_network(model).to(device, memory_format=torch.channels_last)
        self.packed = can_pack(device, dtype)
        self.network = packed_network(network, dtype) if self.packed else network
        resize = self.network.transform
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
        with self._autocast():
            batch, features, kept = self._find(images, choice)
            cells = self.pool_masks(features, kept, batch.image_sizes)
            masks = self.mask_head(cells, kept)
        sizes = [(image.shape[-2], image.shape[-1]) for image in images]
        return self.detections(kept, masks, batch.image_sizes, sizes)

    @torch.inference_mode()
    def glance(self, images: list[Tensor], choice: Choice) -> list[Glance]:
        """Classes and scores of the detections, and the features of the images.

        Args:
            images: As above, as is `choice`.
            choice: See above.
        """
        with self._autocast():
            _, features, kept = self._find(images, choice)
        means = torch.cat([each.float().mean((2, 3)) for each in features.values()], 1)
        return [
            Glance(
                class_ids=self.class_id_of_output[each.outputs].cpu(),
                scores=each.scores.cpu(),
                features=mean,
            )
            for each, mean in zip(kept, means.cpu(), strict=True)
        ]

    def _find(self, images: list[Tensor], choice: Choice) -> tuple[ImageList, Features, list[Kept]]:
        """The steps until the detections."""
        batch = self.prepare(images)
        features = self.trunk(batch)
        proposals = self.proposals(batch, *self.rpn_head(features))
        cells = self.pool_boxes(features, proposals, batch.image_sizes)
        kept = self.select(*self.box_head(cells), proposals, batch.image_sizes, choice)
        return batch, features, kept

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
        with self._autocast():
            batch = self.prepare([image])
            features = self.trunk(batch)
            size = image.shape[-2], image.shape[-1]
            scaled = resize_boxes(boxes.to(self.device), size, batch.image_sizes[0])
            known = [Kept(scaled, outputs, torch.ones_like(scaled[:, 0]))]
            (masks,) = self.mask_head(self.pool_masks(features, known, batch.image_sizes), known)
        return masks.cpu()

    def _autocast(self) -> torch.autocast:
        enabled = self.dtype != torch.float32 and not self.packed
        return torch.autocast(self.device.type, self.dtype, enabled=enabled)

    def prepare(self, images: list[Tensor]) -> ImageList:
        """Resize, normalise and pad images uint8 (3, H, W) to a batch."""
        transform = self.network.transform
        scaled = []
        for image in (each.to(self.device) for each in images):
            if is_shrunk(image, transform):
                scaled.append(shrunk(image, transform))
            else:
                wide = widen_sliver(image.float() / 255, transform.max_size)
                scaled.append(transform.resize(normalized(wide, transform))[0])
        tensors = transform.batch_images(scaled, size_divisible=transform.size_divisible)
        sizes = [(image.shape[-2], image.shape[-1]) for image in scaled]
        return ImageList(tensors.contiguous(memory_format=torch.channels_last), sizes)

    def trunk(self, batch: ImageList) -> Features:
        """The feature maps (B, C, h, w) of a batch, by name."""
        features: Features = self.network.backbone(batch.tensors)
        return features

    def rpn_head(self, features: Features) -> tuple[list[Tensor], list[Tensor]]:
        """Of each level logits (B, A, h, w) and deltas (B, 4 * A, h, w), float32."""
        logits, deltas = self.network.rpn.head(self._levels(features))
        return logits, deltas

    def _levels(self, features: Features) -> list[Tensor]:
        """The maps that proposals come from."""
        names = LEVELS if isinstance(self.network.rpn, PyramidRPN) else tuple(features)
        return [features[name] for name in names]

    def proposals(
        self, batch: ImageList, logits: list[Tensor], deltas: list[Tensor]
    ) -> list[Tensor]:
        """The proposals of each image (R_i, 4), in pixels of the network's input, best first."""
        return best_proposals(self.network.rpn, batch, logits, deltas)

    def pool_boxes(
        self, features: Features, proposals: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """The cells of the proposals of all images, one after the other: (R, C, 7, 7)."""
        cells: Tensor = self.network.roi_heads.box_roi_pool(features, proposals, image_sizes)
        return cells

    def box_head(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (R, outputs) and deltas (R, 4 * outputs), float32, of pooled proposals."""
        heads = self.network.roi_heads
        logits, deltas = heads.box_predictor(heads.box_head(cells))
        return logits.float(), deltas.float()

    def select(
        self,
        logits: Tensor,
        deltas: Tensor,
        proposals: list[Tensor],
        image_sizes: list[tuple[int, int]],
        choice: Choice,
    ) -> list[Kept]:
        """The best boxes of each image."""
        scores = logits.softmax(-1) * self._wanted(choice)
        counts = [len(p) for p in proposals]
        per_image = zip(
            scores.split(counts), deltas.split(counts), proposals, image_sizes, strict=True
        )
        limits = choice.score_threshold, choice.max_detections
        return [Kept(*best_boxes(self.network.roi_heads, *each, *limits)) for each in per_image]

    def _wanted(self, choice: Choice) -> Tensor:
        """1 for outputs of a wanted class, else 0: (outputs,)."""
        wanted = self.class_id_of_output > 0
        if choice.class_ids is not None:
            ids = torch.tensor(sorted(choice.class_ids), device=self.device)
            wanted = torch.isin(self.class_id_of_output, ids)
        return wanted.float()

    def pool_masks(
        self, features: Features, kept: list[Kept], image_sizes: list[tuple[int, int]]
    ) -> Tensor:
        """The cells of the detections of all images, one after the other: (N, C, 14, 14)."""
        boxes = [each.boxes for each in kept]
        cells: Tensor = self.network.roi_heads.mask_roi_pool(features, boxes, image_sizes)
        return cells

    def mask_head(self, cells: Tensor, kept: list[Kept]) -> list[Tensor]:
        """Soft masks of the detections of each image: float32 (N_i, 28, 28)."""
        heads = self.network.roi_heads
        counts = [len(each.outputs) for each in kept]
        if not sum(counts):
            return [cells.new_zeros((0, 28, 28), dtype=torch.float32)] * len(kept)
        outputs = torch.cat([each.outputs for each in kept])
        logits = own_mask_logits(heads.mask_predictor, heads.mask_head(cells), outputs)
        return list(logits.float().sigmoid().split(counts))

    def detections(
        self,
        kept: list[Kept],
        masks: list[Tensor],
        image_sizes: list[tuple[int, int]],
        sizes: list[tuple[int, int]],
    ) -> list[Detections]:
        """What is kept, in pixels of the original images, whose `sizes` are height and width."""
        return [
            Detections(
                boxes=resize_boxes(each.boxes, resized, size).cpu(),
                class_ids=self.class_id_of_output[each.outputs].cpu(),
                scores=each.scores.cpu(),
                soft_masks=soft.cpu(),
            )
            for each, soft, resized, size in zip(kept, masks, image_sizes, sizes, strict=True)
        ]


def normalized(image: Tensor, transform: GeneralizedRCNNTransform) -> Tensor:
    """`transform.normalize` of an image (3, H, W), in long rows, not pixels of three values."""
    height, width = image.shape[-2:]
    mean, std = (
        image.new_tensor(each).repeat(width) for each in (transform.image_mean, transform.image_std)
    )
    rows = image.permute(1, 2, 0).flatten(1)
    return ((rows - mean) / std).view(height, width, 3).permute(2, 0, 1)


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
    if isinstance(predictor, PackedMaskPredictor):
        return predictor(x, outputs)
    if isinstance(predictor, MaskRCNNPredictor):
        cells = predictor.relu(predictor.conv5_mask(x))
        if len(predictor.mask_fcn_logits.bias) == 1:  # which all classes share
            outputs = torch.zeros_like(outputs)
        weight = predictor.mask_fcn_logits.weight[outputs, :, 0, 0].to(cells.dtype)  # [N,C]
        bias = predictor.mask_fcn_logits.bias[outputs]
        return torch.einsum("nchw,nc->nhw", cells, weight) + bias[:, None, None]
    return predictor(x)[torch.arange(len(outputs), device=outputs.device), outputs]
