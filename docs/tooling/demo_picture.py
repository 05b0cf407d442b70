"""Makes docs/demo.png: what the embedded weights find in the photos that come with scikit-image.

python docs/tooling/demo_picture.py
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from demo_photos import FREE, demo_photo

from instseg import Predictor, draw_instances

OUT = Path(__file__).resolve().parents[1] / "demo.png"
HEIGHT_PX = 400  # of each photo
GAP_PX = 8


def main() -> None:
    """Find, draw, and put the photos into one row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", nargs="+", choices=FREE, default=["astronaut", "cat", "coffee"])
    parser.add_argument("--weights", default="photos")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    predictor = Predictor(given.weights, device="cpu", precision="fp32")
    parts: list[NDArray[np.uint8]] = []
    for name in given.photos:
        photo = _resized(demo_photo(name))
        found = predictor(photo)
        print(f"{name}: {', '.join(found.names) or 'nothing'}")  # noqa: T201
        parts += [draw_instances(photo, found), np.full((HEIGHT_PX, GAP_PX, 3), 255, np.uint8)]
    row = Image.fromarray(np.hstack(parts[:-1]))
    row.quantize(256, method=Image.Quantize.MEDIANCUT).save(given.out, optimize=True)


def _resized(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The photo with the common height, so that labels in all photos have the same size."""
    height, width = photo.shape[:2]
    size = (round(width * HEIGHT_PX / height), HEIGHT_PX)
    return np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
