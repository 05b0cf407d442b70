"""Which instance is on top in a semantic map where several overlap."""

from typing import Literal, TypeAlias

Rule: TypeAlias = Literal["score", "smallest-on-top", "class-priority"]
