"""The two models that are compared: found, loaded and checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from instseg.core.errors import ArgumentError, InputError
from instseg.core.events import OnEvent, download_progress, ignore
from instseg.core.json_types import Json
from instseg.core.wording import some

if TYPE_CHECKING:
    from instseg.models.mask_rcnn import Model
    from instseg.models.segmenters import SegmenterModel
    from instseg.predict.predictor import Predictor
    from instseg.predict.segmenter import Segmenter


def load_unet(
    weights: str | Path | SegmenterModel,
    *,
    device: str = "auto",
    engine: str = "auto",
    precision: str = "auto",
    memory: str | None = None,
    on_event: OnEvent = ignore,
) -> Segmenter:
    """The U-Net, on its device, in its engine and with its precision.

    Raises:
        InputError: It is not for photos.
    """
    from instseg.predict.segmenter import Segmenter

    segmenter = Segmenter(
        weights,
        device=device,
        engine=engine,
        precision=precision,
        memory=memory,
        progress=download_progress(on_event),
        on_event=on_event,
    )
    if not segmenter.card.takes_photos:
        raise InputError(
            f"{name_of(weights)}: was trained on arrays of other channels or values than photos "
            "have; give a network that was trained on photos"
        )
    return segmenter


def name_of(weights: str | Path | Model | SegmenterModel) -> str:
    """The name of a model in messages and files."""
    if isinstance(weights, str | Path):
        return str(weights)
    return f"loaded {weights.card.architecture}"


def described(weights: str | Path | Model | SegmenterModel, model: Predictor | Segmenter) -> Json:
    """The description of a model in comparison.json."""
    return {
        "weights": name_of(weights),
        "architecture": model.card.architecture,
        "parameters": model.parameters,
        "engine": model.engine,
    }


def class_order(
    priority: str | Sequence[str] | None, class_names: Sequence[str], weights: str
) -> tuple[str, ...]:
    """The classes from highest to lowest; those of the model in its order if none are given.

    Args:
        priority: Names, or one text with commas between them.
        class_names: Those of the model, [0] the background.
        weights: What the model is called.

    Raises:
        ArgumentError: One of them is not there.
    """
    if priority is None:
        return tuple(class_names[1:])
    given = priority.split(",") if isinstance(priority, str) else priority
    names = tuple(name.strip() for name in given)
    for name in names:
        if name not in class_names[1:]:
            known = some(class_names[1:])
            raise ArgumentError(f"{{priority}}: {weights} knows no class {name!r}, but {known}")
    return names
