"""Checkpoints of a training run: everything that going on needs, written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from instseg.core.errors import ArgumentError
from instseg.system.atomic import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors and numbers; a kill leaves the former file whole.

    Raises:
        InputError: when it cannot be written.
    """
    with replacing(path, durable=True) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OSError("not all of it found room") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint. No code in it is ever run.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ArgumentError(
            f"{path} is not a whole checkpoint; start without {{resume}}"
        ) from error
    return state
