"""Instances in a notebook: the photo with what was found in it, and the table."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instseg.core.instances import Instances
from instseg.visualize.checks import check_array
from instseg.visualize.draw import draw_instances

LONGEST_SIDE = 1024  # of the photo in a notebook, which outgrows others that are kept in files


@dataclass(frozen=True, eq=False, repr=False)
class ShownInstances:
    """A photo and its instances; as the last line of a cell, both are shown.

    The notebook holds the photo as a JPEG of at most 1024 pixels, with the outlines as SVG over it:
    the pointer shows class and score of each.

    Attributes:
        photo: uint8 (H, W, 3), RGB.
        instances: What is drawn.
    """

    photo: NDArray[np.uint8]
    instances: Instances

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The photo with the instances drawn on it: uint8 (H, W, 3)."""
        return draw_instances(self.photo, self.instances)

    def __repr__(self) -> str:
        return f"ShownInstances({self.instances!r})"

    def _repr_html_(self) -> str:
        photo = Image.fromarray(self.photo)
        photo.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        file = io.BytesIO()
        photo.save(file, "JPEG", quality=85)
        data = base64.b64encode(file.getvalue()).decode("ascii")
        return self.instances.to_html(photo=f"data:image/jpeg;base64,{data}")


def show_instances(image: NDArray[np.uint8], instances: Instances) -> ShownInstances:
    """The photo with its instances, for a notebook.

    Args:
        image: uint8 (H, W, 3), RGB.
        instances: What was found in it.

    Raises:
        ValueError: The photo has another size than the instances.
    """
    check_array(image)
    if image.shape != (*instances.size_hw, 3):
        raise ValueError(f"image: expected shape {(*instances.size_hw, 3)}, got {image.shape}")
    return ShownInstances(image, instances)
