"""Suppression of many groups at once against torchvision's, box by box."""

import pytest
import torch
from torchvision.ops import batched_nms

from instseg.models import parallel_nms as module
from instseg.models.parallel_nms import parallel_nms


def random_boxes(groups, count, seed):
    generator = torch.Generator().manual_seed(seed)
    start = torch.rand(groups, count, 2, generator=generator) * 60
    size = torch.rand(groups, count, 2, generator=generator) * 60
    return torch.cat([start, start + size], -1)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_each_group_is_as_torchvision_leaves_it(threshold, seed, monkeypatch):
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 2 * 90**2)  # so that there are several parts
    boxes = random_boxes(5, 90, seed)
    classes = torch.randint(3, (5, 90))
    valid = torch.rand(5, 90) < 0.8
    kept = parallel_nms(boxes, classes, valid, threshold)
    scores = torch.arange(90, 0, -1.0)
    for group in range(5):
        (rows,) = torch.where(valid[group])
        left = batched_nms(boxes[group, rows], scores[rows], classes[group, rows], threshold)
        assert torch.equal(torch.where(kept[group])[0], rows[left].sort().values)


def test_a_chain_longer_than_the_rounds():
    """Each box overlaps the next one: the answer for the last needs all those before it."""
    start = torch.arange(5 * module.ROUNDS)[None, :, None] * 10.0
    boxes = torch.cat([start, start * 0, start + 30, start * 0 + 10], -1)
    kept = parallel_nms(boxes, None, torch.ones(boxes.shape[:2], dtype=torch.bool), 0.4)
    assert kept[0].tolist() == [True, False] * (5 * module.ROUNDS // 2)


def test_boxes_without_extent_and_no_boxes():
    none = torch.zeros(2, 7, 4)
    assert parallel_nms(none, None, torch.ones(2, 7, dtype=torch.bool), 0.5).all()
    empty = torch.ones(2, 0, dtype=torch.bool)
    assert parallel_nms(none[:, :0], None, empty, 0.5).shape == (2, 0)
