"""The architectures by name, and how their weights are read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import FrozenBatchNorm2d

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.core.errors import InputError
from instseg.files.model_file import (
    ModelCard,
    load_model_file,
    load_torch_state_dict,
    save_model_file,
)
from instseg.files.weights import NAMED, locate
from instseg.models.compact import compact

COCO_OUTPUTS = 91  # of torchvision's COCO heads: one per dataset id, ten of them unused


def resnet50_fpn(num_classes: int) -> GeneralizedRCNN:
    """Torchvision's `maskrcnn_resnet50_fpn` as it is with its COCO weights.

    Its batch norms are frozen with eps 0, which no state dict tells: built with `weights=None`,
    torchvision's own builder gives trainable ones and other results.
    """
    backbone = resnet_fpn_backbone(
        backbone_name="resnet50", weights=None, norm_layer=FrozenBatchNorm2d, trainable_layers=3
    )
    model = MaskRCNN(backbone, num_classes)
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = 0.0
    return model


def resnet50_fpn_v2(num_classes: int) -> GeneralizedRCNN:
    """Torchvision's `maskrcnn_resnet50_fpn_v2`: trainable batch norms, deeper heads."""
    return maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=num_classes)


ARCHITECTURES: dict[str, Callable[..., GeneralizedRCNN]] = {
    "resnet50_fpn": resnet50_fpn,
    "resnet50_fpn_v2": resnet50_fpn_v2,
    "compact": compact,
}


@dataclass(frozen=True, kw_only=True)
class Model:
    """A network in evaluation mode and the card that describes it.

    Attributes:
        network: A torchvision detection model.
        card: Architecture, classes, preprocessing.
    """

    network: GeneralizedRCNN
    card: ModelCard

    @property
    def class_id_of_output(self) -> Tensor:
        """Class id of each output of the heads, int64 (outputs,); 0 where an output is unused."""
        outputs = self.card.architecture_args["num_classes"]
        if outputs == len(self.card.class_names):
            return torch.arange(outputs)
        ids = torch.zeros(outputs, dtype=torch.int64)
        ids[torch.tensor(self.card.category_ids)] = torch.arange(len(self.card.category_ids))
        return ids

    def save(self, path: Path, dtype: torch.dtype | None = None) -> None:
        """Write a model file; `dtype` is how floating-point weights are stored."""
        save_model_file(path, self.network.state_dict(), self.card, dtype=dtype)


def build(card: ModelCard) -> Model:
    """The network that a card describes, with fresh weights.

    Raises:
        InputError: for an unknown architecture.
    """
    builder = ARCHITECTURES.get(card.architecture)
    if builder is None:
        raise InputError(
            f"architecture {card.architecture!r} is unknown; use one of {', '.join(ARCHITECTURES)}"
        )
    network = builder(**card.architecture_args)
    prepare = card.preprocessing
    network.transform = GeneralizedRCNNTransform(
        prepare["min_size"], prepare["max_size"], prepare["mean"], prepare["std"]
    )
    return Model(network=network.eval(), card=card)


def fresh_model(
    architecture: str, class_names: tuple[str, ...], category_ids: tuple[int, ...]
) -> Model:
    """An untrained network for given classes; random numbers come from torch's generator."""
    sizes = {"min_size": 320, "max_size": 544} if architecture == "compact" else {}
    return build(
        ModelCard(
            architecture=architecture,
            architecture_args={"num_classes": len(class_names)},
            class_names=class_names,
            category_ids=category_ids,
            preprocessing=PREPROCESSING | sizes,
            thresholds={},
            provenance={},
        )
    )


def coco_card(architecture: str) -> ModelCard:
    """The card of torchvision's COCO weights of an architecture."""
    return ModelCard(
        architecture=architecture,
        architecture_args={"num_classes": COCO_OUTPUTS},
        class_names=COCO_CLASSES,
        category_ids=COCO_CATEGORY_IDS,
        preprocessing=PREPROCESSING,
        thresholds={},
        provenance={},
    )


PREPROCESSING: dict[str, Any] = {
    "min_size": 800,
    "max_size": 1333,
    "mean": [0.485, 0.456, 0.406],
    "std": [0.229, 0.224, 0.225],
}


def load_model(
    weights: str | Path,
    *,
    architecture: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Find weights, download them if need be, and build their network.

    Args:
        weights: `coco-v2`, `coco-v1`, `demo`, or the path of a model file or of a torchvision
            state dict (`.pth`).
        architecture: What a `.pth` file holds; named weights and model files know it themselves.
        progress: Called with bytes done and bytes in all while downloading.

    Raises:
        InputError: when the weights cannot be had, or do not fit the architecture.
    """
    from instseg.models.segmenters import is_segmenter  # which imports this module

    path = locate(weights, progress=progress)
    if path.suffix == ".safetensors":
        card, state = load_model_file(path)
        if is_segmenter(card.architecture):
            raise InputError(
                f"{path} holds {card.architecture}, which gives label maps, not instances; "
                "give the model file of a Mask R-CNN"
            )
        if architecture not in (None, card.architecture):
            raise InputError(
                f"{path} holds {card.architecture}, not {architecture}; leave --architecture out"
            )
    else:
        named = NAMED.get(str(weights))
        architecture = named.architecture if named else architecture
        if architecture is None:
            choices = ", ".join(name for name in ARCHITECTURES if name != "compact")
            raise InputError(
                f"{path} does not say what it is; add --architecture, one of {choices}"
            )
        state = load_torch_state_dict(path)
        card = coco_card(architecture)
    model = build(card)
    load_weights(model.network, state, path)
    return model


def load_weights(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict that must fit exactly.

    Raises:
        InputError: naming the first tensor that is missing, unknown or of another shape.
    """
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
        problems = [f"{name} is missing" for name in missing]
        problems += [f"{name} is unknown" for name in unknown]
    except RuntimeError as error:  # shapes: a heading, then a line for each tensor
        problems = str(error).split("\n\t")[1:]
    if problems:
        raise InputError(
            f"{path} does not fit the architecture: {problems[0]}; "
            "check --architecture, or save the weights again"
        )
