"""How much memory it takes to read large photos, each in a process of its own."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from instseg.files.image import read_image
from instseg.system.fresh_process import in_fresh_process
from instseg.system.memory import highest_memory_bytes, memory_bytes

SIDE = 3000
RESULT = 3  # bytes of a pixel
MARGIN = 2.5  # for what does not grow with the photo, such as tifffile itself


def bytes_per_pixel(path: str) -> float:
    before = memory_bytes()
    image = read_image(path)
    return (highest_memory_bytes() - before) / image[..., 0].size


def write_tiff(path: Path, dtype: type[np.generic], **options: object) -> None:
    tifffile.imwrite(path, np.zeros((SIDE, SIDE, 3), dtype), photometric="rgb", **options)


@pytest.mark.parametrize("kind", ["float64", "float64 tiles", "float32 plain", "uint16 planes"])
def test_deep_tiffs_are_converted_piece_by_piece(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "deep.tif"
    if kind == "uint16 planes":
        planes = np.zeros((3, SIDE, SIDE), np.uint16)
        tifffile.imwrite(path, planes, photometric="rgb", planarconfig="separate")
    elif kind == "float32 plain":
        write_tiff(path, np.float32)
    else:
        tile = (256, 256) if "tiles" in kind else None
        write_tiff(path, np.float64, compression="zlib", tile=tile)
    assert in_fresh_process(bytes_per_pixel, str(path)) < 2 * RESULT + MARGIN


@pytest.mark.parametrize("name", ["photo.jpg", "turned.jpg", "grey.jpg", "rgba.png", "rgb.tif"])
def test_decoders_of_pillow_need_their_own_copy_and_the_result(tmp_path: Path, name: str) -> None:
    image = Image.new("RGB", (SIDE, SIDE), "teal")
    exif = Image.Exif()
    if name == "turned.jpg":
        exif[0x0112] = 6
    modes = {"grey.jpg": "L", "rgba.png": "RGBA"}
    image.convert(modes.get(name, "RGB")).save(tmp_path / name, exif=exif)
    decoded = 1 if name == "grey.jpg" else 4
    assert in_fresh_process(bytes_per_pixel, str(tmp_path / name)) < decoded + RESULT + MARGIN
