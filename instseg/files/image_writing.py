"""The only writer of images."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from instseg.core.errors import InputError
from instseg.core.options import checks_types
from instseg.system.atomic import replacing


@checks_types
def write_image(
    path: str | Path,
    image: NDArray[np.uint8] | NDArray[np.uint16],
    *,
    comment: str | None = None,
    photo: bool = False,
) -> None:
    """Write a PNG, or a JPEG of quality 95, atomically; folders are made as needed.

    Args:
        path: The file; its suffix (.png, .jpg, .jpeg) chooses the format.
        image: uint8 (H, W, 3) RGB or (H, W) grey; for PNG also (H, W, 4) RGB and alpha,
            and uint16 (H, W).
        comment: Text for the file's metadata: `Comment` of a PNG, the comment of a JPEG.
        photo: Compress a PNG as suits photos and masks: as small in two thirds of the time.
            Drawings with repeating parts become larger.

    Raises:
        InputError: Another suffix, or the file cannot be written.
    """
    path = Path(path)
    formats = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    file_format = formats.get(path.suffix.lower())
    if file_format is None:
        raise InputError(f"{path}: images are written as .png or .jpg; change the suffix")
    # Each format takes its own options; full colour resolution keeps thin coloured lines crisp.
    options: dict[str, Any] = {"quality": 95, "subsampling": 0, "compress_level": 3}
    if photo:
        options["compress_type"] = zlib.Z_RLE
    if comment is not None:
        told = PngInfo()
        told.add_text("Comment", comment)
        options |= {"pnginfo": told, "comment": comment}
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, file_format, **options)


def as_png(image: NDArray[np.uint8]) -> bytes:
    """A photo, uint8 (H, W, 3), as the content of a PNG file; see `write_image`."""
    file = BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=3, compress_type=zlib.Z_RLE)
    return file.getvalue()


def write_indexed_png(
    path: str | Path, labels: NDArray[np.uint8], palette: NDArray[np.uint8]
) -> None:
    """Write a semantic map as a palette PNG: its values are the labels, shown in colour.

    Args:
        path: The file.
        labels: uint8 (H, W), 0..K-1, or 255, which is white unless the palette defines it.
        palette: uint8 (K, 3) RGB, the colour of each label; K is at most 256.

    Raises:
        ValueError: A label without a colour.
        InputError: The file cannot be written.
    """
    highest = labels.max(initial=0, where=labels < 255)
    if highest >= len(palette):
        raise ValueError(f"label {highest} has no colour in a palette of {len(palette)}")
    colors = np.full((256, 3), 255, dtype=np.uint8)
    colors[: len(palette)] = palette
    image = Image.fromarray(labels)
    image.putpalette(colors.tobytes())
    with replacing(Path(path)) as temporary:
        image.save(temporary, format="PNG", compress_type=zlib.Z_RLE)  # smaller and faster here
