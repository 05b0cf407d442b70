"""Looking at photos, and finding those that look alike."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from instseg.doctor.photos import inspect_photo, perceptual_hash, similar_pairs


@given(st.lists(st.integers(0, 63), max_size=60), st.integers(0, 2**32), st.integers(0, 3))
def test_exactly_the_similar_pairs_are_found(flips, seed, most_bits):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 2**64, 5, dtype=np.uint64).tolist()
    for bit in flips:  # neighbours of neighbours, up to 60 bits away
        values.append(values[rng.integers(len(values))] ^ 1 << bit)
    prints = np.array(list(dict.fromkeys(values)), dtype=np.uint64)
    bits = [[bin(int(a) ^ int(b)).count("1") for b in prints] for a in prints]
    expected = np.argwhere(np.triu(np.array(bits) <= most_bits, k=1))
    assert similar_pairs(prints, most_bits).tolist() == expected.tolist()


def test_equal_prints_are_paired_with_the_first():
    assert similar_pairs(np.array([5, 9 << 40, 5, 5], np.uint64), 0).tolist() == [[0, 2], [0, 3]]
    assert similar_pairs(np.array([], np.uint64)).tolist() == []


def test_a_hundred_thousand_take_no_time():
    prints = np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64)
    prints[-1] = prints[0] ^ np.uint64(7)
    assert similar_pairs(prints).tolist() == [[0, 99_999]]


def test_a_photo_that_shows_nothing_has_no_print():
    assert perceptual_hash(Image.new("RGB", (200, 100), "white")) is None


def test_a_print_survives_scaling_and_compression(coco_dir, tmp_path):
    path = sorted((coco_dir / "val2017").glob("*.jpg"))[0]
    with Image.open(path) as photo:
        photo.resize((photo.width // 2, photo.height // 2)).save(tmp_path / "small.jpg", quality=70)
    one, other = (inspect_photo(p, decode=True).fingerprint for p in (path, tmp_path / "small.jpg"))
    assert bin(one ^ other).count("1") <= 3


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp", "gif"])
def test_sizes_come_from_the_header(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (70, 40), "red").save(path)
    assert inspect_photo(path, decode=False).stored_wh == (70, 40)


def test_what_only_the_reader_of_images_knows_is_read_by_it(tmp_path):
    import tifffile

    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 70, 3), np.float32), photometric="rgb")
    photo = inspect_photo(tmp_path / "a.tif", decode=True)
    assert (photo.upright_wh, photo.problem) == ((70, 40), "")


def test_an_announced_giant_is_refused(tmp_path):
    giant = bytearray(Image.new("L", (1, 1)).tobytes())
    Image.new("L", (1, 1)).save(tmp_path / "a.bmp")
    giant = bytearray((tmp_path / "a.bmp").read_bytes())
    giant[18:26] = (60_000).to_bytes(4, "little") * 2
    (tmp_path / "a.bmp").write_bytes(giant)
    assert "limit" in inspect_photo(tmp_path / "a.bmp", decode=False).problem
