"""The boxes that are kept are those that torchvision keeps."""

import pytest
import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import batched_nms, clip_boxes_to_image, remove_small_boxes

from instseg.models.mask_rcnn import build_detector, coco_card
from instseg.models.selection import SMALLEST_BOX_PX, best_boxes, best_proposals, nms_by_class

SIZE_HW = (160, 200)


@pytest.fixture(scope="module")
def network():
    return build_detector(coco_card("compact")).network.eval()


def random_boxes(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator) * 120
    return torch.cat([corner, corner + 5 + torch.rand(count, 2, generator=generator) * 60], dim=1)


@pytest.mark.parametrize(("rows", "limit"), [(7, 100), (300, 100), (300, 5000)])
def test_detections_are_torchvisions(network, rows, limit):
    heads, generator = network.roi_heads, torch.Generator().manual_seed(1)
    scores = torch.rand(rows, 30, generator=generator)
    deltas = torch.randn(rows, 120, generator=generator)
    proposals = random_boxes(rows)
    found = best_boxes(heads, scores, deltas, proposals, SIZE_HW, 0.1, limit)
    row, output = torch.where(scores > 0.1)
    boxes = heads.box_coder.decode(deltas, [proposals])[row, output]
    boxes = clip_boxes_to_image(boxes, SIZE_HW)
    large = remove_small_boxes(boxes, SMALLEST_BOX_PX)
    boxes, known, output = boxes[large], scores[row, output][large], output[large]
    best = batched_nms(boxes, known, output, heads.nms_thresh)[:limit]
    for got, expected in zip(found, (boxes[best], output[best], known[best]), strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_nothing_above_the_threshold(network):
    scores, deltas = torch.zeros(4, 30), torch.zeros(4, 120)
    found = best_boxes(network.roi_heads, scores, deltas, random_boxes(4), SIZE_HW, 0.1, 100)
    assert [len(each) for each in found] == [0, 0, 0]


def test_many_boxes_are_suppressed_as_by_torchvision():
    boxes, scores = random_boxes(3000), torch.rand(3000)
    classes = torch.randint(0, 5, (3000,))
    expected = batched_nms(boxes, scores, classes, 0.5)
    assert torch.equal(nms_by_class(boxes, scores, classes, 0.5), expected)


@torch.inference_mode()
def test_proposals_are_torchvisions(network):
    images = torch.rand(2, 3, 160, 224)
    batch = ImageList(images, [SIZE_HW, (160, 224)])
    features = network.backbone(images)
    expected, _ = network.rpn(batch, features)
    levels = [features[name] for name in ("p3", "p4", "p5", "p6")]
    found = best_proposals(network.rpn, batch, *network.rpn.head(levels))
    for got, wanted in zip(found, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
