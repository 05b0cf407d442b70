"""Crowds in training: neither foreground nor background."""

import copy

import pytest
import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.transform import GeneralizedRCNNTransform

from instseg.models.mask_rcnn import ARCHITECTURES, fresh_model
from instseg.training.crowds import ignore_crowds, in_crowd, scale_crowds

SIDE = 64
EVERYWHERE = [-1e4, -1e4, 1e4, 1e4]  # so large that the anchors over the border lie in it as well
OBJECT = [10.0, 12.0, 40.0, 44.0]
LOSSES = ["loss_box_reg", "loss_classifier", "loss_mask", "loss_objectness", "loss_rpn_box_reg"]


def make_network(architecture="compact"):
    torch.manual_seed(0)
    names = ("BG", "cat", "dog")
    network = fresh_model(architecture, names, tuple(range(3))).network.train()
    network.transform.min_size = (SIDE,)
    return network


@pytest.fixture(scope="module")
def network():
    network = make_network()
    ignore_crowds(network)
    return network


def make_target(boxes=(), crowds=None):
    masks = torch.zeros(len(boxes), SIDE, SIDE, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
    target = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.arange(1, len(boxes) + 1),
        "masks": masks,
    }
    if crowds is not None:
        target["crowds"] = torch.tensor(crowds, dtype=torch.float32).reshape(-1, 4)
    return target


def losses_of(network, *targets):
    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(3, SIDE, SIDE, generator=generator) for _ in targets]
    torch.manual_seed(2)
    return network(images, list(targets))


def features_of(network, count):
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        return network.backbone(torch.rand(count, 3, SIDE, SIDE, generator=generator))


def head_losses(network, proposals, targets):
    """The heads' losses on fixed features and proposals."""
    boxes = [torch.tensor(p).reshape(-1, 4) for p in proposals]
    torch.manual_seed(3)
    features = features_of(network, len(targets))
    return network.roi_heads(features, boxes, [(SIDE, SIDE)] * len(targets), targets)[1]


def gradient(network, losses, part):
    """The largest of a part's parameters, which must all have one."""
    parameters = [p for p in network.get_submodule(part).parameters() if p.requires_grad]
    slopes = torch.autograd.grad(sum(losses.values()), parameters, retain_graph=True)
    return max(float(slope.abs().max()) for slope in slopes)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_without_crowds_the_losses_are_torchvisions_own(architecture):
    ours, theirs = make_network(architecture), make_network(architecture)
    ignore_crowds(ours)
    expected = losses_of(theirs, make_target([OBJECT]), make_target())
    losses = losses_of(ours, make_target([OBJECT], crowds=[]), make_target())
    assert sorted(losses) == LOSSES
    for name, loss in losses.items():
        assert torch.equal(loss, expected[name]), name


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
    target = make_target(crowds=[[0, 0, 30, 30], [30, 0, 36, 10]])
    assert in_crowd(boxes, target).tolist() == [True, False, True, False, False, False, False]
    assert in_crowd(boxes[:1].bfloat16(), target).tolist() == [True]
    assert in_crowd(boxes[:0], target).shape == (0,)


def test_anchors_in_crowds_are_neither_foreground_nor_background(network):
    anchors = torch.tensor([[1.0, 1, 9, 9], OBJECT, [50, 50, 60, 60], [0, 0, 64, 64]])
    boxes = [[12.0, 12, 40, 44]]
    crowd = [[0, 0, 45, 45]]
    labels, _ = network.rpn.assign_targets_to_anchors(
        [anchors] * 3,
        [make_target(boxes, crowd), make_target([], crowd), make_target(boxes)],
    )
    assert labels[0].tolist() == [-1, 1, 0, 0]
    assert labels[1].tolist() == [-1, -1, 0, 0]
    assert labels[2].tolist() == [0, 1, 0, 0]


def test_proposals_in_crowds_are_left_out_of_the_heads(network):
    inside, outside = [1.0, 1, 9, 9], [44.0, 44, 60, 60]
    crowd = [[0, 0, 45, 45]]
    plain = [make_target([OBJECT]), make_target()]
    crowded = [make_target([OBJECT], crowd), make_target([], crowd)]
    for targets in (crowded, crowded[::-1]):
        with_them = head_losses(network, [[inside, outside, OBJECT]] * 2, targets)
        without = [[outside, OBJECT] if len(t["boxes"]) else [outside] for t in targets]
        bare = [plain[0] if len(t["boxes"]) else plain[1] for t in targets]
        expected = head_losses(network, without, bare)
        assert with_them == expected
    assert head_losses(network, [[inside, outside]] * 2, plain) != head_losses(
        network, [[inside, outside]] * 2, crowded
    )


def test_an_object_in_a_crowd_is_learnt(network):
    losses = losses_of(network, make_target([OBJECT], [EVERYWHERE]))
    assert all(loss > 0 for loss in losses.values())
    for part in ("rpn.head", "roi_heads.box_predictor", "roi_heads.mask_predictor", "backbone"):
        assert gradient(network, losses, part) > 0, part


def test_a_batch_of_nothing_but_crowds_teaches_nothing(network):
    target = make_target([], [EVERYWHERE])
    losses = losses_of(network, target, target)
    assert sorted(losses) == LOSSES
    assert all(loss == 0 for loss in losses.values())
    for part in ("rpn", "roi_heads", "backbone"):
        assert gradient(network, losses, part) == 0, part


def test_an_image_of_nothing_but_a_crowd_takes_no_part_in_its_batch(network):
    features = features_of(network, 2)
    for level in features.values():
        level.requires_grad_()
    batch = ImageList(torch.zeros(2, 3, SIDE, SIDE), [(SIDE, SIDE)] * 2)
    targets = [make_target([], [EVERYWHERE]), make_target([OBJECT])]
    proposals, losses = network.rpn(batch, features, targets)
    losses |= network.roi_heads(features, proposals, batch.image_sizes, targets)[1]
    for slope in torch.autograd.grad(sum(losses.values()), [*features.values()]):
        assert slope[0].abs().max() == 0
        assert slope[1].abs().max() > 0


def test_copies_use_their_own_weights(network):
    """The average of the weights starts as a copy of the network in training."""
    target = make_target([OBJECT], [[0, 0, 32, 32]])
    before = losses_of(network, target)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert losses_of(network, target) == before
    undecided = torch.tensor(3.0).log()  # of three classes
    torch.testing.assert_close(losses_of(other, target)["loss_classifier"], undecided)


def test_inference_and_the_names_of_weights_stay(network):
    plain = make_network().eval()
    assert network.state_dict().keys() == plain.state_dict().keys()
    other = copy.deepcopy(network).eval()
    other.load_state_dict(plain.state_dict())
    image = [torch.rand(3, SIDE, SIDE)]
    with torch.no_grad():
        for name, value in other(image)[0].items():
            assert torch.equal(value, plain(image)[0][name])


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
