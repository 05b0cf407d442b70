"""The starting network of `train_unet`, with outputs for the classes of the data."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instseg.core.errors import ArgumentError
from instseg.core.events import ClassesMatched, OnEvent, download_progress, ignore
from instseg.data.semantic_data import SemanticData, Statistics
from instseg.files.model_card import ARRAYS, PHOTOS
from instseg.files.model_file import read_model_card
from instseg.files.weights import locate
from instseg.models import registry
from instseg.models.heads import match_classes
from instseg.models.segmenters import (
    SegmenterModel,
    check_semantic,
    fresh_segmenter,
    load_segmenter,
    usual_preprocessing,
)
from instseg.models.semantic_heads import with_segmenter_classes


@dataclass(frozen=True, kw_only=True)
class SegmenterStart:
    """A new network, or starting weights, and how images are prepared for it.

    Attributes:
        architecture: Architecture of a new network.
        skips: Whether it has skip connections.
        encoder_weights: `none`, `imagenet`, or for `unet_efficientnet_lite0` a model file.
        weights: Starting weights instead: a name, a path or a model, which is not changed.
        size: Size of the shorter side of images after resizing.
        on_event: Called with downloads and the initialisation of classes.
    """

    architecture: str
    skips: bool
    encoder_weights: str
    weights: str | Path | SegmenterModel | None
    size: int | None
    on_event: OnEvent = ignore

    def model(
        self, data: SemanticData, image: NDArray[Any], statistics: Statistics
    ) -> SegmenterModel:
        """The network that training starts from.

        Args:
            data: The training data.
            image: One of the images; all have its channels and dtype.
            statistics: Statistics of the images.

        Raises:
            InputError: The starting weights are for images with other channels.
        """
        if self.weights is None:
            prepare = preprocessing_of(self.architecture, image, statistics, self.size)
            return self._new(data, prepare)
        model = self._known(self.weights, data, image, statistics)
        channels = image.shape[2]
        made_grey = (channels, model.in_channels, image.dtype) == (3, 1, np.uint8)
        if channels != model.in_channels and not made_grey:
            name = self.weights if isinstance(self.weights, str | Path) else "the model"
            raise ArgumentError(
                f"{name}: takes {model.in_channels} channels, the images have {channels}; "
                "start without {weights}"
            )
        return model

    def _new(self, data: SemanticData, preprocessing: dict[str, Any]) -> SegmenterModel:
        return fresh_segmenter(
            self.architecture,
            data.class_names,
            data.category_ids,
            encoder_weights=self.encoder_weights,
            preprocessing=preprocessing,
            **({} if self.skips else {"skips": False}),
        )

    def _known(
        self,
        weights: str | Path | SegmenterModel,
        data: SemanticData,
        image: NDArray[Any],
        statistics: Statistics,
    ) -> SegmenterModel:
        """The network of other weights, with outputs for the classes of the data.

        Images are normalised as for a new network, because its earlier images may have had other
        units; only photos that are converted to grey are normalised as for the starting weights.
        """
        model = weights
        if isinstance(model, str | Path):
            model = load_segmenter(model, progress=download_progress(self.on_event))
        names = data.class_names
        sources = match_classes(model.card.class_names[1:], names[1:])
        self.on_event(ClassesMatched(sources={name: sources.get(name) for name in names[1:]}))
        new = with_segmenter_classes(model, names, data.category_ids, sources)
        prepare = dict(new.card.preprocessing)
        preprocessing = preprocessing_of(new.card.architecture, image, statistics, self.size)
        if len(preprocessing["mean"]) == model.in_channels:
            prepare |= {key: preprocessing[key] for key in ("mean", "std", "input")}
        if self.size is not None:
            prepare |= {"min_size": self.size, "max_size": None}
        return dataclasses.replace(new, card=dataclasses.replace(new.card, preprocessing=prepare))


def check_start(
    weights: str | Path | SegmenterModel | None, architecture: str, encoder_weights: str
) -> str:
    """The architecture that training starts from; raises InputError if there is no such network."""
    if weights is None:
        return registry.segmenter(architecture, encoder_weights).name
    name: str | Path = "weights"
    if isinstance(weights, str | Path):
        name = locate(weights)
        architecture = read_model_card(name).architecture
    else:
        architecture = weights.card.architecture
    check_semantic(name, architecture)
    return architecture


def preprocessing_of(
    architecture: str, image: NDArray[Any], statistics: Statistics, size: int | None
) -> dict[str, Any]:
    """Photos are normalised as for the encoder, other images by their own mean and deviation."""
    of_photos = image.dtype == np.uint8 and image.shape[2] in (1, 3)
    kind = PHOTOS if of_photos else ARRAYS
    found = {**usual_preprocessing(architecture), "min_size": size, "input": kind}
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return found
    unit = 255 if image.dtype == np.uint8 else 1
    std = np.where(statistics.std > 0, statistics.std, 1)
    return {**found, "mean": (statistics.mean / unit).tolist(), "std": (std / unit).tolist()}
