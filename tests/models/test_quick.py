"""Quick layers: what torchvision's give, forwards and backwards, and float32 where it matters."""

import copy

import pytest
import torch
from torch import nn
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FrozenBatchNorm2d

from instseg.models.mask_rcnn import fresh_model
from instseg.models.quick import (
    QUICK_LAYERS,
    QuickSharedMaskPredictor,
    conv_then_norm,
    with_layers,
)

SIDE = 64
TOLERANCE = {"rtol": 1e-4, "atol": 1e-5}


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def make_network(architecture):
    torch.manual_seed(0)
    network = fresh_model(architecture, ("BG", "cat", "dog"), (0, 1, 2)).network.train()
    network.transform.min_size = (SIDE,)
    for name, module in network.named_modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.running_mean.copy_(0.1 * random(len(module.running_mean)))
            module.bias.copy_(0.1 * random(len(module.bias), seed=1))
            if name.endswith("bn3"):
                module.weight.fill_(0.1)
    return network


def quicken(network):
    return with_layers(network, QUICK_LAYERS)


def losses_of(network):
    boxes = torch.tensor([[10.0, 12, 60, 64], [30, 20, 62, 50]])
    masks = torch.zeros(2, SIDE, SIDE, dtype=torch.uint8)
    for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
        mask[y1:y2, x1:x2] = 1
    target = {"boxes": boxes, "labels": torch.tensor([1, 2]), "masks": masks}
    torch.manual_seed(2)
    return network([random(3, SIDE, SIDE).sigmoid()], [target])


def gradients(outputs, inputs, seed=5):
    slopes = [random(*output.shape, seed=seed).to(output) for output in outputs]
    return torch.autograd.grad(outputs, inputs, slopes)


def test_losses_and_gradients_are_those_of_the_plain_network():
    plain = make_network("resnet50_fpn")
    quick = quicken(copy.deepcopy(plain))
    own = {*QUICK_LAYERS.values()} - {QuickSharedMaskPredictor}  # of other networks
    assert own <= {type(module) for module in quick.modules()}
    expected, losses = losses_of(plain), losses_of(quick)
    assert list(plain.state_dict()) == list(quick.state_dict())
    for name, loss in losses.items():
        torch.testing.assert_close(loss, expected[name], rtol=1e-5, atol=1e-6, msg=name)
    sum(expected.values()).backward()
    sum(losses.values()).backward()
    for (name, weight), same in zip(plain.named_parameters(), quick.parameters(), strict=True):
        assert (weight.grad is None) == (same.grad is None), name
        if weight.grad is not None:
            # a rectifier that rounding opens changes a gradient by some thousandths
            assert (same.grad - weight.grad).norm() <= 1e-2 * weight.grad.norm(), name


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize(
    "touched",
    [[], [(0, 0, 0)], [(0, 4, 5), (1, 0, 5), (1, 4, 0), (1, 2, 2)], "all"],
    ids=["none", "corner", "some", "all"],
)
def test_gradients_of_the_proposal_head(touched, depth):
    torch.manual_seed(0)
    plain = RPNHead(8, 3, conv_depth=depth)
    for weight in plain.parameters():
        nn.init.normal_(weight, std=0.3)
    levels = [random(2, 8, 5, 6).requires_grad_(), random(2, 8, 1, 1, seed=1).requires_grad_()]
    quick = quicken(copy.deepcopy(plain))
    results = []
    for head in (plain, quick):
        logits, deltas = head(levels)
        where = torch.zeros(2, 5, 6)
        for cell in touched if touched != "all" else []:
            where[cell] = 1
        where = where[:, None] + (touched == "all")
        total = (logits[0] * where).square().sum() + (deltas[0] * where).sin().sum()
        total = total + logits[1].sum() * (touched == "all")
        inputs = [*levels, *head.parameters()]
        results.append((logits + deltas, torch.autograd.grad(total, inputs, allow_unused=True)))
    for got, expected in zip(results[1][0], results[0][0], strict=True):
        assert torch.equal(got, expected)
    for got, expected in zip(results[1][1], results[0][1], strict=True):
        expected = torch.zeros_like(got) if expected is None else expected
        torch.testing.assert_close(got, expected, **TOLERANCE)


def test_mask_predictor():
    torch.manual_seed(0)
    plain = MaskRCNNPredictor(8, 6, 3)
    quick = quicken(copy.deepcopy(plain))
    x = random(4, 8, 5, 5).requires_grad_()
    torch.testing.assert_close(quick(x), plain(x), **TOLERANCE)
    expected = gradients([plain(x)], [x, *plain.parameters()])
    torch.testing.assert_close(gradients([quick(x)], [x, *quick.parameters()]), expected)
    assert quick(x[:0]).shape == (0, 3, 10, 10)


@pytest.mark.parametrize("bias", [False, True])
def test_a_constant_norm_goes_into_its_convolution(bias):
    torch.manual_seed(0)
    conv, norm = nn.Conv2d(4, 6, 3, stride=2, padding=1, bias=bias), nn.BatchNorm2d(6)
    for each in (norm.weight.data, norm.bias.data, norm.running_var, norm.running_mean):
        each.uniform_(0.5, 2)
    x = random(2, 4, 9, 9).requires_grad_()
    inputs = [x, *conv.parameters(), *norm.parameters()]
    norm.eval()
    results = [norm(conv(x)), conv_then_norm(conv, norm, x)]
    torch.testing.assert_close(*results, **TOLERANCE)
    torch.testing.assert_close(*(gradients([y], inputs) for y in results), **TOLERANCE)
    norm.train()
    mean = norm.running_mean.clone()
    conv_then_norm(conv, norm, x)
    assert not torch.equal(norm.running_mean, mean)


def far_proposals(network, dtype):
    """Of a feature map so wide that boxes lie beyond 1,000 px, where bfloat16 has steps of 8."""
    channels = network.backbone.out_channels
    features = {name: random(1, channels, 4, 40) for name in ("0", "1", "2", "3", "pool")}
    batch = ImageList(torch.zeros(1, 3, 128, 1280), [(128, 1280)])
    with torch.autocast("cpu", dtype, enabled=dtype != torch.float32), torch.no_grad():
        (proposals,), _ = network.rpn(batch, features)
    return proposals


def test_proposals_are_not_rounded_under_autocast():
    network = make_network("resnet50_fpn").eval()
    assert far_proposals(network, torch.bfloat16).dtype == torch.bfloat16  # torchvision's own
    exact = far_proposals(quicken(network), torch.float32)
    proposals = far_proposals(quicken(network), torch.bfloat16)
    assert proposals.dtype == torch.float32
    assert proposals.max() > 1024
    distance = torch.cdist(proposals, exact, p=torch.inf).min(dim=1).values
    assert distance.median() < 0.5


def test_training_under_autocast_matches_objects_with_their_exact_boxes():
    network = quicken(make_network("compact"))
    seen = []
    network.roi_heads.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1][0].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        total = sum(losses_of(network).values())
    total.backward()
    assert seen == [torch.float32]
    for part in ("rpn.head", "backbone", "roi_heads"):
        slopes = [w.grad for w in network.get_submodule(part).parameters()]
        assert all(torch.isfinite(slope).all() for slope in slopes)
        assert any(slope.abs().max() > 0 for slope in slopes)
