"""The COCO metrics that a model file contains, in its provenance."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from instseg.files.model_card import ModelCard

_KINDS = {"bbox": "box", "segm": "mask"}


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """COCO metrics of boxes or masks, as the model file tells them.

    Attributes:
        kind: `bbox` or `segm`.
        scores: `AP`, and others of COCO's twelve metrics: 0..1, or -1 without objects.
        intervals: Limits of the 95% interval by metric; metrics may be missing.
        per_class: AP by class name; empty if it is not told.
        objects: Number of objects by class name; empty if it is not told.
        images: Number of photos; 0 if it is not told.
    """

    kind: str
    scores: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    per_class: Mapping[str, float]
    objects: Mapping[str, float]
    images: int

    @property
    def name(self) -> str:
        """`box` or `mask`."""
        return _KINDS[self.kind]


def stored_metrics(card: ModelCard) -> dict[str, Metrics]:
    """The metrics in a model card by kind; {} if it has none.

    The provenance of a model file may be anything: what is no number is left out.
    """
    told = _dict(card.provenance.get("metrics"))
    images = _dict(told.get("data")).get("images")
    found = {}
    for kind in _KINDS:
        block = _dict(told.get(kind))
        scores = _numbers({k: v for k, v in block.items() if k.startswith("A")})
        if "AP" not in scores:
            continue
        found[kind] = Metrics(
            kind=kind,
            scores=scores,
            intervals=_ranges(_dict(block.get("intervals"))),
            per_class=_numbers(_dict(block.get("per_class"))),
            objects=_numbers(_dict(block.get("objects"))),
            images=images if isinstance(images, int) else 0,
        )
    return found


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if _is_number(value)}


def _ranges(values: dict[str, Any]) -> dict[str, tuple[float, float]]:
    return {
        name: (float(limits[0]), float(limits[1]))
        for name, limits in values.items()
        if isinstance(limits, list) and len(limits) == 2 and all(map(_is_number, limits))
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
