"""What an evaluation stores in a model file: score thresholds, metrics and words about the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from instseg import __version__
from instseg.core.errors import ArgumentError
from instseg.core.json_types import Json
from instseg.evaluation.result import Evaluation, KindScores
from instseg.files.about import read_about
from instseg.files.exported_file import is_exported
from instseg.files.model_card import ModelCard
from instseg.files.model_file import read_model_card, with_card
from instseg.files.weights import NAMED, locate


def check_model_file(
    weights: object, out: object, *, thresholds: bool, metrics: bool, about: str | Path | None
) -> None:
    """Raise InputError if what is to be stored in a model file cannot be; see `save_to_model`."""
    if about is not None:
        if not metrics:
            raise ArgumentError("{about} needs {save_metrics}")
        read_about(about)  # before hours of prediction
    for wish, wanted in (("{save_thresholds}", thresholds), ("{save_metrics}", metrics)):
        if not wanted:
            continue
        if weights is None:
            raise ArgumentError(f"{wish} needs {{weights}}, the model to store them with")
        if not isinstance(weights, str | Path):
            raise ArgumentError(f"{wish} needs {{weights}} by name or path, no loaded model")
        if is_exported(weights):
            raise ArgumentError(
                f"{wish} cannot change an exported file; evaluate the model file that {{weights}} "
                "was made of, and export it again"
            )
        if out is None and not str(weights).endswith(".safetensors"):
            raise ArgumentError(f"{wish} needs {{out}}, the folder for a copy of {{weights}}")


def save_to_model(
    weights: str,
    architecture: str | None,
    folder: Path | None,
    evaluation: Evaluation,
    *,
    thresholds: bool,
    metrics: bool,
    about: str | Path | None,
) -> Path:
    """Store results of an evaluation in a model file; its tensors stay as they are.

    Args:
        weights: A name or a path.
        architecture: Architecture of a `.pth` file.
        folder: Folder for a copy of named weights, or of a `.pth` file.
        evaluation: The evaluation.
        thresholds: Store score thresholds.
        metrics: Store metrics, and `about`.
        about: See `files/about.py`.

    Returns:
        The model file.
    """
    from instseg.models.mask_rcnn import load_detector

    told = {} if about is None else read_about(about)

    def changed(card: ModelCard) -> ModelCard:
        if thresholds:
            card = with_thresholds(card, evaluation.rated)
        return with_metrics(card, evaluation, told) if metrics else card

    source = locate(weights)
    if weights not in NAMED and source.suffix == ".safetensors":
        target = source
    else:
        assert folder is not None  # as `check_model_file` has seen
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
