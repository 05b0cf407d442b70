"""Checks of arrays that come from outside."""

from __future__ import annotations

from collections.abc import Sized

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instseg.core.errors import ArgumentError


def whole_ids(class_ids: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Class ids as int64; ValueError for those that are not whole or have no name."""
    given = np.asarray(class_ids)
    if not given.size:
        return np.empty(0, np.int64)
    if given.dtype.kind not in "iufb" or (given != np.floor(given)).any():
        raise ValueError(f"class_ids: expected whole numbers, got {given.dtype} {given.tolist()}")
    ids = given.astype(np.int64)
    if ids.min() < 0 or ids.max() >= classes:
        wrong = ids[(ids < 0) | (ids >= classes)][0]
        raise ValueError(
            f"class_ids: expected 0 to {classes - 1} for {classes} class_names, got {wrong}"
        )
    return ids


def check_array(image: object) -> None:
    """Refuse with ArgumentError what is no array, such as the path of a photo."""
    if not isinstance(image, np.ndarray):
        raise ArgumentError("{image} must be an array, as read_image returns it", image=image)


def check_lengths(count: int, **per_instance: Sized | None) -> None:
    """Refuse with ValueError what is given, but not once for each of `count` boxes."""
    for name, values in per_instance.items():
        if values is not None and len(values) != count:
            raise ValueError(f"{name}: expected {count}, one for each box, got {len(values)}")
