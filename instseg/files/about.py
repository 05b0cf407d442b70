"""What the maker of a model tells about it: a YAML file, for the provenance of its model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from instseg.core.errors import InputError
from instseg.system.regular import require_regular_file

ABOUT = {
    "data": "trained on",
    "licence": "licence",
    "not_for": "not for",
}
"""The keys of the file, and how they are shown."""


def read_about(path: str | Path) -> dict[str, Any]:
    """Read what a model was trained on, its licence, and what it is not made for.

    Args:
        path: A YAML file of the keys `data`, `licence` and `not_for`, each a text or a list of
            texts; keys may be missing.

    Raises:
        InputError: The file cannot be read, or has other keys or values.
    """
    path = Path(path)
    require_regular_file(path)
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, yaml.YAMLError) as problem:
        words = " ".join(str(problem).split())
        raise InputError(f"{path}: is not YAML ({words})") from problem
    if not isinstance(told, dict) or not told or told.keys() - ABOUT.keys():
        raise InputError(f"{path}: expected the keys {', '.join(ABOUT)}, each with a text")
    for key, value in told.items():
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(each, str) and each.strip() for each in texts):
            raise InputError(f"{path}: {key} must be a text or a list of texts")
    return told
