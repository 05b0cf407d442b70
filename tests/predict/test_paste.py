"""Pasted masks against torchvision's own, pixel for pixel."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision.models.detection.roi_heads import paste_masks_in_image

from instseg.predict import paste
from instseg.predict.paste import enlarged, paste_batch, paste_masks, paste_together

SIZE_HW = (37, 53)


def make_soft(count, cells=28, seed=0):
    """Random blobs and random noise by turns, float32 (count, cells, cells) in 0..1."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.rand(count, 1, cells, cells, generator=generator)
    coarse = torch.rand(count, 1, 4, 4, generator=generator)
    blobs = torch.nn.functional.interpolate(coarse, size=(cells, cells), mode="bilinear")
    return torch.where(torch.arange(count)[:, None, None, None] % 2 == 0, blobs, noise)[:, 0]


def assert_as_torchvision(soft, boxes, size_hw):
    masks = paste_masks(soft, boxes, size_hw)
    expected = paste_masks_in_image(soft[:, None], boxes, size_hw)[:, 0] >= 0.5
    assert masks.size_hw == size_hw
    np.testing.assert_array_equal(masks.dense(), expected.numpy())


BOXES = {
    "inside": [10.3, 5.7, 40.2, 30.9],
    "whole image": [0, 0, 53, 37],
    "over every border": [-20.5, -9.25, 80.1, 60.7],
    "half outside left": [-12.5, 4, 9.5, 20],
    "half outside right and below": [40.1, 25.2, 70.3, 55.4],
    "one pixel": [7, 7, 8, 8],
    "less than a pixel": [7.2, 9.3, 7.6, 9.4],
    "over the edge of a pixel": [7.8, 9.8, 8.2, 10.2],
    "no extent": [12, 12, 12, 12],
    "one row": [3, 11.4, 50, 11.6],
    "one column": [20.1, 1, 20.2, 36],
    "corner pixel": [52, 36, 53, 37],
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES.keys())
def test_equal_to_torchvision(box):
    soft = make_soft(6)
    assert_as_torchvision(soft, torch.tensor([box] * 6, dtype=torch.float32), SIZE_HW)


@st.composite
def images_and_boxes(draw):
    """A size and boxes of any size that touch the image: torchvision cannot paste others."""
    height, width = draw(st.integers(1, 60)), draw(st.integers(1, 60))

    def side(size):
        start = draw(st.floats(-size, size - 1, width=32))
        length = draw(st.sampled_from([0.01, 0.5, 1.0]) | st.floats(0, 2 * size, width=32))
        return start, max(start + length, 0)

    boxes = [(side(width), side(height)) for _ in range(draw(st.integers(1, 4)))]
    return (height, width), torch.tensor([[x0, y0, x1, y1] for (x0, x1), (y0, y1) in boxes])


@settings(max_examples=150)
@given(images_and_boxes(), st.sampled_from([14, 28]), st.integers(0, 99))
def test_equal_to_torchvision_for_any_box(image, cells, seed):
    size_hw, boxes = image
    assert_as_torchvision(make_soft(len(boxes), cells, seed), boxes.float(), size_hw)


@pytest.mark.parametrize("box", [[60, 40, 90, 70], [5, -40, 30, -12], [-30, 3, -9, 20]])
def test_nothing_of_a_box_outside(box):
    masks = paste_masks(torch.ones(1, 28, 28), torch.tensor([box]).float(), SIZE_HW)
    assert masks.areas().tolist() == [0]


def test_values_at_the_threshold_are_mask():
    soft = torch.full((1, 28, 28), 0.5)
    box = torch.tensor([[8.0, 8.0, 36.0, 36.0]])  # one cell a pixel
    assert_as_torchvision(soft, box, (48, 48))
    assert paste_masks(soft, box, (48, 48)).areas()[0] >= 26 * 26
    assert paste_masks(soft - 1e-4, box, (48, 48)).areas()[0] == 0


def test_no_detections():
    masks = paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4), SIZE_HW)
    assert len(masks) == 0
    assert masks.size_hw == SIZE_HW


def test_large_photo_costs_only_the_boxes():
    """Torchvision's way would take 40 GB here."""
    boxes = torch.rand(200, 2) * 5000
    masks = paste_masks(make_soft(200), torch.cat([boxes, boxes + 60], dim=1), (7000, 7000))
    assert 0 < masks.areas().max() <= 66**2
    assert sum(crop.size for crop in masks.crops) < 200 * 70**2


def several_photos():
    """Soft masks, boxes and sizes: one photo without masks, boxes inside, outside and beyond."""
    boxes = torch.tensor(list(BOXES.values()), dtype=torch.float32)
    outside = torch.tensor([[60.0, 40, 90, 70], [-30, 3, -9, 20]])
    photos = [torch.cat([boxes, outside]), boxes[:0], boxes * 3]
    return [make_soft(len(each)) for each in photos], photos, [SIZE_HW, (9, 9), (111, 160)]


def assert_equal_masks(found, expected, differing=0):
    for one, other in zip(found, expected, strict=True):
        assert one.size_hw == other.size_hw
        assert (one.dense() != other.dense()).sum() <= differing


@pytest.mark.parametrize("pixels", [1, 500, paste.PIXELS_AT_ONCE])
def test_masks_pasted_together_are_those_pasted_one_by_one(pixels, monkeypatch):
    monkeypatch.setattr(paste, "PIXELS_AT_ONCE", pixels)
    assert_equal_masks(paste_together(*several_photos()), paste_batch(*several_photos()))
    assert_equal_masks(
        paste_together([make_soft(0)], [torch.zeros(0, 4)], [SIZE_HW]),
        [paste_masks(make_soft(0), torch.zeros(0, 4), SIZE_HW)],
    )


@settings(max_examples=50)
@given(images_and_boxes(), st.sampled_from([14, 28]), st.integers(0, 99))
def test_pasted_together_for_any_box(image, cells, seed):
    size_hw, boxes = image
    soft = make_soft(len(boxes), cells, seed)
    (found,) = paste_together([soft], [boxes.float()], [size_hw])
    assert_equal_masks([found], [paste_masks(soft, boxes.float(), size_hw)])


@pytest.mark.cuda
def test_on_the_gpu(gpu):
    """A pixel at the threshold may fall on its other side."""
    soft, boxes, sizes = several_photos()
    found = paste_batch([each.to(gpu) for each in soft], boxes, sizes)
    assert_equal_masks(found, paste_batch(soft, boxes, sizes), differing=2)


def test_large_masks_are_made_in_strips_that_equal_the_whole() -> None:
    mask = torch.rand(30, 30, generator=torch.Generator().manual_seed(0))
    for size in ((2500, 3001), (50, 100_003), (5001, 1500)):
        whole = torch.nn.functional.interpolate(mask[None, None], size=size, mode="bilinear")
        differs = enlarged(mask, size) != (whole[0, 0] >= 0.5)
        assert differs.sum() <= 3  # on the very edge
