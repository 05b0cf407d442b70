"""Losses on photos on which not everything is annotated, with values known in closed form."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from instseg.core.masks import Masks
from instseg.models.mask_rcnn import fresh_model
from instseg.models.quick import with_layers
from instseg.training.detection import Detection
from instseg.training.layers import TRAINING_LAYERS
from instseg.training.mask_targets import MaskTargets
from instseg.training.partial_labels import partial_cross_entropy, unknown_classes

SIDE = 64
BOXES = torch.tensor([[4.0, 4, 28, 28], [32, 32, 60, 60]])


def make_target(has_mask=(True, True), unknown=(False, False, False), boxes=BOXES):
    masks = np.zeros((len(boxes), SIDE, SIDE), dtype=np.uint8)
    for mask, (x0, y0, x1, y1) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y0:y1, x0:x1] = 1
    return {
        "boxes": boxes,
        "labels": torch.arange(1, len(boxes) + 1),
        "masks": MaskTargets.from_masks(Masks.from_dense(masks)),
        "has_mask": torch.tensor(has_mask, dtype=torch.bool),
        "unknown": torch.tensor(unknown),
        "crowds": torch.zeros(0, 4),
    }


def make_network(**options):
    torch.manual_seed(0)
    network = fresh_model("compact", ("BG", "cat", "dog"), (0, 1, 2), **options).network.train()
    network.transform.min_size = (SIDE,)
    return network


def losses_of(network, *targets, **options):
    torch.manual_seed(2)
    images = [torch.full((3, SIDE, SIDE), 90, dtype=torch.uint8) for _ in targets]
    return Detection(network, resize=True, **options).losses(images, list(targets))


def test_background_may_be_any_unknown_class():
    logits = torch.tensor([[0.4, -1.0, 2.0, 0.3]], dtype=torch.float64)
    unknown = torch.tensor([[False, False, True, True]])
    found = partial_cross_entropy(logits, torch.tensor([0]), unknown)
    p = logits.softmax(1)[0]
    assert float(found) == pytest.approx(-float((p[0] + p[2] + p[3]).log()), abs=1e-6)


def test_an_object_is_one_class_whatever_is_unknown():
    logits, unknown = torch.randn(5, 4), torch.ones(5, 4, dtype=torch.bool)
    labels = torch.tensor([1, 2, 3, 1, 2])
    assert torch.allclose(
        partial_cross_entropy(logits, labels, unknown), cross_entropy(logits, labels)
    )
    nothing = torch.zeros(5, 4, dtype=torch.bool)
    labels = torch.tensor([0, 2, 3, 0, 2])
    assert torch.allclose(
        partial_cross_entropy(logits, labels, nothing), cross_entropy(logits, labels)
    )


def test_unknown_classes_are_not_pushed_down():
    logits = torch.randn(6, 4, requires_grad=True)
    unknown = torch.tensor([[False, True, True, True]] * 3 + [[False, True, False, True]] * 3)
    partial_cross_entropy(logits, torch.zeros(6, dtype=torch.int64), unknown).backward()
    assert (logits.grad[:3] == 0).all()  # everything is possible
    assert (logits.grad[3:, 2] > 0).all()  # which is known not to be there
    assert (logits.grad[3:, [0, 1, 3]] <= 0).all()


def test_boxes_have_the_unknown_classes_of_their_photo():
    targets = [make_target(unknown=(False, True, False)), {}]
    found = unknown_classes(targets, [2, 1], 3)
    assert found.tolist() == [[False, True, False]] * 2 + [[False] * 3]
    assert unknown_classes([make_target(), {}], [2, 1], 3) is None


def test_anchors_without_an_object_are_ignored_on_open_photos():
    rpn = with_layers(make_network(), TRAINING_LAYERS).rpn
    anchors = torch.tensor([[4.0, 4, 28, 28], [32, 32, 60, 60], [0, 40, 20, 60]])

    def of(**known):
        return rpn.assign_targets_to_anchors([anchors], [make_target() | known])[0][0]

    assert of().tolist() == [1, 1, 0]
    assert of(is_open=torch.tensor(True)).tolist() == [1, 1, -1]
    assert of(unknown=torch.tensor([False, False, True])).tolist() == [1, 1, 0]  # as LVIS has it


def test_a_photo_of_which_nothing_is_known_teaches_nothing():
    network = make_network()
    target = make_target((), (False, True, True), boxes=torch.zeros(0, 4))
    target["is_open"] = torch.tensor(True)
    sum(losses_of(network, target).values()).backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert gradients and all((each == 0).all() for each in gradients)


def test_masks_are_learnt_from_objects_that_have_one():
    network = make_network()
    one = losses_of(network, make_target((True, False)))
    both = losses_of(network, make_target())
    spoilt = make_target((True, False))
    spoilt["masks"] = MaskTargets.from_masks(spoilt["masks"].to_masks()[:1]).with_empty(1)
    same = losses_of(network, spoilt)
    assert one["loss_mask"] == same["loss_mask"] != both["loss_mask"]
    for name in both.keys() - {"loss_mask"}:
        assert both[name] == one[name] == same[name]


def test_without_masks_the_mask_head_does_not_run():
    network = make_network()
    losses = losses_of(network, make_target((False, False)), make_target((False, False)))
    assert losses["loss_mask"] == 0
    sum(losses.values()).backward()
    heads = network.roi_heads
    assert all(p.grad is None for p in heads.mask_predictor.parameters())
    assert all(p.grad is not None for p in heads.box_predictor.parameters())


def test_boxes_alone_train_the_mask_head_on_request():
    network = make_network()
    losses = [
        losses_of(network, make_target((False, False)), pairwise=lambda weight=weight: weight)
        for weight in (0.0, 1.0)
    ]
    assert 0 < losses[0]["loss_mask"] < losses[1]["loss_mask"]
    losses[1]["loss_mask"].backward()
    assert all((p.grad != 0).any() for p in network.roi_heads.mask_predictor.parameters())
    with_masks = losses_of(network, make_target(), pairwise=lambda: 1.0)
    assert with_masks == losses_of(network, make_target())


def test_points_train_the_mask_head():
    network, target = make_network(), make_target((False, False))
    target["points"] = torch.tensor([[[6.0, 6, 1], [20, 20, 0]], [[0, 0, -1], [0, 0, -1]]])
    losses = losses_of(network, target)
    assert losses["loss_mask"] > 0
    target["points"][0, 1, 2] = 1
    assert losses_of(network, target)["loss_mask"] != losses["loss_mask"]
    only = make_target((True, False))
    assert losses_of(network, only | {"points": target["points"][:, :0]})["loss_mask"] > 0


def test_a_shared_channel_learns_the_mask_of_every_class():
    network = make_network(class_agnostic_mask=True)
    losses_of(network, make_target())["loss_mask"].backward()
    weights = network.roi_heads.mask_predictor.logits.weight
    assert weights.shape[0] == 1 and (weights.grad != 0).any()
