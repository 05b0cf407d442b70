"""Masks of training samples, compact until the loss looks at them."""

import pickle

import numpy as np
import pytest
import torch
from torchvision.models.detection.roi_heads import project_masks_on_boxes
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.core.masks import Masks
from instseg.training import mask_targets
from instseg.training.mask_targets import MaskTargets

SIZE_HW = (60, 90)


def make_masks(count=6):
    """Blobs with holes, one of two parts, and an empty one."""
    rng = np.random.default_rng(0)
    dense = np.zeros((count, *SIZE_HW), dtype=bool)
    for mask in dense[1:]:
        top, left = rng.integers(0, 40), rng.integers(0, 60)
        mask[top : top + 20, left : left + 30] = rng.random((20, 30)) < 0.7
    dense[1, 50:58, :5] = True
    return Masks.from_dense(dense)


def test_they_are_the_masks():
    masks = make_masks()
    targets = pickle.loads(pickle.dumps(MaskTargets.from_masks(masks)))
    assert len(targets) == len(masks)
    assert np.array_equal(targets.dense().numpy(), masks.dense())
    assert np.array_equal(targets.dense([4, 1]).numpy(), masks[[4, 1]].dense())
    assert np.array_equal(targets.to_masks().dense(), masks.dense())
    none = MaskTargets.from_masks(Masks.empty(SIZE_HW))
    assert none.dense().shape == (0, *SIZE_HW)
    assert none.resized((10, 20)).dense().shape == (0, 10, 20)
    assert len(none.to_masks()) == 0


@pytest.mark.parametrize("min_size", [25, 60, 173])
def test_resized_as_torchvision_resizes_masks(min_size):
    masks = make_masks()
    transform = GeneralizedRCNNTransform(min_size, 400, [0.5] * 3, [0.5] * 3)
    target = {"boxes": torch.zeros(0, 4), "masks": torch.from_numpy(masks.dense().view(np.uint8))}
    batch, (resized,) = transform([torch.rand(3, *SIZE_HW)], [target])
    ours = MaskTargets.from_masks(masks).resized(batch.image_sizes[0])
    assert torch.equal(ours.dense(), resized["masks"])
    assert ours.to_masks().size_hw == batch.image_sizes[0]


@pytest.mark.parametrize("size_hw", [SIZE_HW, (133, 200)])
def test_the_mask_loss_sees_what_torchvisions_sees(size_hw, monkeypatch):
    targets = MaskTargets.from_masks(make_masks()).resized(size_hw)
    generator = torch.Generator().manual_seed(0)
    boxes = torch.rand(40, 4, generator=generator) * 80 - 10  # some reach over the border
    boxes[:, 2:] += boxes[:, :2] + 1
    matched = torch.randint(6, (40,), generator=generator)
    expected = project_masks_on_boxes(targets.dense(), boxes, matched, 28)
    assert expected.max() > 0
    assert torch.equal(targets.on_boxes(boxes, matched, 28), expected)
    monkeypatch.setattr(mask_targets, "MOST_PIXELS", 2 * 133 * 200)  # a few at a time
    assert torch.equal(targets.on_boxes(boxes, matched, 28), expected)
    assert targets.on_boxes(boxes[:0], matched[:0], 28).shape == (0, 28, 28)
