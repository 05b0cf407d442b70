"""3x3 convolutions of many channels, with fewer products."""

import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from instseg.models import winograd
from instseg.models.packed import can_pack
from instseg.models.winograd import WinogradConv2d, suits_winograd

pytestmark = pytest.mark.skipif(
    not can_pack(torch.device("cpu"), torch.float32), reason="needs oneDNN and AVX2"
)
SIZES = [(1, 16, 18), (1, 13, 17), (3, 14, 14), (2, 90, 64), (40, 14, 15), (1, 5, 400), (9, 7, 7)]


def example(size, channels=256, outs=256, bias=True):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, outs, 3, padding=1, bias=bias).requires_grad_(False)
    count, height, width = size
    return conv, torch.randn(count, channels, height, width).relu()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("activation", ["none", "relu"])
def test_it_equals_the_convolution(size, activation):
    conv, x = example(size)
    with torch.inference_mode():
        found = WinogradConv2d(conv, torch.float32, activation)(x)
        expected = F.conv2d(x.double(), conv.weight.double(), conv.bias.double(), padding=1)
    expected = expected.relu() if activation == "relu" else expected
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-5
    assert (found - expected).abs().mean() < 1e-6 * expected.abs().mean()


@pytest.mark.parametrize("size", [(3, 14, 14), (1, 30, 40), (2, 9, 120), (2, 1, 1)])
def test_chunks_equal_the_convolution(size, monkeypatch):
    monkeypatch.setattr(winograd, "CHUNK_PIXELS", 112)  # two images, two fours or less than one
    conv, x = example(size)
    with torch.inference_mode():
        assert (WinogradConv2d(conv, torch.float32)(x) - conv(x)).abs().max() < 1e-5


def test_relu6():
    conv, x = example((1, 16, 18))
    with torch.inference_mode():
        found = WinogradConv2d(conv, torch.float32, "relu6")(20 * x)
        assert (found - F.relu6(conv(20 * x))).abs().max() < 1e-4
    assert found.max() == 6


def test_no_images():
    conv, x = example((0, 14, 14))
    assert WinogradConv2d(conv, torch.float32)(x).shape == x.shape


def test_other_channels_and_no_bias():
    conv, x = example((2, 20, 22), 256, 320, bias=False)
    with torch.inference_mode():
        found = WinogradConv2d(conv, torch.float32)(x)
        assert (found - conv(x)).abs().max() < 1e-5


def test_channels_last_stay_last():
    conv, x = example((2, 20, 22))
    with torch.inference_mode():
        found = WinogradConv2d(conv, torch.float32)(x.to(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_bf16_loses_little():
    if not can_pack(torch.device("cpu"), torch.bfloat16):
        pytest.skip("needs bf16 instructions")
    conv, x = example((1, 40, 44))
    x = x.bfloat16()
    with torch.inference_mode():
        found = WinogradConv2d(conv, torch.bfloat16)(x.float())
        expected = conv(x.float())
    assert found.dtype == torch.bfloat16
    assert (found.float() - expected).abs().mean() < 0.01 * expected.abs().mean()


def test_a_copy_finds_the_same():
    conv, x = example((1, 16, 18))
    with torch.inference_mode():
        layer = WinogradConv2d(conv, torch.float32)
        found = layer(x)
        assert torch.equal(pickle.loads(pickle.dumps(layer))(x), found)


@pytest.mark.parametrize(
    ("conv", "suits"),
    [
        (nn.Conv2d(256, 256, 3, padding=1), True),
        (nn.Conv2d(128, 512, 3, padding=1), True),
        (nn.Conv2d(64, 256, 3, padding=1), False),
        (nn.Conv2d(256, 127, 3, padding=1), False),
        (nn.Conv2d(256, 256, 3, padding=1, stride=2), False),
        (nn.Conv2d(256, 256, 3), False),
        (nn.Conv2d(256, 256, 3, padding=1, groups=256), False),
        (nn.Conv2d(256, 256, 3, padding=2, dilation=2), False),
        (nn.Conv2d(256, 256, 1), False),
    ],
)
def test_which_convolutions_suit(conv, suits):
    assert suits_winograd(conv) == suits
