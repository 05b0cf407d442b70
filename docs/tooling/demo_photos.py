"""Writes the photos that come with scikit-image as files, for `make demo`: no download is needed.

python docs/tooling/demo_photos.py out/demo/photos
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import skimage.data
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from instseg.files.image_writing import write_image

PHOTOS = {
    "astronaut": skimage.data.astronaut,  # NASA, public domain
    "cat": skimage.data.cat,  # Stefan van der Walt, CC0
    "coffee": skimage.data.coffee,  # Rachel Michetti, CC0
    "rocket": skimage.data.rocket,  # SpaceX, CC0
    "motorcycle": lambda: skimage.data.stereo_motorcycle()[0],  # Middlebury stereo data of 2014
}
FREE = ("astronaut", "cat", "coffee", "rocket")  # to be shown in the documentation


def demo_photo(name: str) -> NDArray[np.uint8]:
    """One of `PHOTOS`: uint8 RGB (H, W, 3)."""
    return np.asarray(PHOTOS[name]())


def main(folder: Path) -> None:
    """Write all photos as PNG files, without loss as scikit-image has them."""
    for name in PHOTOS:
        write_image(folder / f"{name}.png", demo_photo(name))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
