"""Folders and arrays of images and semantic maps."""

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from instseg.core.errors import InputError
from instseg.core.map_values import parse_values
from instseg.data.mask_files import read_values
from instseg.data.mask_folders import MaskData
from instseg.data.semantic_data import statistics
from instseg.files.image_writing import write_image, write_indexed_png


def write_pair(folder, stem, values, suffix=".jpg", size_hw=None):
    """A photo of stripes and a mask of these values; the photo of another size if one is given."""
    height, width = size_hw or np.shape(values)
    photo = np.resize(np.arange(251, dtype=np.uint8), (height, width, 3))
    write_image(folder / "images" / f"{stem}{suffix}", photo)
    (folder / "masks").mkdir(exist_ok=True)
    Image.fromarray(np.asarray(values)).save(folder / "masks" / f"{stem}.png")


def read(folder, **options):
    return MaskData.read(folder / "images", folder / "masks", **options)


def save(path, array):
    path.parent.mkdir(exist_ok=True)
    np.save(path, array)


def png(pixels, bits):
    """A grey PNG of 1 to 16 bits a pixel, as other programs write them."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    shifts = np.arange(bits - 1, -1, -1)
    rows = np.packbits((pixels[:, :, None] >> shifts & 1).reshape(len(pixels), -1), axis=1)
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    lines = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", lines), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_trimaps(tmp_path):
    values = np.array([[1, 2, 3, 255]] * 8, dtype=np.uint8)
    for stem in ("b", "a.x"):
        write_pair(tmp_path, stem, values)
    (tmp_path / "images" / "list.mat").touch()
    (tmp_path / "masks" / "._a.x.png").touch()
    data = read(tmp_path, values=parse_values("1=pet,2=BG,3=ignore"))
    assert (data.class_names, data.category_ids) == (("BG", "pet"), (0, 1))
    assert [data.name(i) for i in range(len(data))] == ["a.x.jpg", "b.jpg"]
    image, labels = data.load(0)
    assert (image.shape, image.dtype) == ((8, 4, 3), np.uint8)
    assert labels.dtype == np.uint8
    assert labels[0].tolist() == [1, 0, 255, 255]


def test_edges_that_were_smoothed_are_no_classes(tmp_path):
    """A mask of 0 and 255, made smaller by a program that mixes neighbours."""
    folders = tmp_path / "images", tmp_path / "masks"
    for folder in folders:
        folder.mkdir()
    mask = Image.new("L", (640, 480))
    mask.paste(255, (100, 100, 500, 400))
    soft = mask.rotate(20, Image.Resampling.BICUBIC).resize((64, 48), Image.Resampling.LANCZOS)
    soft.save(folders[1] / "a.png")
    soft.convert("RGB").save(folders[0] / "a.jpg")
    with pytest.raises(InputError, match=r"holds \d+ values from .* without smoothed edges"):
        MaskData.read(*folders)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("indexed", [False, True])
def test_values_are_those_that_are_stored(tmp_path, bits, indexed):
    values = np.random.default_rng(bits).integers(0, 2**bits, (9, 13))
    path = tmp_path / "mask.png"
    if not indexed:
        path.write_bytes(png(values, bits))
    else:
        values = values % 256
        write_indexed_png(path, values.astype(np.uint8), np.zeros((256, 3), np.uint8) + 7)
    assert np.array_equal(read_values(path), values)


@settings(max_examples=40, suppress_health_check=[*HealthCheck])
@given(
    st.dictionaries(
        st.integers(0, 65535), st.sampled_from(["BG", "ignore", "a", "b", "c"]), min_size=1
    ).filter(lambda values: {*values.values()} & {"a", "b", "c"}),
    st.sampled_from([np.uint8, np.uint16, np.int64, ">i4"]),
    st.integers(0, 2**32),
)
def test_any_values_become_their_classes(tmp_path, values, dtype, seed):
    fitting = [value for value in [*values, 255] if value <= np.iinfo(dtype).max]
    stored = np.random.default_rng(seed).choice(fitting, (5, 7)).astype(dtype)
    save(tmp_path / "images" / "a.npy", np.zeros((5, 7)))
    save(tmp_path / "masks" / "a.npy", stored)
    data = read(tmp_path, values=values)
    ids = {name: i for i, name in enumerate(data.class_names)} | {"ignore": 255}
    expected = [[ids[{255: "ignore", **values}[value]] for value in row] for row in stored.tolist()]
    assert data.load(0)[1].tolist() == expected
    assert data.category_ids[0] == 0
    assert len({*data.category_ids}) == len(data.class_names)
    zero = values.get(0)  # of a class that has no other value
    assert [values.get(i, zero) for i in data.category_ids[1:]] == list(data.class_names[1:])


def test_category_ids_are_unique(tmp_path):
    write_pair(tmp_path, "a", np.array([[0, 1, 200]], dtype=np.uint8))
    assert read(tmp_path, values=parse_values("0=cat,1=BG,200=dog")).category_ids == (0, 2, 200)
    assert read(tmp_path, values=parse_values("0=cat,1=BG,200=cat")).category_ids == (0, 200)


def test_classes_without_a_map(tmp_path):
    write_pair(tmp_path, "a", np.array([[0, 3, 255]], dtype=np.uint8))
    write_pair(tmp_path, "b", np.array([[1, 0, 255]], dtype=np.uint8))
    write_pair(tmp_path, "c", np.array([[0, 1001, 0]], dtype=np.uint16))
    data = read(tmp_path)
    assert data.class_names == ("BG", "class 1", "class 3", "class 1001")
    assert data.category_ids == (0, 1, 3, 1001)
    found = [data.load(i)[1][0].tolist() for i in range(3)]
    assert found == [[0, 2, 255], [1, 0, 255], [0, 3, 0]]
    with pytest.raises(InputError, match=r"a\.png: holds 3, of no class; say what"):
        read(tmp_path, values={0: "BG", 1: "cat"}).load(0)


@pytest.mark.parametrize("objects", [[255], range(1, 300)])
def test_masks_of_black_and_white_or_of_object_numbers_ask_for_a_map(tmp_path, objects):
    write_pair(tmp_path, "a", np.array([[0, *objects]], dtype=np.uint16))
    with pytest.raises(InputError, match=r"masks: .* values"):
        read(tmp_path)
    data = read(tmp_path, values={0: "BG"} | dict.fromkeys(objects, "object"))
    assert data.load(0)[1].tolist() == [[0] + [1] * len(objects)]


@pytest.mark.parametrize("channels", [None, 1, 2, 3, 5])
@pytest.mark.parametrize(
    ("stored", "loaded"),
    [
        (np.uint8, np.uint8),
        (np.uint16, np.uint16),
        (">u2", np.uint16),
        (np.int16, np.float32),
        (np.float64, np.float32),
        (np.float32, np.float32),
    ],
)
def test_arrays_of_any_channels_and_range(tmp_path, channels, stored, loaded):
    """One stack and a folder of files hold the same."""
    shape = (4, 39, 31) if channels is None else (4, 39, 31, channels)
    rng = np.random.default_rng(0)
    images = rng.integers(0, np.iinfo(stored).max if np.dtype(stored).kind != "f" else 900, shape)
    images, masks = images.astype(stored), rng.integers(0, 4, (4, 39, 31))
    save(tmp_path / "images.npy", images)
    save(tmp_path / "masks.npy", np.asfortranarray(masks[..., None]))
    for row in range(4):
        save(tmp_path / "images" / f"{row}.npy", images[row])
        save(tmp_path / "masks" / f"{row}.npy", masks[row])
    stack = MaskData.read(tmp_path / "images.npy", tmp_path / "masks.npy")
    files = read(tmp_path)
    assert stack.class_names == files.class_names == ("BG", "class 1", "class 2", "class 3")
    assert (stack.name(3), files.name(3)) == ("images.npy[3]", "3.npy")
    for row in range(4):
        for image, labels in (stack.load(row), files.load(row)):
            assert (image.dtype, image.shape) == (loaded, (39, 31, channels or 1))
            assert image.dtype.isnative
            assert image.flags.c_contiguous
            assert image.flags.writeable
            assert np.array_equal(image, images[row].reshape(image.shape).astype(loaded))
            assert np.array_equal(labels, masks[row])


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    good = np.tile(np.array([0, 1, 2, 2], dtype=np.uint8), (4, 1))
    for stem in ("good1", "good2"):
        write_pair(tmp_path, stem, good)
    for stem in ("turned1", "turned2", "turned3", "turned4"):
        write_pair(tmp_path, stem, good[:3], size_hw=(4, 3))
    write_pair(tmp_path, "values", good + 7)
    for stem in ("alone1", "alone2"):
        write_pair(tmp_path, stem, good)
        (tmp_path / "masks" / f"{stem}.png").unlink()
    write_pair(tmp_path, "stray", good)
    (tmp_path / "images" / "stray.jpg").unlink()
    write_pair(tmp_path, "cut", good)
    (tmp_path / "masks" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    save(tmp_path / "images" / "nan.npy", np.full((4, 4, 3), np.nan))
    save(tmp_path / "masks" / "nan.npy", good)
    save(tmp_path / "images" / "grey.npy", np.zeros((4, 4)))
    save(tmp_path / "masks" / "grey.npy", good)
    with pytest.raises(InputError) as caught:
        statistics(read(tmp_path, values={0: "BG", 1: "one", 2: "two"}))
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith("11 of 13 images cannot be used: ")
    assert "turned1.jpg: is 3 x 4 pixels, its mask 4 x 3" in said
    assert "(4 such: turned1.jpg, turned2.jpg, turned3.jpg and 1 more)" in said
    assert "alone1.jpg: has no mask" in said
    assert "(2 such: alone1.jpg, alone2.jpg)" in said
    assert "cut.png: unreadable" in said
    assert "stray.png: has no image" in said
    assert "nan.npy: holds NaN or infinity 48 times" in said
    assert "grey.npy: is float32 of 1 channels, most are uint8 of 3 channels" in said
    assert "values.png: holds 7, 8, 9, of no class" in said


def test_pixels_that_are_no_numbers_are_counted(tmp_path):
    image = np.zeros((3, 3))
    image[0] = np.nan, np.inf, 1e300
    save(tmp_path / "images" / "a.npy", image)
    save(tmp_path / "masks" / "a.npy", np.eye(3, dtype=int))
    with pytest.raises(InputError, match=r"a\.npy: holds NaN or infinity 3 times"):
        read(tmp_path).load(0)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((2, 2, 2), dtype=np.uint8),
        np.zeros((2, 2)),
        np.zeros((0, 2), dtype=np.uint8),
        np.zeros((), dtype=np.uint8),
        np.array([["a"]]),
        np.array([[{}]], dtype=object),
    ],
)
def test_arrays_that_are_no_masks(tmp_path, array):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=r"a\.npy: "):
        read_values(tmp_path / "a.npy")


def test_a_colour_picture_is_no_mask(tmp_path):
    write_image(tmp_path / "a.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png: is a RGB picture"):
        read_values(tmp_path / "a.png")


@pytest.fixture(scope="module")
def sound_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sound")
    np.save(folder / "a.npy", np.ones((6, 5), dtype=np.uint8))
    (folder / "a.png").write_bytes(png(np.ones((6, 5), dtype=int), 4))
    return folder


@settings(max_examples=60)
@given(st.sampled_from([".npy", ".png"]), st.data())
def test_damaged_files_are_refused_in_one_line_or_read(sound_files, suffix, data):
    content = bytearray((sound_files / f"a{suffix}").read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged = sound_files / f"damaged{suffix}"
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        assert read_values(damaged).ndim == 2
    except InputError as error:
        assert str(error).startswith(f"{damaged}: ")
        assert "\n" not in str(error)


def test_stacks_that_do_not_match(tmp_path):
    images, masks = tmp_path / "images.npy", tmp_path / "masks.npy"
    np.save(images, np.zeros((3, 4, 4)))
    np.save(masks, np.ones((2, 4, 4), dtype=np.uint8))
    with pytest.raises(InputError, match=r"images\.npy: holds 3 images, .*masks\.npy 2 masks"):
        MaskData.read(images, masks)
    np.save(images, np.zeros((3, 4)))
    with pytest.raises(InputError, match=r"images\.npy: is of shape \(3, 4\); expected"):
        MaskData.read(images, masks)
    np.save(images, np.zeros((2, 4, 5)))
    with pytest.raises(InputError, match=r"2 of 2 .*images\.npy\[0\], images\.npy\[1\]\)"):
        statistics(MaskData.read(images, masks))


def test_folders_that_cannot_be_paired(tmp_path):
    with pytest.raises(InputError, match="images: no such folder"):
        read(tmp_path)
    write_pair(tmp_path, "a", np.ones((2, 2), dtype=np.uint8))
    with pytest.raises(InputError, match=r"images: no files of \.png, \.npy"):
        MaskData.read(tmp_path / "images", tmp_path / "images")
    write_image(tmp_path / "images" / "a.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(InputError, match=r"a\.png: has the stem of a\.jpg"):
        read(tmp_path)


@pytest.mark.parametrize("values", [{1: "BG"}, {}, {65536: "a"}, {-1: "a"}])
def test_values_that_make_no_classes_are_refused(tmp_path, values):
    write_pair(tmp_path, "a", np.ones((2, 2), dtype=np.uint8))
    with pytest.raises(InputError, match=r"masks: expected values of 0\.\.65535"):
        read(tmp_path, values=values)


def test_nothing_is_said_about_a_broken_mask_but_its_error(tmp_path):
    write_pair(tmp_path, "a", np.array([[0, 1]] * 8, dtype=np.uint8))
    (tmp_path / "masks" / "a.png").unlink()
    (tmp_path / "masks" / "a.tif").write_bytes(b"II*\0\x08\0\0\0")
    with warnings.catch_warnings(record=True) as said, pytest.raises(InputError, match=r"a\.tif"):
        warnings.simplefilter("always")
        read(tmp_path, values={0: "BG", 1: "a"}).load(0)
    assert said == []


def test_a_pipe_among_masks_is_refused_at_once(tmp_path):
    write_pair(tmp_path, "a", np.array([[0, 1]] * 8, dtype=np.uint8))
    (tmp_path / "masks" / "a.png").unlink()
    os.mkfifo(tmp_path / "masks" / "a.png")
    with pytest.raises(InputError, match=r"a\.png: is a pipe or a device"):
        read(tmp_path, values={0: "BG", 1: "a"}).load(0)
