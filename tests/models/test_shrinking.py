"""Large photos at the size of the input, against torchvision's transform."""

import pytest
import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.models.shrinking import input_size, is_shrunk, shrunk

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


@pytest.mark.parametrize("size", [(1801, 1203), (1500, 2500), (1001, 4003)])
def test_a_large_photo_becomes_what_torchvision_makes_of_it(size: tuple[int, int]) -> None:
    transform = GeneralizedRCNNTransform(320, 544, MEAN, STD).eval()
    image = torch.randint(0, 256, (3, *size), generator=torch.Generator().manual_seed(0))
    image = image.to(torch.uint8)
    assert is_shrunk(image, transform)
    batch, _ = transform([image.float() / 255])
    height, width = batch.image_sizes[0]
    found = shrunk(image, transform)
    assert found.shape == (3, height, width) == (3, *input_size(size, transform))
    torch.testing.assert_close(found, batch.tensors[0, :, :height, :width], rtol=0, atol=2e-4)
    assert (found - batch.tensors[0, :, :height, :width]).abs().mean() < 1e-6


def test_small_photos_and_those_that_become_larger_are_left_alone() -> None:
    transform = GeneralizedRCNNTransform(800, 1333, MEAN, STD)
    for size in ((480, 640), (30, 100_000), (700, 1200)):
        assert not is_shrunk(torch.zeros(1, dtype=torch.uint8).expand(3, *size), transform)
