"""Images and label maps as they are stored."""

import numpy as np
import pytest
from PIL import Image

from instseg.core.errors import InputError
from instseg.data.mask_files import open_npy, read_pixels, read_values


def test_one_row_of_an_array_of_many(tmp_path):
    stack = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    np.save(tmp_path / "masks.npy", stack)
    assert read_values(tmp_path / "masks.npy", 1).tolist() == stack[1].tolist()
    assert read_pixels(tmp_path / "masks.npy", 0).tolist() == stack[0][..., None].tolist()
    assert len(open_npy(tmp_path / "masks.npy", many=True)) == 2


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_pictures_are_values_and_photos_are_rgb(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.array([[0, 7], [255, 3]], dtype=np.uint8)).save(path)
    assert read_values(path).tolist() == [[0, 7], [255, 3]]
    assert read_pixels(path, None).shape == (2, 2, 3)


def test_numbers_keep_their_units(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1e4, -2.5]], dtype=np.float64))
    pixels = read_pixels(tmp_path / "a.npy", None)
    assert pixels.dtype == np.float32
    assert pixels.ravel().tolist() == [1e4, -2.5]


def test_what_cannot_be_read_is_one_line_that_names_the_file(tmp_path):
    np.save(tmp_path / "nan.npy", np.full((2, 2), np.nan))
    np.save(tmp_path / "shares.npy", np.full((2, 2), 0.5))
    np.save(tmp_path / "one.npy", np.zeros((2, 2)))
    (tmp_path / "text.npy").write_text("hello")
    for read, name, words in (
        (lambda path: read_pixels(path, None), "nan.npy", "holds NaN or infinity 4 times"),
        (read_values, "shares.npy", "a mask is of integers"),
        (read_values, "text.npy", "not an array of numbers"),
        (read_values, "none.npy", "no such file"),
        (lambda path: open_npy(path, many=True), "one.npy", r"is of shape \(2, 2\)"),
    ):
        with pytest.raises(InputError, match=rf"^{tmp_path / name}: .*{words}"):
            read(tmp_path / name)
