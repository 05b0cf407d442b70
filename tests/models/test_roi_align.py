"""RoIAlign against torchvision's."""

import pytest
import torch
import torchvision
from torchvision.ops import MultiScaleRoIAlign

from instseg.models.roi_align import PyramidRoIAlign, image_numbers, roi_align

SIZE_PX = 128  # of the network's input
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def make_features(stride, batch=2, channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, SIZE_PX // stride, SIZE_PX // stride, generator=generator)


BOXES = {
    "inside": [[10.5, 20.25, 60.0, 90.0], [3.0, 5.0, 120.0, 16.5]],
    "whole": [[0.0, 0.0, 128.0, 128.0]],
    "over the border": [[-30.0, -8.0, 40.0, 30.0], [100.0, 90.0, 190.0, 150.0]],
    "outside": [[200.0, 10.0, 260.0, 50.0], [-90.0, -90.0, -40.0, -50.0]],
    "tiny": [[50.0, 50.0, 50.2, 50.1], [7.9, 7.9, 8.1, 8.1], [0.0, 0.0, 1.0, 1.0]],
    "no extent": [[64.0, 64.0, 64.0, 64.0]],
    "corner": [[127.5, 127.5, 128.0, 128.0]],
    "none": [],
}


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("boxes", BOXES.values(), ids=BOXES.keys())
@pytest.mark.parametrize(("stride", "bins", "samples"), [(4, 7, 2), (8, 14, 2), (4, 5, 1)])
def test_one_level(stride, bins, samples, boxes, memory_format):
    features = make_features(stride).contiguous(memory_format=memory_format)
    flat = torch.tensor(boxes).reshape(-1, 4)
    image_of = torch.arange(len(flat)) % 2
    rois = torch.cat([image_of[:, None], flat], dim=1)
    expected = torchvision.ops.roi_align(features, rois, bins, 1 / stride, samples)
    got = roi_align(features, flat, image_of, 1 / stride, bins, samples)
    torch.testing.assert_close(got, expected, **TOLERANCE)


def random_boxes(count, seed):
    """Of all sizes, a few over the border."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(count, 2, generator=generator) * SIZE_PX
    half = 2 ** (torch.rand(count, 1, generator=generator) * 9 - 1)
    shape = 2 ** (torch.rand(count, 1, generator=generator) - 0.5)
    half = torch.cat([half * shape, half / shape], dim=1)
    return torch.cat([centre - half, centre + half], dim=1)


def make_pyramid():
    return {str(k): make_features(4 * 2**k, batch=3, seed=k) for k in range(4)}


@pytest.mark.parametrize("counts", [(40, 25, 60), (0, 30, 1), (0, 0, 0)])
@pytest.mark.parametrize("bins", [7, 14])
def test_pyramid(counts, bins):
    features = make_pyramid()
    boxes = [random_boxes(count, i) for i, count in enumerate(counts)]
    sizes = [(SIZE_PX, SIZE_PX)] * 3
    pool = PyramidRoIAlign(tuple(features), bins)
    expected = MultiScaleRoIAlign(list(features), bins, 2)(features, boxes, sizes)
    torch.testing.assert_close(pool(features, boxes, sizes), expected, **TOLERANCE)
    table = pool.from_table(features, torch.cat(boxes), image_numbers(boxes))
    torch.testing.assert_close(table, expected, **TOLERANCE)
    if sum(counts) > 100:
        assert set(pool.level_of(torch.cat(boxes)).tolist()) == {0, 1, 2, 3}


@pytest.mark.parametrize(("side", "level"), [(1, 0), (111.9, 0), (112, 1), (224, 2), (1e4, 3)])
def test_level_of_a_size(side, level):
    pool = PyramidRoIAlign(("0", "1", "2", "3"), 7)
    assert pool.level_of(torch.tensor([[5.0, 5.0, 5.0 + side, 5.0 + side]])).tolist() == [level]


def test_gradients():
    boxes = [random_boxes(50, 3), random_boxes(0, 0), random_boxes(20, 4)]
    sizes = [(SIZE_PX, SIZE_PX)] * 3
    grads = []
    names = ["0", "1", "2", "3"]
    for pool in (PyramidRoIAlign(tuple(names), 7), MultiScaleRoIAlign(names, 7, 2)):
        features = {name: level.requires_grad_() for name, level in make_pyramid().items()}
        pooled = pool(features, boxes, sizes)
        weights = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(9))
        (pooled * weights).sum().backward()
        grads.append([level.grad for level in features.values()])
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-4)


def test_a_box_that_is_not_finite_gives_what_is_not_finite():
    """So that a training step can be skipped, and its photos named, where weights have exploded."""
    features = torch.ones(1, 2, 8, 8)
    boxes = torch.tensor([[0.0, 0.0, 8.0, 8.0], [torch.nan, 0.0, 8.0, 8.0]])
    pooled = roi_align(features, boxes, torch.zeros(2, dtype=torch.int64), 1.0, 2)
    assert torch.equal(pooled[0], torch.ones(2, 2, 2))
    assert pooled[1].isnan().all()
