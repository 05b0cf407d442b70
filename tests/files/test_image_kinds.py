"""Kinds of image files, told by how they begin."""

from io import BytesIO

import pytest
from PIL import Image

from instseg.files.image_kinds import HEAD_BYTES, NEEDS, can_read, kind_of_image, opener_of


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WebP", "TIFF", "BMP", "GIF"])
def test_pillows_own_files_are_told_and_opened(kind):
    file = BytesIO()
    Image.new("RGB", (5, 4)).save(file, kind)
    assert kind_of_image(file.getvalue()[:HEAD_BYTES]) == kind
    assert can_read(kind)
    assert opener_of(kind)(BytesIO(file.getvalue())).size == (5, 4)


@pytest.mark.parametrize(
    ("brands", "kind"), [(b"heic", "HEIC"), (b"mif1avif", "AVIF"), (b"isom", None)]
)
def test_brands_tell_heic_from_avif_and_films(brands, kind):
    head = (8 + len(brands)).to_bytes(4, "big") + b"ftyp" + brands
    assert kind_of_image(head) == kind
    assert kind is None or kind in NEEDS


def test_anything_else_is_no_image():
    assert kind_of_image(b"") is None
    assert kind_of_image(b"<html>") is None
