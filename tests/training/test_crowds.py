"""Crowd regions: which boxes lie in them, and how they are resized."""

import torch
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.training.crowds import MOST_PAIRS, in_crowd, scale_crowds


def test_a_box_lies_in_a_crowd_with_more_than_half_of_its_own_area():
    boxes = torch.tensor(
        [
            [0, 0, 10, 10],  # inside
            [20, 0, 40, 10],  # half inside
            [20, 0, 39.9, 10],  # a little more
            [0, 0, 64, 64],  # around it
            [40, 40, 50, 50],  # outside
            [25, 0, 35, 10],  # half in this crowd, half in the next
            [5, 5, 5, 9],  # without area
        ]
    )
    target = {"crowds": torch.tensor([[0.0, 0, 30, 30], [30, 0, 36, 10]])}
    assert in_crowd(boxes, target).tolist() == [True, False, True, False, False, False, False]
    assert in_crowd(boxes[:1].bfloat16(), target).tolist() == [True]
    assert in_crowd(boxes[:0], target).shape == (0,)


def test_crowds_are_resized_as_objects_are():
    images = [torch.rand(3, 50, 80), torch.rand(3, 90, 30)]
    boxes = torch.tensor([[5.0, 6, 20, 30], [0, 0, 30, 50]])
    targets = [{"boxes": boxes, "crowds": boxes.clone()}, {"boxes": boxes}]
    transform = GeneralizedRCNNTransform(64, 200, [0.5] * 3, [0.5] * 3).eval()
    batch, moved = transform(images, targets)
    sizes = [(image.shape[-2], image.shape[-1]) for image in images]
    scaled = scale_crowds(moved, sizes, batch.image_sizes)
    assert torch.equal(scaled[0]["crowds"], scaled[0]["boxes"])
    assert not torch.equal(scaled[0]["crowds"], boxes)
    assert "crowds" not in scaled[1]
    assert torch.equal(targets[0]["crowds"], boxes)
    none = [{"crowds": torch.zeros(0, 4)}]
    assert scale_crowds(none, sizes[:1], batch.image_sizes[:1])[0]["crowds"].shape == (0, 4)


def test_many_crowds_are_compared_part_by_part():
    generator = torch.Generator().manual_seed(0)
    boxes, crowds = (torch.rand(n, 4, generator=generator) * 100 for n in (3000, 3000))
    boxes[:, 2:] += boxes[:, :2]
    crowds[:, 2:] = crowds[:, :2] + crowds[:, 2:] / 20
    assert len(boxes) * len(crowds) > MOST_PAIRS
    parts = [in_crowd(part, {"crowds": crowds}) for part in boxes.split(500)]
    whole = in_crowd(boxes, {"crowds": crowds})
    assert torch.equal(whole, torch.cat(parts))
    assert 0 < whole.sum() < len(whole)
