"""Which semantic map belongs to which image."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from instseg.core.errors import InputError
from instseg.core.events import Notice
from instseg.data.mask_files import read_values
from instseg.data.mask_folders import MaskData
from instseg.data.mask_pairs import pair_folders
from instseg.files.image_writing import write_image

NUMBERS = (1, 2, 12)


def folders(tmp_path, image_name, mask_name, numbers=NUMBERS):
    """Two folders of empty files called so, with a number in the place of {}."""
    for folder, name in (("images", image_name), ("masks", mask_name)):
        (tmp_path / folder).mkdir()
        for number in numbers:
            (tmp_path / folder / name.format(number)).touch()
    return tmp_path / "images", tmp_path / "masks"


@pytest.mark.parametrize(
    ("image_name", "mask_name", "words"),
    [
        ("{}.jpg", "{}.png", ""),
        ("x_{}.npy", "segm_{}.npy", "follows the last underscore"),
        ("{}_07.jpg", "{}_07_mask.gif", "{}_mask"),
        ("img{}.jpg", "img{}_label.png", "{}_label"),
        ("img{}.jpg", "img{}_seg.tif", "{}_seg"),
        ("img{}.jpg", "img{}-mask.bmp", "{}-mask"),
        ("img{}.jpg", "mask_img{}.png", "mask_{}"),
        ("Img{}.JPG", "img{}.png", "case"),
        ("a%20b{}.jpg", "a b{}.png", "case"),
        (unicodedata.normalize("NFD", "été{}.jpg"), "été{}.png", "accents"),
    ],
)
def test_names_that_pair_all_files_are_recognised_and_told(tmp_path, image_name, mask_name, words):
    pairs, told = pair_folders(*folders(tmp_path, image_name, mask_name))
    assert (words in told) if words else not told
    assert len(pairs) == len(NUMBERS)
    for pair in pairs:
        number = next(n for n in NUMBERS if image_name.format(n) == pair.image.name)
        assert pair.mask.name == mask_name.format(number)


def test_the_name_of_masks_may_be_given(tmp_path):
    images, masks = folders(tmp_path, "x_{}.jpg", "segm_{}_final.npy")
    (masks / "list_1.npy").touch()
    pairs, _ = pair_folders(images, masks, "segm_{}_final.npy")
    assert {pair.mask.name for pair in pairs} == {f"segm_{n}_final.npy" for n in NUMBERS}
    for wrong in ("other_{}.npy", "segm.npy", "{}_{}.npy"):
        with pytest.raises(InputError, match="mask"):
            pair_folders(images, masks, wrong)


def test_what_does_not_pair_one_to_one_is_counted_right(tmp_path):
    images, masks = folders(tmp_path, "x_{}.jpg", "y_{}.png", range(14))
    (masks / "y_3.png").rename(masks / "z.png")
    with pytest.raises(InputError, match="0 pairs of one name among 14 images and 14 masks") as e:
        pair_folders(images, masks)
    assert "x_0.jpg and y_0.png" in str(e.value) and "--mask-name" in e.value.as_options()


@pytest.mark.parametrize("suffix", [".gif", ".tif", ".bmp", ".png"])
@pytest.mark.parametrize("mode", ["L", "P"])
def test_masks_of_several_formats_hold_the_same_values(tmp_path, suffix, mode):
    values = np.random.default_rng(0).integers(0, 4, (7, 9)).astype(np.uint8)
    picture = Image.fromarray(values)
    if mode == "P":
        picture.putpalette([*range(255, -1, -1)] * 3)
    picture.save(tmp_path / f"a{suffix}")
    assert np.array_equal(read_values(tmp_path / f"a{suffix}"), values)


def test_a_photo_is_no_mask(tmp_path):
    write_image(tmp_path / "a.jpg", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "a.jpg").rename(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a\.png: unreadable as PNG"):
        read_values(tmp_path / "a.png")


def write(tmp_path, values):
    write_image(tmp_path / "images" / "a.jpg", np.zeros((*values.shape, 3), np.uint8))
    (tmp_path / "masks").mkdir()
    Image.fromarray(values).save(tmp_path / "masks" / "a.png")
    return tmp_path / "images", tmp_path / "masks"


def test_ignored_pixels_are_told(tmp_path):
    values = np.array([[0, 0, 0, 1, 1, 1, 1, 1, 1, 255]], dtype=np.uint8)
    told = []
    data = MaskData.read(*write(tmp_path, values), on_event=told.append)
    assert data.class_names == ("BG", "class 1")
    assert [isinstance(each, Notice) and "10.0% of the pixels" in each.text for each in told]


@pytest.mark.parametrize("stored", [[0, 128, 255, 255], [0, 1, 253, 255, 255, 255]])
def test_a_value_that_is_ignored_in_most_pixels_has_to_be_named(tmp_path, stored):
    where = write(tmp_path, np.array([stored], dtype=np.uint8))
    with pytest.raises(InputError, match=r"50\.0%.*more than have a class.*values 0=BG,"):
        MaskData.read(*where)
    values = {0: "BG"} | dict.fromkeys(stored[1:], "object")
    assert MaskData.read(*where, values=values).load(0)[1].tolist() == [
        [0] + [1] * (len(stored) - 1)
    ]
