"""Model cards, for tests of them and of model files."""

from typing import Any

from instseg.files.model_card import ModelCard

SIZES: dict[str, Any] = {"min_size": 64, "max_size": 96, "mean": [0.5] * 3, "std": [0.2] * 3}


def make_card(**changes: Any) -> ModelCard:
    fields: dict[str, Any] = {
        "architecture": "compact",
        "architecture_args": {"width": 32, "strides": [8, 16]},
        "class_names": ("BG", "Ampel", "naïve ☂"),
        "category_ids": (0, 90, 7),
        "preprocessing": {"min_size": 320, "max_size": 320, "mean": [0.5] * 3, "std": [0.2] * 3},
        "thresholds": {"Ampel": 0.35},
        "provenance": {"data": "sha256:12", "ap": 0.58, "note": None},
    }
    return ModelCard(**{**fields, **changes})
