"""Reduces the learning rate when the validation score no longer improves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass
class Plateau:
    """The factor of the learning rate, a tenth after each `patience` epochs without improvement.

    Epochs are counted from the last improvement or fall.

    Args:
        patience: Epochs without improvement before the rate falls; None never lowers it.
    """

    patience: int | None = None
    factor: float = 1.0
    last_change: int = 0

    def epoch_done(self, epoch: int, *, improved: bool) -> None:
        """Record the score of an epoch, counted from 1."""
        if improved:
            self.last_change = epoch
        elif self.patience is not None and epoch - self.last_change >= self.patience:
            self.last_change = epoch
            self.factor /= 10

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"factor": self.factor, "last_change": self.last_change}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.factor, self.last_change = state["factor"], state["last_change"]
