"""Photos as small files for a page: thumbnails, and photos in full size."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMBNAIL_PX = 320  # of the longer side
LONGEST_PX = 4096  # of a photo's longer side; browsers refuse very large pictures


def thumbnail_webp(image: NDArray[np.uint8]) -> bytes:
    """A photo, uint8 RGB (H, W, 3), as WebP, its longer side at most `THUMBNAIL_PX`."""
    return _encoded(_at_most(image, THUMBNAIL_PX), "WEBP", quality=72, method=2)


def photo_jpeg(image: NDArray[np.uint8]) -> bytes:
    """A photo, uint8 RGB (H, W, 3), as JPEG without metadata, at most `LONGEST_PX` long."""
    return _encoded(_at_most(image, LONGEST_PX), "JPEG", quality=87)


def thumbnail_scale(size_hw: tuple[int, int]) -> float:
    """The side of a photo's pixel in its thumbnail: at most 1."""
    return min(1.0, THUMBNAIL_PX / max(*size_hw, 1))


def _at_most(image: NDArray[np.uint8], longest: int) -> Image.Image:
    picture = Image.fromarray(image)
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return picture
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=2.0)


def _encoded(picture: Image.Image, kind: str, **options: int) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()
