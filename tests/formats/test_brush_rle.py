"""Label Studio's brush masks, against a decoder written to the description of rle-pack."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis.extra import numpy as arrays

from instseg.core.masks import Masks
from instseg.formats.brush_rle import decode_brush, encode_brush

MASKS = arrays.arrays(bool, st.tuples(st.integers(1, 20), st.integers(1, 30)))


def unpacked(packed):
    """All values of a picture, bit by bit."""
    bits = "".join(f"{byte:08b}" for byte in packed)
    place = 0

    def number(length):
        nonlocal place
        place += length
        return int(bits[place - length : place], 2)

    total, word = number(32), number(5) + 1
    counters = [number(4) + 1 for _ in range(4)]
    values = []
    while len(values) < total:
        repeats = number(1)
        length = number(counters[number(2)]) + 1
        values += [number(word)] * length if repeats else [number(word) for _ in range(length)]
    return values


def packed_values(values, counters=(3, 4, 8, 16)):
    """Values as the browser packs them: equal ones repeated, others one after another."""
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{bits - 1:04b}" for bits in counters)
    runs = np.split(values, np.flatnonzero(np.diff(values)) + 1)
    literal = []
    for run in [*runs, []]:
        if len(run) == 1 and len(literal) < 8:
            literal.append(run[0])
            continue
        if literal:
            bits += f"000{len(literal) - 1:0{counters[0]}b}"
            bits += "".join(f"{value:08b}" for value in literal)
            literal = []
        if len(run) == 1:
            literal = [run[0]]
        elif len(run):
            bits += f"111{len(run) - 1:0{counters[3]}b}{run[0]:08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def full(crop, offset_yx, size_hw):
    return Masks.from_crops([crop], [offset_yx], size_hw).dense(0)


def encoded(mask):
    """A mask by its tight crop."""
    masks = Masks.from_dense(mask[None])
    top, left = masks.offsets_yx[0].tolist()
    return encode_brush(masks.crops[0], (top, left), mask.shape)


@given(MASKS)
@example(np.ones((3, 4), bool))
@example(np.zeros((3, 4), bool))
@example(np.ones((1, 1), bool))
def test_what_is_written_is_a_picture_with_255_in_the_mask(mask):
    packed = encoded(mask)
    assert (np.array(unpacked(packed)) == np.repeat(mask.ravel(), 4) * 255).all()
    assert (full(*decode_brush(packed, mask.shape), mask.shape) == mask).all()


def test_runs_longer_than_a_block():
    mask = np.zeros((200, 700), bool)
    mask[1:190] = True
    mask[100, 5] = False
    packed = encoded(mask)
    assert (np.array(unpacked(packed)) == np.repeat(mask.ravel(), 4) * 255).all()
    assert (full(*decode_brush(packed, mask.shape), mask.shape) == mask).all()


@given(MASKS, st.integers(0, 3))
def test_pictures_of_the_browser_with_colours_and_half_transparent_pixels(mask, seed):
    rng = np.random.default_rng(seed)
    picture = np.zeros((*mask.shape, 4), np.uint8)
    picture[mask, :3] = rng.integers(0, 255, (int(mask.sum()), 3)) if seed else (200, 30, 30)
    picture[..., 3] = mask * rng.integers(1, 256, mask.shape)
    packed = packed_values(picture.ravel(), (4, 4, 8, 16 if seed else 12))
    assert unpacked(packed) == picture.ravel().tolist()
    assert (full(*decode_brush(packed, mask.shape), mask.shape) == mask).all()


GOOD = encoded(np.eye(8, dtype=bool))


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        ("no list", "list of bytes"),
        ([], "list of bytes"),
        ([1, 2, 256], "list of bytes"),
        ([-1] * 20, "list of bytes"),
        ([None] * 20, "list of bytes"),
        (GOOD[:-4], "ends too early"),
        (GOOD[:7], "ends too early"),
        ([*GOOD[:3], 8, *GOOD[4:]], "another size"),
        ([*GOOD[:4], 255, *GOOD[5:]], "no bytes"),
    ],
)
def test_a_broken_mask(packed, words):
    with pytest.raises(ValueError, match=words):
        decode_brush(packed, (8, 8))
