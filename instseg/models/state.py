"""Loads weights into a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from instseg.core.errors import ArgumentError


def load_weights(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load a state dict that must fit exactly.

    Raises:
        InputError: A tensor is missing, unknown or of another shape; names the first.
    """
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
        problems = [f"{name} is missing" for name in missing]
        problems += [f"{name} is unknown" for name in unknown]
    except RuntimeError as error:  # shapes: a heading, then a line for each tensor
        problems = str(error).split("\n\t")[1:]
    if problems:
        raise ArgumentError(
            f"{path} does not fit the architecture: {problems[0]}; "
            "check {architecture}, or save the weights again"
        )
