"""The parts that compute losses: crowds are ignored, and all else is as torchvision has it."""

import copy
import pickle

import pytest
import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import box_iou

from instseg.core.masks import Masks
from instseg.models.mask_rcnn import fresh_model
from instseg.models.quick import with_layers
from instseg.models.registry import DETECTORS
from instseg.training.detection import Detection
from instseg.training.layers import MOST_PAIRS, TRAINING_LAYERS, match_objects
from instseg.training.mask_targets import MaskTargets

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
    return with_layers(make_network(), TRAINING_LAYERS)


def make_target(boxes=(), crowds=None):
    masks = torch.zeros(len(boxes), SIDE, SIDE, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes, strict=True):
        mask[int(y1) : int(y2), int(x1) : int(x2)] = 1
    target = {
        "boxes": torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        "labels": torch.arange(1, len(boxes) + 1),
        "masks": MaskTargets.from_masks(Masks.from_dense(masks.numpy())),
    }
    if crowds is not None:
        target["crowds"] = torch.tensor(crowds, dtype=torch.float32).reshape(-1, 4)
    return target


def images_for(targets):
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randint(256, (3, SIDE, SIDE), generator=generator, dtype=torch.uint8) for _ in targets
    ]


def losses_of(network, *targets):
    torch.manual_seed(2)
    for _ in targets:
        torch.empty(1).uniform_()  # torchvision draws a size for each image first
    return Detection(network).losses(images_for(targets), list(targets))


def torchvisions_losses(network, *targets):
    torch.manual_seed(2)
    dense = [{**target, "masks": target["masks"].dense()} for target in targets]
    return network([image.float() / 255 for image in images_for(targets)], dense)


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


@pytest.mark.parametrize("architecture", DETECTORS)
def test_without_crowds_the_losses_are_torchvisions_own(architecture):
    network = make_network(architecture)
    expected = torchvisions_losses(network, make_target([OBJECT]), make_target())
    losses = losses_of(network, make_target([OBJECT], crowds=[]), make_target())
    assert sorted(losses) == LOSSES
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected[name], rtol=1e-5, atol=1e-6, msg=name)


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


def test_the_network_itself_stays_as_it_is():
    network = make_network()
    kinds = {name: type(module) for name, module in network.named_modules()}
    names = list(network.state_dict())
    before = pickle.dumps(network)
    for _ in range(2):  # it can be trained any number of times
        losses = losses_of(network, make_target([OBJECT], [[0, 0, 32, 32]]))
        sum(losses.values()).backward()
    assert {name: type(module) for name, module in network.named_modules()} == kinds
    assert list(network.state_dict()) == names
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert losses_of(other, make_target([OBJECT])) == losses_of(network, make_target([OBJECT]))
    plain = pickle.loads(before)
    for name, weights in network.named_parameters():
        assert torch.equal(weights, plain.get_parameter(name)), name
        assert weights.grad is not None, name


def test_other_layers_share_weights_buffers_and_hooks(network):
    plain = make_network()
    seen = []
    hook = plain.roi_heads.register_forward_pre_hook(lambda *_: seen.append(True))
    other = with_layers(plain, TRAINING_LAYERS)
    shared = other.state_dict(keep_vars=True)
    assert list(shared) == list(plain.state_dict())
    assert all(values is shared[name] for name, values in plain.state_dict(keep_vars=True).items())
    plain.to(torch.float64)
    assert {weights.dtype for weights in other.parameters()} == {torch.float64}
    losses_of(plain.float(), make_target([OBJECT]))
    assert seen
    hook.remove()
    again = pickle.loads(pickle.dumps(other.cpu()))  # as processes hand it on
    assert {type(module) for module in other.modules()} == {type(m) for m in again.modules()}


def test_copies_use_their_own_weights():
    """The average of the weights starts as a copy of the network in training."""
    network, target = make_network(), make_target([OBJECT], [[0, 0, 32, 32]])
    before = losses_of(network, target)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    assert losses_of(network, target) == before
    undecided = torch.tensor(3.0).log()  # of three classes
    torch.testing.assert_close(losses_of(other, target)["loss_classifier"], undecided)


@pytest.mark.parametrize("low_quality", [True, False])
def test_many_objects_are_matched_as_torchvision_matches_them(low_quality):
    generator = torch.Generator().manual_seed(0)
    objects, anchors = (torch.rand(n, 4, generator=generator) * 200 for n in (300, 40_000))
    for boxes in (objects, anchors):
        boxes[:, 2:] = boxes[:, :2] + boxes[:, 2:] / 4 + 1
    if low_quality:
        objects[0] += 1000  # which no anchor meets, and so all of them tie for it
    assert len(objects) * len(anchors) > MOST_PAIRS
    matcher = make_network().rpn.proposal_matcher
    matcher.allow_low_quality_matches = low_quality
    expected = matcher(box_iou(objects, anchors))
    assert torch.equal(match_objects(matcher, objects, anchors), expected)
    assert low_quality or set(expected.clamp(max=0).tolist()) == {-2, -1, 0}
