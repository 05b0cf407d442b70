"""What of a network is trained."""

import pytest
import torch

from instseg.core.errors import InputError
from instseg.models.mask_rcnn import build_detector, coco_card, fresh_model
from instseg.models.segmenters import fresh_segmenter
from instseg.training.scope import backbone_weights, train_only


@pytest.fixture(scope="module")
def networks():
    torch.manual_seed(0)
    resnet = build_detector(coco_card("resnet50_fpn")).network
    return resnet, fresh_model("compact", ("BG", "cup"), (0, 1)).network


def trained(network, prefix):
    return {p.requires_grad for n, p in network.named_parameters() if n.startswith(prefix)}


@pytest.mark.parametrize(
    ("scope", "frozen", "free"),
    [
        ("heads", ["backbone.body"], ["backbone.fpn", "rpn", "roi_heads"]),
        ("5+", ["backbone.body.layer3"], ["backbone.body.layer4"]),
        ("4+", ["backbone.body.layer2"], ["backbone.body.layer3", "backbone.body.layer4"]),
        ("3+", ["backbone.body.conv1", "backbone.body.layer1"], ["backbone.body.layer2"]),
        ("all", [], ["backbone.body.conv1", "roi_heads"]),
    ],
)
def test_scopes_of_a_resnet(networks, scope, frozen, free):
    network = networks[0]
    train_only(network, scope)
    assert all(trained(network, prefix) == {False} for prefix in frozen)
    assert all(trained(network, prefix) == {True} for prefix in free)


def test_scopes_of_compact(networks):
    network = networks[1]
    train_only(network, "4+")
    assert trained(network, "backbone.stem") == {False}
    assert trained(network, "backbone.stages.1") == {False}
    assert trained(network, "backbone.stages.2") == {True}
    assert trained(network, "backbone.lateral") == {True}
    train_only(network, "all")
    assert trained(network, "backbone") == {True}


def test_scopes_of_a_semantic_network():
    network = fresh_segmenter("unet_efficientnet_lite0", ("BG", "cup"), (0, 1)).network
    train_only(network, "heads")
    assert trained(network, "backbone") == {False}
    assert trained(network, "smooth") == trained(network, "logits") == {True}
    train_only(network, "5+")
    assert trained(network, "backbone.body.stages.4") == {False}
    assert trained(network, "backbone.body.stages.5.0.project") == {True}
    assert trained(network, "backbone.body.stages.5.0.depthwise.0") == {False}
    train_only(network, "all")
    assert trained(network, "") == {True}


def test_another_scope_is_refused(networks):
    with pytest.raises(InputError, match="layers='2': choose one of heads"):
        train_only(networks[1], "2")


def test_depthwise_convolutions_are_trained_with_all_only():
    network = fresh_model("efficientnet_lite0_fpn", ("BG", "cup"), (0, 1)).network
    depthwise = [
        module.weight
        for module in network.backbone.body.modules()
        if isinstance(module, torch.nn.Conv2d) and module.groups > 1
    ]
    assert len(depthwise) == 16
    train_only(network, "3+")
    assert not any(weight.requires_grad for weight in depthwise)
    assert not any(w.requires_grad for w in network.backbone.body.stages[1].parameters())
    assert network.backbone.body.stages[2][0].expand[0].weight.requires_grad
    train_only(network, "all")
    assert all(weight.requires_grad for weight in network.parameters())


def test_the_backbone_is_what_the_scopes_name():
    network = fresh_model("compact", ("BG", "cup"), (0, 1)).network
    found = {id(weight) for weight in backbone_weights(network)}
    named = {name for name, weight in network.named_parameters() if id(weight) in found}
    assert named == {
        name
        for name, _ in network.named_parameters()
        if name.startswith(("backbone.stem", "backbone.stages"))
    }
