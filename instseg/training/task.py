"""What a trainer trains, and what it keeps in its checkpoints."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor, nn


class Stateful(Protocol):
    """What a run must find again when it goes on: numbers and text in nested dicts."""

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        ...


class Task(Protocol):
    """What is learnt."""

    network: nn.Module

    def losses(self, images: list[Tensor], targets: list[Any]) -> dict[str, Tensor]:
        """Scalars by name, whose sum is to fall, of one batch of samples."""
        ...

    def enter_stage(self, scope: str) -> None:
        """Training mode, in which only a part of the network learns."""
        ...
