"""What a trainer trains, and what it keeps in its checkpoints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

from torch import Tensor, nn


class Stateful(Protocol):
    """State for checkpoints: numbers and text in nested dicts."""

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        ...


class Task(Protocol):
    """A network with its losses."""

    network: nn.Module

    def losses(self, images: list[Tensor], targets: list[Any]) -> dict[str, Tensor]:
        """Losses of one batch of samples: scalars by name, whose sum is minimised."""
        ...

    def backbone_weights(self) -> Iterable[nn.Parameter]:
        """The weights that may have their own learning rate."""
        ...

    def enter_stage(self, scope: str) -> None:
        """Training mode, in which only the layers of a scope are trained."""
        ...
