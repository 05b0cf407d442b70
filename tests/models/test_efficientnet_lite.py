"""The trunk: TensorFlow's padding, the depthwise gradient, shapes."""

import pytest
import torch
import torch.nn.functional as F

from instseg.models.efficientnet_lite import STAGES, WIDTHS, EfficientNetLite, SameConv2d
from instseg.models.folding import fold_batch_norms


def padded_as_tensorflow(x, weight, stride, groups):
    """The rule of TensorFlow's documentation, in its own words: total padding, less of it first."""
    kernel = weight.shape[-1]
    padding = []
    for side in reversed(x.shape[-2:]):
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        padding += [total // 2, total - total // 2]
    return F.conv2d(F.pad(x, padding), weight, None, stride, 0, 1, groups)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size_hw", [(8, 8), (9, 12), (12, 9), (7, 7), (1, 2)])
def test_padding_is_tensorflows(kernel, stride, size_hw):
    if kernel == 1 and stride == 2:
        pytest.skip("EfficientNet has none")
    x = torch.rand(2, 6, *size_hw)
    for groups in (1, 6):
        conv = SameConv2d(6, 6, kernel, stride, groups)
        with torch.no_grad():
            torch.testing.assert_close(
                conv(x), padded_as_tensorflow(x, conv.weight, stride, groups)
            )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size_hw", [(10, 8), (9, 7)])
def test_depthwise_gradients_are_those_of_torch(stride, size_hw):
    conv = SameConv2d(6, 6, 5, stride, 6)
    gradients = []
    for convolve in (conv, lambda x: padded_as_tensorflow(x, conv.weight, stride, 6)):
        x = torch.rand(2, 6, *size_hw, generator=torch.Generator().manual_seed(1)).requires_grad_()
        out = convolve(x)
        slope = torch.arange(out.numel(), dtype=torch.float32).view(out.shape) / out.numel()
        gradients.append(torch.autograd.grad(out, (x, conv.weight), slope))
    torch.testing.assert_close(*gradients)


def test_depthwise_gradients_in_bfloat16_keep_its_precision():
    torch.manual_seed(0)
    conv = SameConv2d(6, 6, 3, 1, 6)
    x = torch.rand(2, 6, 12, 12, requires_grad=True)
    exact = torch.autograd.grad(conv(x).square().sum(), (x, conv.weight))
    with torch.autocast("cpu", torch.bfloat16):
        rounded = torch.autograd.grad(conv(x).float().square().sum(), (x, conv.weight))
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)


def test_frozen_depthwise_weights_get_no_gradient():
    conv = SameConv2d(6, 6, 3, 1, 6).requires_grad_(False)
    x = torch.rand(1, 6, 8, 8, requires_grad=True)
    conv(x).sum().backward()
    assert conv.weight.grad is None
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("size_hw", [(64, 96), (37, 101), (1, 1)])
def test_maps_of_any_size(size_hw):
    maps = EfficientNetLite().eval()(torch.rand(2, 3, *size_hw))
    for found, channels, stride in zip(maps, WIDTHS, (4, 8, 16, 32), strict=True):
        assert found.shape == (2, channels, *(-(-side // stride) for side in size_hw))


def test_size_is_that_of_the_paper():
    network = EfficientNetLite()
    assert sum(stage.blocks for stage in STAGES) == 16
    weights = sum(weight.numel() for weight in network.parameters())
    assert weights == 2_958_848  # 4,652,008 less the last convolution and the classifier


def test_folding_changes_nothing():
    network = EfficientNetLite().eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = network(x)
        torch.testing.assert_close(fold_batch_norms(network)(x), before, rtol=1e-4, atol=1e-5)
