"""The numbers that a picture stores, of masks and label maps: no colour is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from instseg.core.errors import InputError
from instseg.files.image import MAX_PIXELS
from instseg.files.image_kinds import HEAD_BYTES, kind_of_image, opener_of
from instseg.files.quiet import quiet_decoders
from instseg.system.regular import require_regular_file


@dataclass(frozen=True, eq=False)
class Stored:
    """What a picture stores.

    Attributes:
        values: (H, W) of a grey or indexed picture; (H, W, C) of one of colours.
        mode: Pillow's name of its kind, such as "P" for an indexed one.
        palette: uint8 (K, 3), the colours of an indexed picture; None of others.
    """

    values: NDArray[np.generic]
    mode: str
    palette: NDArray[np.uint8] | None = None


def read_stored(path: Path) -> Stored:
    """Read the stored values of a PNG, GIF, TIFF or BMP.

    Raises:
        InputError: It is unreadable, or of another kind.
    """
    require_regular_file(path)
    try:
        with path.open("rb") as file, quiet_decoders:
            header = file.read(HEAD_BYTES)
            file.seek(0)
            kind = kind_of_image(header)
            opener = opener_of(kind) if kind in ("PNG", "GIF", "TIFF", "BMP") else None
            if opener is None:
                raise ValueError("not a PNG, GIF, TIFF or BMP file")
            image = opener(file)
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels are too many")
            values = np.array(image)
    except Exception as error:  # decoders raise all kinds of errors on damaged data
        reason = " ".join(str(error).split())
        kind = path.suffix[1:].upper() or "a picture"
        raise InputError(f"{path}: unreadable as {kind} ({reason}); save it again") from error
    depth = header[24]
    if image.format == "PNG" and image.mode == "L" and depth < 8:
        values = values // (255 // (2**depth - 1))  # Pillow spreads 2 and 4 bits over 0..255
    return Stored(values, image.mode, _palette(image))


def _palette(image: Image.Image) -> NDArray[np.uint8] | None:
    colours = image.getpalette("RGB") if image.mode == "P" else None
    return None if colours is None else np.array(colours, dtype=np.uint8).reshape(-1, 3)
