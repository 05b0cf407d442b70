"""Which instance is on top in a semantic map where several overlap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from instseg.core.errors import ArgumentError

Rule: TypeAlias = Literal["score", "smallest-on-top", "class-priority"]


def require_rule_used(
    rule: Rule, priority: Sequence[str] | str | None, *, semantic_map: bool
) -> None:
    """Raise ArgumentError for a rule without semantic maps, and for one that lacks its classes."""
    if not semantic_map and (rule != "score" or priority):
        raise ArgumentError("{overlap_rule} and {class_priority} need {semantic_map}")
    if bool(priority) != (rule == "class-priority"):
        raise ArgumentError(
            "{overlap_rule} class-priority needs {class_priority}, and nothing else does"
        )
