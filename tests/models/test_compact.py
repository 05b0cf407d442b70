"""The small architecture: shapes, size, losses."""

import copy
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from stand_in import TINY_CARD, stand_in_model

from instseg.files.model_file import describe, save_model_file
from instseg.models.compact import (
    LEVELS,
    MASK_LEVEL,
    CompactBackbone,
    DenseMaskPredictor,
    compact,
)
from instseg.models.folding import fold_batch_norms
from instseg.models.mask_rcnn import build_detector
from instseg.scenes.scene import SCENE_CLASSES, draw_scene


def make_targets(count, size_hw):
    """Rectangles of class 1, 2, 3, 1, ..."""
    height, width = size_hw
    masks = torch.zeros(count, height, width, dtype=torch.uint8)
    boxes = torch.zeros(count, 4)
    for i in range(count):
        x0, y0, x1, y1 = 4 * i, 3 * i, 4 * i + width // 3, 3 * i + height // 2
        masks[i, y0:y1, x0:x1] = 1
        boxes[i] = torch.tensor([x0, y0, x1, y1])
    return {"boxes": boxes, "labels": torch.arange(count) % 3 + 1, "masks": masks}


@pytest.mark.parametrize("size_hw", [(64, 96), (37, 101), (33, 31), (8, 8), (1, 1)])
def test_feature_maps_of_any_size(size_hw):
    features = CompactBackbone(8, 12, 6).eval()(torch.rand(2, 3, *size_hw))
    assert list(features) == [*LEVELS, MASK_LEVEL]
    strides = [8, 16, 32, 64, 4]
    for (name, level), stride in zip(features.items(), strides, strict=True):
        sides = [-(-side // stride) for side in size_hw]
        assert level.shape == (2, 6 if name == MASK_LEVEL else 12, *sides)


@pytest.mark.parametrize("size_hw", [(64, 96), (37, 101), (200, 30)])
def test_outputs_have_torchvisions_form(size_hw):
    network = stand_in_model(TINY_CARD).network
    with torch.inference_mode():
        (found,) = network([torch.rand(3, *size_hw)])
    count = len(found["boxes"])
    assert count > 0
    assert found["boxes"].shape == (count, 4)
    assert found["masks"].shape == (count, 1, *size_hw)
    assert set(found["labels"].tolist()) <= {1, 2, 3}
    assert (found["boxes"][:, 2:] <= torch.tensor(size_hw[::-1])).all()


@pytest.mark.parametrize("counts", [(2, 1), (0, 3), (0, 0)])
def test_losses_are_finite_and_reach_every_weight(counts):
    torch.manual_seed(0)
    network = build_detector(TINY_CARD).network.train()
    sizes = [(64, 80), (61, 77)]
    targets = [make_targets(count, size) for count, size in zip(counts, sizes, strict=True)]
    losses = network([torch.rand(3, *size) for size in sizes], targets)
    assert set(losses) == {
        "loss_objectness",
        "loss_rpn_box_reg",
        "loss_classifier",
        "loss_box_reg",
        "loss_mask",
    }
    torch.stack(list(losses.values())).sum().backward()
    for name, weight in network.named_parameters():
        assert torch.isfinite(weight.grad).all(), name
    if any(counts):
        assert all(weight.grad.any() for weight in network.parameters())


def test_a_few_steps_on_one_scene_bring_the_loss_down():
    torch.manual_seed(0)
    scene = draw_scene(0)
    boxes, ids = torch.tensor(scene.instances.boxes), torch.tensor(scene.instances.class_ids)
    masks = torch.from_numpy(scene.instances.masks.dense()).to(torch.uint8)
    target = {"boxes": boxes, "labels": ids % 3 + 1, "masks": masks}
    network = build_detector(TINY_CARD).network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    totals = []
    for _ in range(25):
        image = torch.from_numpy(scene.image).permute(2, 0, 1) / 255
        total = torch.stack(list(network([image], [copy.copy(target)]).values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(total.item())
    assert sum(totals[-5:]) < 0.7 * sum(totals[:5])


def test_stored_size(tmp_path):
    """16 classes and background, as the weights in the repository."""
    names = ("BG", *SCENE_CLASSES)
    card = replace(
        TINY_CARD,
        architecture_args={"num_classes": len(names)},
        class_names=names,
        category_ids=tuple(range(len(names))),
    )
    path = tmp_path / "model.safetensors"
    save_model_file(path, compact(len(names)).state_dict(), card, dtype=torch.float16)
    assert len(SCENE_CLASSES) >= 16
    assert path.stat().st_size < 12 * 2**20
    assert describe(path)["dtypes"]["F16"] > 100


@torch.inference_mode()
def test_dense_mask_predictor_is_a_transposed_convolution():
    predictor = DenseMaskPredictor(6, 4)
    predictor.upsample.bias.copy_(torch.rand(6).repeat(4))  # one for each channel
    x = torch.rand(3, 6, 5, 5)
    weight = predictor.upsample.weight.view(2, 2, 6, 6).permute(3, 2, 0, 1)
    cells = F.conv_transpose2d(x, weight, predictor.upsample.bias[:6], stride=2).relu()
    expected = F.conv2d(cells, predictor.logits.weight[:, :, None, None], predictor.logits.bias)
    torch.testing.assert_close(predictor(x), expected)


@torch.inference_mode()
def test_folded_batch_norms_give_equal_outputs():
    network = stand_in_model(TINY_CARD).network
    folded = fold_batch_norms(copy.deepcopy(network))
    names = [type(module).__name__ for module in folded.modules()]
    assert "BatchNorm2d" not in names
    images = torch.rand(2, 3, 70, 90)
    for name, level in network.backbone(images).items():
        torch.testing.assert_close(
            folded.backbone(images)[name], level, rtol=1e-4, atol=1e-4, msg=name
        )


@pytest.mark.parametrize("class_agnostic", [True, False])
def test_masks_of_no_boxes(class_agnostic):
    predictor = DenseMaskPredictor(4, 3, class_agnostic=class_agnostic)
    assert predictor.masks(torch.zeros(0, 4, 14, 14)).shape == (
        0,
        1 if class_agnostic else 3,
        28,
        28,
    )
    assert predictor.masks(torch.zeros(2, 4, 14, 14)).shape == (
        2,
        1 if class_agnostic else 3,
        28,
        28,
    )
    assert predictor(torch.zeros(2, 4, 14, 14)).shape == (2, 3, 28, 28)
