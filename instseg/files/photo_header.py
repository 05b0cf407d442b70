"""What the header of a photo says, its size and EXIF orientation, without its pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageFile

from instseg.core.errors import InputError
from instseg.files.coco_json import leads_out
from instseg.files.image import opener_of, read_image

_ORIENTATION = 274


@dataclass(frozen=True, kw_only=True)
class PhotoHeader:
    """A photo's size and how it is turned.

    Attributes:
        stored_wh: Width and height before the EXIF orientation is applied.
        orientation: EXIF orientation 1..8; 1 is upright.
    """

    stored_wh: tuple[int, int]
    orientation: int = 1

    @property
    def upright_wh(self) -> tuple[int, int]:
        """Width and height as instseg reads it, the EXIF orientation applied."""
        width, height = self.stored_wh
        return (height, width) if self.orientation >= 5 else (width, height)


def read_header(path: Path) -> PhotoHeader:
    """Read the header of a photo; of kinds that few programs write, the whole photo.

    Raises:
        InputError: The file is missing or no photo.
    """
    try:
        with path.open("rb") as file, open_photo(file) as image:
            return header_of(image)
    except Exception:  # damaged, missing, or of a kind that only `read_image` knows
        height, width, _ = read_image(path).shape
        return PhotoHeader(stored_wh=(width, height))


def photo_size(folder: Path, file_name: str) -> tuple[int, int] | None:
    """Width and height of an upright photo of a dataset; None if it is not there or unreadable."""
    try:
        return None if leads_out(file_name) else read_header(folder / file_name).upright_wh
    except (InputError, ValueError):  # such as a name with \0
        return None


def open_photo(file: BinaryIO) -> ImageFile.ImageFile:
    """Open a photo without decoding it; `Image.open` would apply a limit of its own.

    Raises:
        InputError: No photo of a usual kind; decoders raise others for damaged ones.
    """
    opener = opener_of(file.read(12))
    file.seek(0)
    if opener is None:
        raise InputError("not a photo of a usual kind")
    return opener(file)


def header_of(image: Image.Image, *, thorough: bool = False) -> PhotoHeader:
    """The header of an opened photo.

    Args:
        image: As `open_photo` gives it.
        thorough: Decode a PNG to see whether its metadata follow the pixels; hardly any do.
    """
    orientation = 1
    if thorough or image.format != "PNG" or "exif" in image.info:
        orientation = int(image.getexif().get(_ORIENTATION, 1))
    return PhotoHeader(
        stored_wh=image.size, orientation=orientation if orientation in range(1, 9) else 1
    )
