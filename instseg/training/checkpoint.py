"""Checkpoints of a training run: everything that going on needs, written atomically."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from instseg.errors import InputError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dicts and lists of tensors and numbers; a kill leaves the former file whole."""
    temporary = path.with_name(path.name + ".partial")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint. No code in it is ever run.

    Raises:
        InputError: when it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path} is not a whole checkpoint; start without --resume") from error
    return state
