"""Instances in a notebook: the photo with what was found in it, and the table."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instseg.core.instances import Instances
from instseg.visualize.draw import draw_instances


@dataclass(frozen=True, eq=False, repr=False)
class ShownInstances:
    """A drawn photo and its instances; as the last line of a cell, both are shown.

    Attributes:
        picture: uint8 (H, W, 3), the photo with the instances drawn on it.
        instances: What is drawn.
    """

    picture: NDArray[np.uint8]
    instances: Instances

    def __repr__(self) -> str:
        return f"ShownInstances({self.instances!r})"

    def _repr_html_(self) -> str:
        file = io.BytesIO()
        Image.fromarray(self.picture).save(file, "PNG")
        data = base64.b64encode(file.getvalue()).decode("ascii")
        image = f'<img style="max-width: 100%" src="data:image/png;base64,{data}">'
        return image + self.instances._repr_html_()


def show_instances(image: NDArray[np.uint8], instances: Instances) -> ShownInstances:
    """The photo with its instances, for a notebook.

    Args:
        image: uint8 (H, W, 3), RGB.
        instances: What was found in it.
    """
    return ShownInstances(draw_instances(image, instances), instances)
