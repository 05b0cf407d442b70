"""Checkpoints of a training run, written atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from instseg.core.errors import ArgumentError
from instseg.system.atomic import replacing


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors and numbers, atomically.

    Raises:
        InputError: It cannot be written.
    """
    with replacing(path, durable=True) as temporary, temporary.open("wb") as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # torch's error for a full disk
            raise OSError("the disk is full") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, without running code from it.

    Raises:
        InputError: It cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ArgumentError(
            f"{path} is not a complete checkpoint; start without {{resume}}"
        ) from error
    return state
