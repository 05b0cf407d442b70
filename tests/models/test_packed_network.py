"""Packed layers against the layers that they replace."""

import copy
import pickle

import pytest
import torch
from stand_in import stand_in_model
from torch import nn

from instseg.models.detections import Choice
from instseg.models.folding import folded_network
from instseg.models.inference import Detector
from instseg.models.mask_rcnn import build_detector, coco_card
from instseg.models.packed import PackedConv2d, PackedLinear, can_pack
from instseg.models.packed_network import packed_network
from instseg.scenes.scene import draw_scene

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(not can_pack(CPU, torch.float32), reason="without oneDNN")
ARCHITECTURES = ("resnet50_fpn", "resnet50_fpn_v2", "compact", "efficientnet_lite0_fpn")


@pytest.mark.parametrize("size_hw", [(10, 20), (50, 68), (8, 5), (76, 50)])
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolution_of_any_size(size_hw, kernel):
    conv = nn.Conv2d(192, 1152, kernel, padding=kernel // 2)
    packed = PackedConv2d(conv, torch.float32, "relu")
    with torch.inference_mode():
        for size in ((10, 14), size_hw, (10, 14)):
            x = torch.randn(1, 192, *size).contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(packed(x), conv(x).relu(), rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_sum_is_part_of_the_convolution():
    conv = nn.Conv2d(16, 32, 1)
    packed = PackedConv2d(conv, torch.float32, "relu")
    x, other = torch.randn(2, 16, 9, 7), torch.randn(2, 32, 9, 7)
    expected = (conv(x) + other).relu()
    last = {"memory_format": torch.channels_last}
    found = packed.added_to(other.contiguous(**last), x.contiguous(**last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("again", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_layers_are_copied_after_use(again):
    linear, conv = nn.Linear(8, 5), nn.Conv2d(8, 5, 3)
    rows, image = torch.randn(7, 8), torch.randn(1, 8, 9, 9)
    for layer, x in (
        (PackedLinear(linear.weight, linear.bias, torch.float32, "relu"), rows),
        (PackedConv2d(conv, torch.float32), image),
    ):
        expected = layer(x)
        assert torch.equal(again(layer)(x), expected)


@torch.inference_mode()
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_trunk_and_heads_are_those_of_the_network(architecture):
    model = stand_in_model(coco_card(architecture))
    plain = folded_network(model).to(memory_format=torch.channels_last)
    packed = packed_network(plain, torch.float32)
    x = torch.randn(1, 3, 96, 128).contiguous(memory_format=torch.channels_last)
    features, expected = packed.backbone(x), plain.backbone(x)
    assert list(features) == list(expected)
    for name, level in expected.items():
        torch.testing.assert_close(features[name], level, rtol=1e-3, atol=1e-3)
    boxes = [torch.tensor([[3.0, 4.0, 50.0, 60.0], [20.0, 30.0, 90.0, 40.0]])]
    heads, plain_heads = packed.roi_heads, plain.roi_heads
    cells = plain_heads.box_roi_pool(expected, boxes, [(96, 128)])
    for found, wanted in zip(
        heads.box_predictor(heads.box_head(cells)),
        plain_heads.box_predictor(plain_heads.box_head(cells)),
        strict=True,
    ):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_without_onednn_the_results_are_the_same(monkeypatch):
    model = build_detector(coco_card("compact"))
    image = torch.from_numpy(draw_scene(1).image).permute(2, 0, 1)
    choice = Choice(score_threshold=0.0, max_detections=10)
    (packed,) = Detector(model, CPU, torch.float32)([image], choice)
    monkeypatch.setattr("instseg.models.inference.can_pack", lambda device, dtype: False)
    (plain,) = Detector(model, CPU, torch.float32)([image], choice)
    torch.testing.assert_close(packed.boxes, plain.boxes, rtol=0, atol=1e-3)
    torch.testing.assert_close(packed.soft_masks, plain.soft_masks, rtol=0, atol=1e-4)
