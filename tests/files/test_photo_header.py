"""Sizes of photos without their pixels."""

import os

import numpy as np
import pytest
import tifffile
from PIL import Image

from instseg.files.image_writing import write_image
from instseg.files.photo_header import photo_size, read_header


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_size_is_that_of_the_upright_photo(tmp_path, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    header = read_header(tmp_path / "a.jpg")
    assert (header.stored_wh, header.orientation) == ((30, 20), orientation)
    assert header.upright_wh == ((20, 30) if orientation >= 5 else (30, 20))
    assert photo_size(tmp_path, "a.jpg") == header.upright_wh


def test_what_is_no_photo_has_no_size(tmp_path):
    (tmp_path / "a.jpg").write_text("no photo")
    write_image(tmp_path.parent / "outside.png", np.zeros((2, 3, 3), np.uint8))
    os.mkfifo(tmp_path / "pipe.jpg")
    for name in ("a.jpg", "pipe.jpg", "gone.jpg", "a\0b.jpg", "../outside.png"):
        assert photo_size(tmp_path, name) is None
    with pytest.raises(ValueError, match=r"a\.jpg"):
        read_header(tmp_path / "a.jpg")


def test_photos_of_rare_kinds_are_read_for_their_size(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 5, 3), np.float32))
    assert photo_size(tmp_path, "a.tif") == (5, 4)
