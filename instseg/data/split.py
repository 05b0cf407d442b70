"""Splits files into training and validation files; the split is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import msgspec

from instseg.core.errors import InputError
from instseg.core.shuffled import shuffled
from instseg.system.atomic import replacing


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A split of files.

    Attributes:
        seed: Random seed of the split.
        val_share: Share of the validation files.
        train: Names of the training files, sorted.
        val: Names of the validation files, sorted; none is in both.
    """

    seed: int
    val_share: float
    train: list[str]
    val: list[str]


def split(names: Iterable[str], val_share: float, seed: int) -> Split:
    """Draw a split.

    The order of the names does not matter, and added files change little for the others.

    Args:
        names: File names; duplicates count once.
        val_share: Share of the validation files, 0..1, with at least one file on either side; with
            0, all files are for training.
        seed: Random seed.

    Raises:
        InputError: The share is invalid, or there is only one file to split.
    """
    drawn = shuffled(names, seed)
    if not 0 <= val_share < 1 or (val_share and len(drawn) < 2):
        raise InputError(
            f"{len(drawn)} files cannot be split at a validation share of {val_share}; "
            "give two files or more, and a share of 0 or more, below 1"
        )
    count = min(max(round(val_share * len(drawn)), 1), len(drawn) - 1) if val_share else 0
    return Split(
        seed=seed, val_share=val_share, train=sorted(drawn[count:]), val=sorted(drawn[:count])
    )


def write_split(path: Path, parted: Split) -> None:
    """Write a split as JSON.

    Raises:
        InputError: The file cannot be written.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(msgspec.structs.asdict(parted), indent=1) + "\n")


def read_split(path: Path, names: Iterable[str]) -> Split:
    """Read the split of these files.

    Raises:
        InputError: It is not a split, has a file on both sides, or is of other files.
    """
    try:
        parted = msgspec.convert(json.loads(path.read_text(encoding="utf-8")), Split)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a split ({error}); remove it to draw a new one") from error
    train, val = set(parted.train), set(parted.val)
    if train & val:
        raise InputError(f"{path}: {min(train & val)} is on both sides; remove it from one")
    changed = sorted((train | val) ^ set(names))
    if changed:
        raise InputError(
            f"{path}: is of other files: {len(changed)} are only there or only here, such as "
            f"{changed[0]}; remove it to draw a new one"
        )
    return parted
