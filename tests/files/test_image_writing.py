from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from instseg.core.errors import InputError
from instseg.files.image import read_image
from instseg.files.image_writing import write_image, write_indexed_png

# Flat blocks of 16 x 16, which even JPEG keeps.
BLOCKS = np.array([[[250, 20, 30], [20, 200, 40]], [[30, 60, 220], [240, 230, 50]]], np.uint8)
PHOTO = BLOCKS.repeat(16, axis=0).repeat(16, axis=1)
GREY = PHOTO[..., 1].copy()
GREY_RGB = GREY[..., None].repeat(3, axis=2)
RGBA = np.dstack([PHOTO, GREY])


def test_written_images_are_read_back(tmp_path: Path) -> None:
    write_image(tmp_path / "new/folder/a.png", PHOTO)
    write_image(tmp_path / "a.JPG", PHOTO)
    write_image(tmp_path / "grey.png", GREY)
    write_image(tmp_path / "rgba.png", RGBA)
    np.testing.assert_array_equal(read_image(tmp_path / "new/folder/a.png"), PHOTO)
    np.testing.assert_allclose(read_image(tmp_path / "a.JPG").astype(int), PHOTO, atol=4)
    np.testing.assert_array_equal(read_image(tmp_path / "grey.png"), GREY_RGB)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "rgba.png")), RGBA)
    assert {path.name for path in tmp_path.iterdir()} == {"new", "a.JPG", "grey.png", "rgba.png"}


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_comments_are_written(tmp_path: Path, name: str) -> None:
    for comment in ("plain", "größer als 雪"):
        write_image(tmp_path / name, PHOTO, comment=comment)
        with Image.open(tmp_path / name) as image:
            image.load()
            said = image.info.get("Comment") or image.info["comment"].decode()
        assert said == comment


def test_unknown_suffix_is_refused_before_writing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.bmp: .*change the suffix"):
        write_image(tmp_path / "a.bmp", PHOTO)
    assert not list(tmp_path.iterdir())


def test_semantic_map_keeps_labels_and_shows_colours(tmp_path: Path) -> None:
    palette = np.random.default_rng(0).integers(0, 256, (256, 3), dtype=np.uint8)
    for count in (2, 3, 5, 81, 256):
        labels = (np.arange(256).reshape(16, 16) % count).astype(np.uint8)
        write_indexed_png(tmp_path / "labels.png", labels, palette[:count])
        with Image.open(tmp_path / "labels.png") as image:
            np.testing.assert_array_equal(np.asarray(image), labels)
        np.testing.assert_array_equal(read_image(tmp_path / "labels.png"), palette[labels])
    with pytest.raises(ValueError, match="label 254 has no colour in a palette of 81"):
        write_indexed_png(tmp_path / "labels.png", labels, palette[:81])


def test_ignored_pixels_are_white_in_a_semantic_map(tmp_path: Path) -> None:
    labels = np.array([[0, 1, 255]], np.uint8)
    write_indexed_png(tmp_path / "labels.png", labels, np.array([[0, 0, 0], [1, 2, 3]], np.uint8))
    with Image.open(tmp_path / "labels.png") as image:
        np.testing.assert_array_equal(np.asarray(image), labels)
    shown = read_image(tmp_path / "labels.png")[0].tolist()
    assert shown == [[0, 0, 0], [1, 2, 3], [255, 255, 255]]
