"""What an evaluation stores in a model file: score thresholds, metrics and words about the data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from instseg import __version__
from instseg.core.json_types import Json
from instseg.evaluation.result import Evaluation, KindScores
from instseg.files.model_card import ModelCard
from instseg.files.model_file import read_model_card, with_card
from instseg.files.weights import NAMED, locate


def save_to_model(
    weights: str,
    architecture: str | None,
    folder: Path | None,
    changed: Callable[[ModelCard], ModelCard],
) -> Path:
    """Change the card of a model file; its tensors stay as they are.

    Args:
        weights: A name or a path.
        architecture: Architecture of a `.pth` file.
        folder: Folder for a copy of named weights, or of a `.pth` file.
        changed: The new card, from the old one.

    Returns:
        The model file with the new card.
    """
    from instseg.models.mask_rcnn import load_detector

    source = locate(weights)
    if weights not in NAMED and source.suffix == ".safetensors":
        target = source
    else:
        assert folder is not None  # which `evaluate` checks
        target = folder / f"{Path(weights).stem}.safetensors"
    if source.suffix == ".safetensors":
        with_card(source, changed(read_model_card(source)), target)
    else:
        model = load_detector(weights, architecture=architecture)
        replace(model, card=changed(model.card)).save(target)
    return target


def with_thresholds(card: ModelCard, scores: KindScores) -> ModelCard:
    """A card with a score threshold for each of its classes; none if no object was found.

    Args:
        card: The card.
        scores: Their `prediction_thresholds`. Classes that the dataset lacks have the
            `overall_threshold`.
    """
    overall = scores.overall_threshold
    if overall is None:
        return replace(card, thresholds={})
    chosen = scores.prediction_thresholds
    return replace(card, thresholds={n: chosen.get(n, overall) for n in card.class_names[1:]})


def with_metrics(card: ModelCard, evaluation: Evaluation, about: Mapping[str, Any]) -> ModelCard:
    """A card with the metrics of an evaluation, in place of those that it had.

    Args:
        card: The card.
        evaluation: The evaluation.
        about: Further entries of the provenance; see `files/about.py`.
    """
    data = {k: evaluation.data[k] for k in ("images", "objects", "crowds", "classes")}
    data["coco_json"] = Path(evaluation.data["coco_json"]).name
    metrics: Json = {"data": data, "instseg": __version__}
    metrics |= {each.kind: _block(each) for each in evaluation.kinds}
    return replace(card, provenance={**card.provenance, "metrics": metrics, **about})


def _block(each: KindScores) -> Json:
    """As training writes them, with intervals and the number of objects."""
    return {
        **each.scores,
        "intervals": {name: list(limits) for name, limits in each.intervals.items() if limits},
        "per_class": {row.name: row.AP for row in each.per_class if row.AP is not None},
        "objects": {row.name: row.objects for row in each.per_class},
    }
