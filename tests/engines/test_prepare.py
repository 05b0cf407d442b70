"""Photos are resized, normalised and padded as torchvision does it."""

import math

import pytest
import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.engines.prepare import PrepareForDetector, quotient, scaled_less_half

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize(("min_size", "max_size"), [(320, 544), (800, 1333)])
def test_sizes_are_equal_even_where_doubles_lose_a_pixel(min_size, max_size):
    prepare = PrepareForDetector(min_size, max_size, MEAN, STD, 32)
    lost = 0
    for short in range(40, 1300, 3):
        for long in (short, short + 1, short * 3 // 2, short * 4 // 3, short * 2, 1999):
            scale = min(min_size / min(short, long), max_size / max(short, long))
            expected = [math.floor(side * scale) for side in (short, long)]
            assert prepare.resized(torch.tensor([short, long])).tolist() == expected
            lost += expected[0] == min_size - 1
    assert lost > 3


@pytest.mark.parametrize("size", [(480, 640), (428, 640), (100, 90), (700, 2100)])
def test_pixels_are_equal(size):
    torch.manual_seed(0)
    image = torch.randint(0, 256, (*size, 3), dtype=torch.uint8)
    transform = GeneralizedRCNNTransform(320, 544, MEAN, STD).eval()
    expected, _ = transform([image.permute(2, 0, 1).float() / 255])
    inputs, resized, own = PrepareForDetector(320, 544, MEAN, STD, 32)(image)
    assert tuple(own.tolist()) == size
    assert tuple(resized.tolist()) == tuple(expected.image_sizes[0])
    torch.testing.assert_close(inputs, expected.tensors, rtol=0, atol=2e-6)


def test_places_are_rounded_once_without_doubles():
    rng = torch.Generator().manual_seed(0)
    for _ in range(200):
        source, target = torch.randint(40, 6000, (2,), generator=rng)
        target = target.clamp(max=1333)
        scale = quotient(source, target)
        assert scale == source.float() / target.float()
        middles = torch.arange(int(target)).float() + 0.5
        expected = (middles.double() * scale.double() - 0.5).float()
        assert torch.equal(scaled_less_half(middles, scale), expected)
