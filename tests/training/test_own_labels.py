"""Pseudo-labels teach classes, not places."""

import pytest
import torch

from instseg.models.mask_rcnn import load_detector
from instseg.scenes.scene import SceneConfig, draw_scene
from instseg.training.detection import Detection
from instseg.training.own_labels import as_own
from instseg.training.samples import to_sample

PLACES = ("loss_box_reg", "loss_rpn_box_reg", "loss_mask")


@pytest.fixture
def task(tiny_weights):
    model = load_detector(tiny_weights)
    model.network.train()
    return Detection(model.network)


def batch(own):
    """Two scenes with a cup each, some of which are pseudo-labels."""
    config = SceneConfig(size_hw=(64, 64), classes=("cup",), objects=(1, 1), object_px=(30, 40))
    images, targets = [], []
    for index, each in enumerate(own):
        scene = draw_scene(index, config)
        image, target = to_sample(scene.image, scene.instances, ("BG", "cup", "dog"))
        images.append(image)
        targets.append(as_own(target) if each else target)
    return images, targets


def losses(task, own):
    torch.manual_seed(0)
    return {name: loss.item() for name, loss in task.losses(*batch(own)).items()}


def test_boxes_and_masks_of_pseudo_labels_are_not_learnt(task):
    drawn, found = losses(task, [False, False]), losses(task, [True, True])
    assert all(drawn[name] > 0 and found[name] == 0 for name in PLACES)
    for name in ("loss_classifier", "loss_objectness"):
        assert found[name] == pytest.approx(drawn[name])


def test_photos_of_people_beside_them_are(task):
    both = losses(task, [False, True])
    assert all(0 < both[name] < float("inf") for name in PLACES)
    sum(task.losses(*batch([False, True])).values()).backward()
    gradients = [p.grad for p in task.network.parameters() if p.grad is not None]
    assert gradients and all(torch.isfinite(each).all() for each in gradients)
