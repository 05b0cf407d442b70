"""Results of a model that is evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from instseg.core.events import Notice, OnEvent, download_progress
from instseg.core.json_types import Json
from instseg.data.coco import CocoData
from instseg.evaluation.read_results import shared_classes
from instseg.files.exported_file import is_exported, read_exported
from instseg.files.weights import locate
from instseg.predict.dataset import predict_dataset
from instseg.system.device import forked_rng
from instseg.system.processes import process_device

if TYPE_CHECKING:
    from instseg.models.mask_rcnn import Model


def predict_results(
    model: str | Path | Model,
    data: CocoData,
    *,
    name: str,
    architecture: str | None,
    device: str,
    engine: str,
    precision: str,
    memory: str | None,
    tile: int | None,
    score_threshold: float,
    max_detections: int,
    on_event: OnEvent,
) -> list[Json] | None:
    """Results of the model for the dataset's classes.

    Args:
        model: The model, its name or its file.
        data: The dataset with its photos.
        name: Name of the model in messages.
        architecture: Architecture of a .pth file.
        device: Where it runs.
        engine: What runs it.
        precision: Floating-point precision.
        memory: Limit for the memory of the process; see `Predictor`.
        tile: Side of the tiles of larger photos; None for none.
        score_threshold: Minimum score of predictions.
        max_detections: Most detections per photo.
        on_event: Called with progress and warnings.

    Returns:
        None in every process but the first.

    Raises:
        InputError: The model and the dataset share no class name.
    """
    from instseg.models.mask_rcnn import Model, load_detector
    from instseg.predict.predictor import Predictor

    given, wanted = model, data.class_names[1:]
    if isinstance(given, str | Path) and is_exported(given):
        card = read_exported(locate(given)).card
    else:
        if isinstance(model, str | Path):
            progress = download_progress(on_event)
            with forked_rng("cpu"):  # networks are drawn at random before they are loaded
                model = load_detector(model, architecture=architecture, progress=progress)
        card = model.card
        if engine in ("auto", "torch"):  # others keep conversions beside the file
            given = model
    if notice := card.tile_notice(tile):
        on_event(Notice(text=f"{name}: {notice}"))
    predictor = Predictor(
        given,
        architecture=None if isinstance(given, Model) else architecture,
        device=process_device(device),
        engine=engine,
        precision=precision,
        memory=memory,
        tile=tile,
        score_threshold=score_threshold,
        classes=shared_classes(card.class_names[1:], wanted, name, on_event),
        max_detections=max_detections,
        on_event=on_event,
    )
    return predict_dataset(predictor, data, on_event=on_event)
