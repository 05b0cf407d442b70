"""`instseg info`: what a model file contains."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from instseg.commands.terminal import console, printable
from instseg.files.model_file import describe


@dataclass(frozen=True, kw_only=True)
class Options:
    """Shows what a model file contains: architecture, classes, preprocessing and provenance.

    Args:
        file: A model file (.safetensors).
    """

    file: Path


def run(config: Options) -> int:
    """Prints the model card; returns 0."""
    facts = describe(config.file)
    card = facts["card"]
    classes = zip(card.class_names[1:], card.category_ids[1:], strict=True)
    lines = {
        "file": config.file,
        "size": f"{facts['bytes'] / 1e6:.1f} MB",
        "architecture": card.architecture,
        "arguments": _items(card.architecture_args),
        "parameters": f"{facts['parameters']:,} in {facts['tensors']} tensors",
        "stored as": ", ".join(facts["dtypes"]),
        "preprocessing": _items(card.preprocessing),
        "thresholds": _items(card.thresholds) or "none",
        "classes": f"{len(card.class_names) - 1}, with their dataset ids",
        "": ", ".join(f"{name} {number}" for name, number in classes),
        "provenance": _items(card.provenance) or "not told",
    }
    for name, value in lines.items():
        console.print(f"{name:<15}{printable(str(value))}")
    return 0


def _items(values: dict[str, object]) -> str:
    return ", ".join(
        f"{key} {value if isinstance(value, str) else json.dumps(value)}"
        for key, value in values.items()
    )
