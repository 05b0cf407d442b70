"""Mask R-CNN models: built from a card, read from weights, and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.core.classes import COCO_CATEGORY_IDS, COCO_CLASSES
from instseg.core.errors import ArgumentError, InputError
from instseg.files.exported_file import is_exported
from instseg.files.model_card import ModelCard
from instseg.files.model_file import (
    load_model_file,
    load_torch_state_dict,
    save_model_file,
)
from instseg.files.weights import NAMED, locate
from instseg.models import registry
from instseg.models.state import load_weights

COCO_OUTPUTS = 91  # of torchvision's COCO heads: one per dataset id, ten of them unused


@dataclass(frozen=True, kw_only=True, repr=False)
class Model:
    """A network in evaluation mode and the card that describes it.

    Attributes:
        network: A torchvision detection model.
        card: Architecture, classes, preprocessing.
    """

    network: GeneralizedRCNN
    card: ModelCard

    def __repr__(self) -> str:
        return f"Model({self.card.in_words()})"

    @property
    def class_agnostic_mask(self) -> bool:
        """Whether all classes share one mask channel."""
        return bool(self.card.architecture_args.get("class_agnostic_mask", False))

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
        """Write a model file; `dtype` is that of the stored floating-point weights."""
        save_model_file(path, self.network.state_dict(), self.card, dtype=dtype)


def build_detector(card: ModelCard) -> Model:
    """The network that a card describes, with random weights.

    Raises:
        InputError: The architecture is unknown, or its arguments are invalid.
    """
    architecture = registry.detector(card.architecture)
    registry.check_card(card, architecture)
    network = architecture.build(**card.architecture_args)
    prepare = card.preprocessing
    network.transform = GeneralizedRCNNTransform(
        prepare["min_size"], prepare["max_size"], prepare["mean"], prepare["std"]
    )
    return Model(network=network.eval(), card=card)


def fresh_model(
    architecture: str,
    class_names: tuple[str, ...],
    category_ids: tuple[int, ...],
    *,
    class_agnostic_mask: bool = False,
) -> Model:
    """An untrained network for given classes; random numbers come from torch's generator."""
    arguments = {"num_classes": len(class_names), "class_agnostic_mask": class_agnostic_mask}
    return build_detector(
        ModelCard(
            architecture=architecture,
            architecture_args=arguments,
            class_names=class_names,
            category_ids=category_ids,
            preprocessing=dict(registry.detector(architecture).preprocessing),
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
        preprocessing=dict(registry.detector(architecture).preprocessing),
        thresholds={},
        provenance={},
    )


def load_detector(
    weights: str | Path,
    *,
    architecture: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Model:
    """Find weights of a Mask R-CNN, download them if necessary, and build their network.

    Args:
        weights: `coco-v2`, `coco-v1`, `photos`, `demo`, or the path of a model file or of a
            torchvision state dict (`.pth`).
        architecture: Architecture of a `.pth` file; named weights and model files contain it.
        progress: Called with the bytes downloaded and the total.

    Raises:
        InputError: The weights are not available, damaged, do not fit the architecture, or are
            those of a semantic network.
    """
    path = locate(weights, semantic=False, progress=progress)
    if is_exported(path):
        raise InputError(
            f"{path}: an exported file, which Predictor, infer and evaluate take; here the model "
            "file is needed that it was made of"
        )
    if path.suffix == ".safetensors":
        return _from_model_file(path, architecture)
    named = NAMED.get(str(weights))
    architecture = named.architecture if named else architecture
    state = load_torch_state_dict(path)
    if architecture is None:
        choices = ", ".join(name for name in registry.DETECTORS if name.startswith("resnet"))
        raise ArgumentError(
            f"{path} does not contain its architecture; add {{architecture}}, one of {choices}"
        )
    model = build_detector(coco_card(architecture))
    load_weights(model.network, state, path)
    return model


def _from_model_file(path: Path, architecture: str | None) -> Model:
    """The Mask R-CNN of a model file, which must be of `architecture` if that is given."""
    card, state = load_model_file(path)
    if registry.is_segmenter(card.architecture):
        raise InputError(
            f"{path} holds {card.architecture}, which gives semantic maps, not instances; "
            "give the model file of a Mask R-CNN"
        )
    if architecture not in (None, card.architecture):
        raise ArgumentError(
            f"{path} holds {card.architecture}, not {architecture}; leave {{architecture}} out"
        )
    try:
        model = build_detector(card)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    load_weights(model.network, state, path)
    return model
